package catalogmerge

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// advice is a soft problem of an offering. The same one of several plans is listed once, with their number.
type advice struct {
	at        place
	rule      Rule
	detail    string
	elsewhere int
}

// advise adds a soft problem. One that another plan has too only counts; so do those beyond a limit.
func (d *draft) advise(at place, rule Rule, format string, args ...any) {
	if d.unchecked {
		return
	}
	for i := range d.advice {
		a := &d.advice[i]
		if a.rule == rule && a.at.object == at.object && a.at.field == at.field && (a.at.plan == none) == (at.plan == none) {
			a.elsewhere++
			return
		}
	}
	if len(d.advice) == maxProblemsPerOffering {
		d.advice = append(d.advice, advice{at: place{plan: none}, rule: RuleMore})
	}
	if len(d.advice) > maxProblemsPerOffering {
		d.advice[maxProblemsPerOffering].elsewhere++
		return
	}
	d.advice = append(d.advice, advice{at: at, rule: rule, detail: fmt.Sprintf(format, args...)})
}

func (d *draft) softProblems() []Problem {
	problems := make([]Problem, 0, len(d.advice))
	for _, a := range d.advice {
		switch {
		case a.rule == RuleMore:
			a.detail = fmt.Sprintf("has %d more warnings", a.elsewhere)
		case a.elsewhere > 0:
			a.detail = fmt.Sprintf("%s (the same in %d more)", a.detail, a.elsewhere)
		}
		p := d.problem(a.at, a.rule, a.detail)
		p.Hard = false
		problems = append(problems, p)
	}
	return problems
}

// maxWarnings bounds the soft problems of one backend, of offerings that are published.
const maxWarnings = 100

// listed returns as many of a backend's soft problems as may be listed. The last of them counts the others.
func listed(warnings []Problem, backend string) []Problem {
	if len(warnings) <= maxWarnings {
		return warnings
	}
	more := len(warnings) - (maxWarnings - 1)
	return append(warnings[:maxWarnings-1], Problem{
		Backend: backend, Path: "services", Rule: RuleMore, Detail: fmt.Sprintf("have %d more warnings", more),
	})
}

// absences counts the plans of an offering, and those that leave a field with a default out.
type absences struct {
	plans, free, bindable int
}

func (a *absences) count(free, bindable []byte) {
	a.plans++
	if free == nil || isNull(free) {
		a.free++
	}
	if bindable == nil || isNull(bindable) {
		a.bindable++
	}
}

// adviseOnDefaults warns where an absent field does not mean the same to all platforms: without free a plan is free to
// Cloud Foundry and costs to Kubernetes and Korifi; without bindable it is as bindable as its offering, but never to
// Korifi.
func (d *draft) adviseOnDefaults(a absences, bindable bool) {
	var parts []string
	if a.free > 0 {
		parts = append(parts,
			fmt.Sprintf("%d of %d plans leave out free, which Kubernetes and Korifi read as false", a.free, a.plans))
	}
	if a.bindable > 0 && bindable {
		parts = append(parts,
			fmt.Sprintf("%d of %d plans leave out bindable, which Korifi reads as false", a.bindable, a.plans))
	}
	if len(parts) > 0 {
		d.advise(place{plan: none, field: "plans"}, RuleDefault, "%s", strings.Join(parts, "; "))
	}
}

const (
	// kubernetesNameBytes is how long ids and names may be for Kubernetes.
	kubernetesNameBytes = 63
	// databaseTextChars is how long ids and names may be for Cloud Foundry where its database is MySQL.
	databaseTextChars = 255
	// databaseMetadataBytes is how long metadata may be for Cloud Foundry where its database is MySQL.
	databaseMetadataBytes = 1<<16 - 1
)

// nameHint looks at an id or a name with which some platforms have a difficulty.
func nameHint(value []byte) (Rule, string) {
	s, _ := text(value)
	if chars := utf8.RuneCountInString(s); chars > databaseTextChars {
		return RuleLength, fmt.Sprintf("has %d characters; Cloud Foundry with MySQL keeps at most %d, Kubernetes takes at most %d",
			chars, databaseTextChars, kubernetesNameBytes)
	}
	if len(s) > kubernetesNameBytes {
		return RuleLength, fmt.Sprintf("has %d bytes; Kubernetes takes at most %d", len(s), kubernetesNameBytes)
	}
	if strings.TrimSpace(s) != s {
		return RuleCharacter, "begins or ends with white space, which Cloud Foundry strips from names"
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return RuleCharacter, "holds control characters"
	}
	return "", ""
}
