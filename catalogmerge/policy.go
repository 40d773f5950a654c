package catalogmerge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Policy is what the configuration says of one backend's offerings. It speaks of the backend's own names, and changes
// only what platforms see: a [Copy] holds everything as the backend sent it. The zero value, and nil, change nothing.
// A Policy must not be changed once it was used.
type Policy struct {
	// Name is the configured name of the backend, for selectors and for names that clash.
	Name string
	// Include names what is offered; empty stands for everything. Exclude names what is not, whatever Include says.
	Include []Selection
	Exclude []Selection
	// Rename gives offerings, by their own name, another one; a blank one is none. Prefix then goes before the name of
	// every offering.
	Rename map[string]string
	Prefix string
	// NamespaceIDs maps the ids of offerings and plans to ones that no other backend has.
	NamespaceIDs bool
	// Drain tells that the backend gets no new instances. Its offerings are still shown, unless Hidden is set too.
	Drain  bool
	Hidden bool
}

// Selection is an offering of a backend, by its own name, or some of its plans; no plans stand for all.
type Selection struct {
	Offering string
	Plans    []string
}

// Options are what the configuration says of the catalog as a whole. The zero value, and nil, change nothing.
type Options struct {
	// Gateway is the gateway's name. Mapped ids are made from it, so that those of two gateways differ.
	Gateway string
	// PrefixOnConflict gives an offering whose name another backend has the name of its own backend as a prefix,
	// instead of leaving it out.
	PrefixOnConflict bool
	// MaterializeDefaults writes free and bindable into the plans that lack them, or have null for them.
	MaterializeDefaults bool
}

// The rules that a policy can break. Their problems are never hard.
const (
	// RuleNoMatch: a policy names an offering or a plan that its backend does not have, or a view what nobody has.
	RuleNoMatch Rule = "policy_without_match"
)

// noPolicy and noOptions stand for nil.
var (
	noPolicy  = new(Policy)
	noOptions = new(Options)
)

func (p *Policy) orNone() *Policy {
	if p == nil {
		return noPolicy
	}
	return p
}

func (o *Options) orNone() *Options {
	if o == nil {
		return noOptions
	}
	return o
}

// exposedName returns the name that platforms see of an offering.
func (p *Policy) exposedName(own string) string {
	if renamed := p.Rename[own]; strings.TrimSpace(renamed) != "" {
		own = renamed
	}
	return p.Prefix + own
}

// offersAllOf tells whether an offering is offered with all its plans, whatever they are.
func (p *Policy) offersAllOf(offering string) bool {
	if len(p.Include) > 0 {
		all := false
		for _, s := range p.Include {
			all = all || s.Offering == offering && len(s.Plans) == 0
		}
		if !all {
			return false
		}
	}
	return !slices.ContainsFunc(p.Exclude, func(s Selection) bool { return s.Offering == offering })
}

// excludes tells whether an offering is not offered, whatever plans it has.
func (p *Policy) excludes(offering string) bool {
	names := func(s Selection) bool { return s.Offering == offering }
	return len(p.Include) > 0 && !slices.ContainsFunc(p.Include, names) ||
		slices.ContainsFunc(p.Exclude, func(s Selection) bool { return names(s) && len(s.Plans) == 0 })
}

// offersPlan tells whether a plan of an offering is offered, both by their own names.
func (p *Policy) offersPlan(offering, plan string) bool {
	names := func(s Selection) bool {
		return s.Offering == offering && (len(s.Plans) == 0 || slices.Contains(s.Plans, plan))
	}
	return (len(p.Include) == 0 || slices.ContainsFunc(p.Include, names)) && !slices.ContainsFunc(p.Exclude, names)
}

// offers tells whether an offering, as its backend sent it, is offered: an offering without a plan cannot be.
func (p *Policy) offers(o *Offering) bool {
	if len(p.Include) == 0 && len(p.Exclude) == 0 || p.offersAllOf(o.Name) {
		return true
	}
	return slices.ContainsFunc(o.Plans, func(plan Plan) bool { return p.offersPlan(o.Name, plan.Name) })
}

// equal tells whether two policies say the same.
func (p *Policy) equal(other *Policy) bool {
	same := func(a, b Selection) bool { return a.Offering == b.Offering && slices.Equal(a.Plans, b.Plans) }
	return p == other || p.Name == other.Name && p.Prefix == other.Prefix && p.NamespaceIDs == other.NamespaceIDs &&
		p.Drain == other.Drain && p.Hidden == other.Hidden && maps.Equal(p.Rename, other.Rename) &&
		slices.EqualFunc(p.Include, other.Include, same) && slices.EqualFunc(p.Exclude, other.Exclude, same)
}

// unmatched returns a problem for everything in a policy that names nothing of the backend's.
func (p *Policy) unmatched(c *Copy) []Problem {
	if len(p.Include) == 0 && len(p.Exclude) == 0 && len(p.Rename) == 0 {
		return nil
	}
	var problems []Problem
	names := c.ownNames()
	report := func(path, offering, detail string) {
		problems = append(problems, Problem{
			Backend: c.Backend, Offering: offering, Path: path, Rule: RuleNoMatch, Detail: detail,
		})
	}
	check := func(directive string, selections []Selection) {
		for i, s := range selections {
			path := fmt.Sprintf("%s[%d]", directive, i)
			offering, known := names[s.Offering]
			if !known {
				report(path+".offering", s.Offering, fmt.Sprintf(
					"%s names offering %s, which the backend does not have", directive, quote(s.Offering)))
				continue
			}
			for j, plan := range s.Plans {
				if offering != nil && !slices.ContainsFunc(offering.Plans, func(p Plan) bool { return p.Name == plan }) {
					report(fmt.Sprintf("%s.plans[%d]", path, j), s.Offering, fmt.Sprintf(
						"%s names plan %s of offering %s, which has none of that name", directive, quote(plan), quote(s.Offering)))
				}
			}
		}
	}
	check("include", p.Include)
	check("exclude", p.Exclude)
	for _, name := range slices.Sorted(maps.Keys(p.Rename)) {
		if _, known := names[name]; !known {
			report(fmt.Sprintf("rename[%s]", quote(name)), name, fmt.Sprintf(
				"rename names offering %s, which the backend does not have", quote(name)))
		}
	}
	return problems
}

// ownNames returns the names that offerings of the copy have of their own, with the offering; nil for one that is known
// but not in the copy, such as a bad one.
func (c *Copy) ownNames() map[string]*Offering {
	names := make(map[string]*Offering, len(c.Offerings))
	present := make(map[string]bool, len(c.Offerings))
	for i := range c.Offerings {
		present[c.Offerings[i].ID] = true
	}
	for id, known := range c.Known.Offerings {
		if present[id] {
			continue // under former names it cannot be selected
		}
		for name := range known.Names {
			names[name] = nil
		}
		for _, name := range known.OwnNames {
			names[name] = nil
		}
	}
	for i := range c.Offerings {
		names[c.Offerings[i].Name] = &c.Offerings[i]
	}
	return names
}
