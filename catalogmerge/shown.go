package catalogmerge

import (
	"fmt"
	"strings"
)

// remaining returns the problems of the copy that are about what platforms see.
func (x *Exposed) remaining() []Problem {
	problems := make([]Problem, 0, len(x.copy.Problems))
	renamed := make(map[string]bool, len(x.offerings))
	for i := range x.offerings {
		renamed[x.offerings[i].OwnID] = x.offerings[i].Name != x.offerings[i].OwnName
	}
	for _, p := range x.copy.Problems {
		switch {
		case p.Hard:
		case p.Rule == RuleDefault && x.options.MaterializeDefaults:
			continue
		case renamed[p.Offering] && isNameOfOffering(p.Path):
			continue
		}
		problems = append(problems, p)
	}
	return problems
}

// isNameOfOffering tells whether a path is that of an offering's name in what a backend sent.
func isNameOfOffering(path string) bool {
	_, field, ok := strings.Cut(path, ".")
	return ok && field == "name"
}

// nameProblems returns what platforms have against a name that a policy gives an offering. It is never hard.
func (p *Published) nameProblems(name string) []Problem {
	rule, detail := nameHint(encodeText(name))
	if rule == "" {
		return nil
	}
	return []Problem{{
		Backend: p.Backend, Offering: p.OwnID, Path: "name", Rule: rule,
		Detail: fmt.Sprintf("the name that it is shown under, %s, %s", quote(name), detail),
	}}
}
