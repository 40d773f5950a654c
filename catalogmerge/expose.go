package catalogmerge

import "bytes"

// Exposed is a copy as platforms see it: what a policy does to its offerings. It never changes.
type Exposed struct {
	copy    *Copy
	policy  *Policy
	options *Options
	ids     namespace
	// offerings are those that are offered, with the ids and names that platforms see. own is parallel to it.
	offerings []Published
	own       []*Offering
	// problems are those of the copy, as far as they are about what is shown, then those of the policy.
	problems []Problem
	// mapped finds all known ids, shown or not, by their mapped spelling.
	mapped *mappedIDs
	// everMapped tells that some are shown mapped, or were.
	everMapped bool
}

// Expose applies a policy to a copy; nil stands for a backend that never gave a good answer, and gives nil. What is the
// same in previous, which may be nil, is taken from there, so that a backend where nothing changed costs next to
// nothing. Neither the policy nor the options may change afterwards.
func Expose(c *Copy, p *Policy, o *Options, previous *Exposed) *Exposed {
	if c == nil {
		return nil
	}
	p, o = p.orNone(), o.orNone()
	x := &Exposed{copy: c, policy: p, options: o}
	if previous != nil && (previous.copy.Backend != c.Backend || previous.options.Gateway != o.Gateway) {
		previous = nil
	}
	same := previous != nil && previous.policy.equal(p) && previous.options.MaterializeDefaults == o.MaterializeDefaults
	if same && previous.copy == c {
		return previous
	}
	if previous == nil {
		x.ids = namespaceOf(o.Gateway, c.Backend)
	} else {
		x.ids = previous.ids
	}
	// What was not made yet is not shared: it holds on to what its copy knew.
	if previous != nil && previous.everMapped && sameIDs(&previous.copy.Known, &c.Known) {
		x.mapped = previous.mapped
	} else {
		x.mapped = &mappedIDs{ids: x.ids, known: c.Known}
	}
	if !same {
		previous = nil
	}
	if x.everMapped = p.NamespaceIDs || c.Known.everMapped(); x.everMapped {
		x.mapped.prepare()
	}
	x.exposeAll(previous)
	x.problems = append(x.remaining(), p.unmatched(c)...)
	for i := range x.offerings {
		if o := &x.offerings[i]; o.Name != o.OwnName {
			x.problems = append(x.problems, o.nameProblems(o.Name)...)
		}
	}
	return x
}

func (x *Exposed) exposeAll(previous *Exposed) {
	x.offerings = make([]Published, 0, len(x.copy.Offerings))
	x.own = make([]*Offering, 0, len(x.copy.Offerings))
	before := make(map[string]int)
	if previous != nil {
		for i, own := range previous.own {
			before[own.ID] = i
		}
	}
	for i := range x.copy.Offerings {
		own := &x.copy.Offerings[i]
		if !x.policy.offers(own) {
			continue
		}
		x.own = append(x.own, own)
		if j, ok := before[own.ID]; ok && bytes.Equal(previous.own[j].Raw, own.Raw) {
			unchanged := previous.offerings[j]
			unchanged.MissingSince = own.MissingSince
			if &unchanged.Raw[0] == &previous.own[j].Raw[0] {
				unchanged.Raw = own.Raw // so that the earlier copy is not held on to
			}
			x.offerings = append(x.offerings, unchanged)
			continue
		}
		x.offerings = append(x.offerings, x.expose(own))
	}
}

// expose applies the policy to one offering.
func (x *Exposed) expose(own *Offering) Published {
	p := Published{
		Backend: x.copy.Backend, OwnID: own.ID, OwnName: own.Name,
		Draining: x.policy.Drain, Hidden: x.policy.Drain && x.policy.Hidden, Offering: *own,
	}
	r := rewriting{defaults: x.options.MaterializeDefaults}
	if name := x.policy.exposedName(own.Name); name != own.Name {
		p.Name, r.name = name, name
	}
	if x.policy.NamespaceIDs {
		p.ID = x.ids.offering(own.ID).String()
		r.id = p.ID
		r.planIDs = make([]string, len(own.Plans))
		for i, plan := range own.Plans {
			r.planIDs[i] = x.ids.plan(plan.ID).String()
		}
	}
	if !x.policy.offersAllOf(own.Name) {
		r.dropped = make([]bool, len(own.Plans))
		for i, plan := range own.Plans {
			r.dropped[i] = !x.policy.offersPlan(own.Name, plan.Name)
		}
	}
	if r.planIDs != nil || r.dropped != nil {
		p.Plans = make([]Plan, 0, len(own.Plans))
		for i, plan := range own.Plans {
			if r.dropped != nil && r.dropped[i] {
				continue
			}
			if r.planIDs != nil {
				plan.ID = r.planIDs[i]
			}
			p.Plans = append(p.Plans, plan)
		}
	}
	p.Raw = r.apply(own.Raw)
	return p
}

// name returns the configured name of the backend, or its stable id where no policy says it.
func (x *Exposed) name() string {
	if x.policy.Name == "" {
		return x.copy.Backend
	}
	return x.policy.Name
}

// nameInConflict returns what an offering of the backend is shown as if another one has its name.
func (x *Exposed) nameInConflict(name string) string { return x.name() + "-" + name }
