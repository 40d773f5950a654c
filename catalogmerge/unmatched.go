package catalogmerge

import (
	"fmt"
	"slices"
)

// Unmatched returns a problem for each selector in what a platform may see that chooses nothing, neither of what is
// published nor of what ever was: it may be misspelt, and show or hide other offerings than it was meant to. Nothing is
// said while a backend never gave a good answer, for the offering may be one of that backend's.
func (c *Catalog) Unmatched(platform string, v *Visibility) []Problem {
	if v.all() || slices.Contains(c.backends, nil) {
		return nil
	}
	var subjects []*subject
	for _, from := range c.backends {
		for own := range from.copy.Known.Offerings {
			subjects = append(subjects, c.subject(from.copy.Backend, own))
		}
	}
	var problems []Problem
	report := func(verdict string, selectors []Selector) {
		for i, s := range selectors {
			if slices.ContainsFunc(subjects, s.matches) {
				continue
			}
			problems = append(problems, Problem{
				Offering: s.String(), Path: fmt.Sprintf("offerings.%s[%d]", verdict, i), Rule: RuleNoMatch,
				Detail: fmt.Sprintf("platform %s: offerings %s %s, which is no offering that platforms see or saw",
					quote(platform), verdict, quote(s.String())),
			})
		}
	}
	report("allow", v.Allow)
	report("deny", v.Deny)
	return problems
}
