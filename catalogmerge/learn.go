package catalogmerge

import (
	"maps"
	"slices"
	"time"
)

// Learn returns a copy that knows, besides, that a policy shows its offerings from that time on; c itself if it knew. Who
// has another policy than before learns it of all backends at one time, so that the order in which they answer gives
// none of them a right.
func (c *Copy) Learn(p *Policy, at time.Time) *Copy {
	l := learner{Known: c.Known, policy: p.orNone(), shared: true}
	for i := range c.Offerings {
		l.learn(&c.Offerings[i], stamp(at))
	}
	if l.shared {
		return c
	}
	next := *c
	next.Known = l.Known
	return &next
}

// learner notes in Known what a backend published and how platforms see it.
type learner struct {
	Known
	policy *Policy
	// shared tells that the maps of Known are those of an earlier copy, and must be cloned before they are changed.
	shared bool
}

// learn notes an offering that the backend published. seen is zero for a bad one.
func (l *learner) learn(o *Offering, seen time.Time) {
	offered := l.policy.offers(o)
	if o.ID != "" {
		l.learnOffering(o, offered, seen)
	}
	all := offered && l.policy.offersAllOf(o.Name)
	for _, p := range o.Plans {
		if p.ID == "" {
			continue
		}
		was, known := l.Plans[p.ID]
		is := was
		is.expose(&is.FirstSeen, known, l.policy, all || offered && l.policy.offersPlan(o.Name, p.Name), seen)
		if !known || was.neverShown() && !is.neverShown() {
			is.Offering = o.ID
		}
		if is != was || !known {
			l.own()
			l.Plans[p.ID] = is
		}
	}
}

func (l *learner) learnOffering(o *Offering, offered bool, seen time.Time) {
	is, known := l.Offerings[o.ID]
	changed := is.expose(&is.FirstSeen, known, l.policy, offered, seen) || !known
	if offered && o.Name != "" {
		exposed := l.policy.exposedName(o.Name)
		if at, named := is.Names[exposed]; !named || at.IsZero() && !seen.IsZero() {
			changed = true
			// The map may be shared with an earlier copy.
			if is.Names = maps.Clone(is.Names); is.Names == nil {
				is.Names = make(map[string]time.Time, 1)
			}
			is.Names[exposed] = seen
		}
	}
	if names := is.withOwnName(o.Name); !slices.Equal(names, is.OwnNames) {
		changed, is.OwnNames = true, names
	}
	if changed {
		l.own()
		l.Offerings[o.ID] = is
	}
}

// own makes the maps the learner's own.
func (l *learner) own() {
	if l.shared {
		l.Known, l.shared = l.clone(), false
	}
}

// expose notes how a policy shows an id. It tells whether that was news.
func (e *Exposure) expose(firstSeen *time.Time, known bool, p *Policy, offered bool, seen time.Time) bool {
	was, wasFirst := *e, *firstSeen
	switch {
	case offered && !p.NamespaceIDs:
		if firstSeen.IsZero() {
			*firstSeen = seen
		}
		e.Withheld = false
	case offered:
		if e.MappedSince.IsZero() {
			e.MappedSince = seen
		}
		e.Withheld = e.Withheld || !known
	default:
		e.Withheld = e.Withheld || !known
	}
	return *e != was || *firstSeen != wasFirst
}

// neverShown tells that no good offering was ever shown with the plan.
func (p *KnownPlan) neverShown() bool { return p.FirstSeen.IsZero() && p.MappedSince.IsZero() }

// withOwnName returns the own names that the offering never was shown under, now that it has this one.
func (k *KnownOffering) withOwnName(name string) []string {
	shown := func(name string) bool {
		_, ok := k.Names[name]
		return ok
	}
	names := k.OwnNames
	if index, listed := slices.BinarySearch(names, name); !listed && !shown(name) && name != "" {
		names = slices.Insert(slices.Clone(names), index, name)
	}
	if slices.ContainsFunc(names, shown) {
		// The list may be shared with an earlier copy.
		names = slices.DeleteFunc(slices.Clone(names), shown)
	}
	if len(names) == 0 {
		return nil
	}
	return names
}
