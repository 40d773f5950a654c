package catalogmerge

import (
	"cmp"
	"time"
)

// rights tells since when the backends of entries have shown what those claim.
type rights struct {
	entries []entry
	// names holds when each backend's names were first seen, under whatever offering. It is filled when first needed.
	names map[*Exposed]map[string]time.Time
}

func newRights(entries []entry) *rights {
	return &rights{entries: entries, names: make(map[*Exposed]map[string]time.Time)}
}

// compare orders contenders by their right to what they claim: first who has shown it for longest, then who is listed
// first. Of one backend, whose ids are known without regard to the offering, the one that was itself shown first.
func (r *rights) compare(a, b contender) int {
	x, y := &r.entries[a.entry], &r.entries[b.entry]
	order := cmp.Or(compareFirstSeen(a.since, b.since), cmp.Compare(x.backend, y.backend))
	if order != 0 {
		return order
	}
	known := x.from.copy.Known.Offerings
	first, second := known[x.offering.OwnID], known[y.offering.OwnID]
	return cmp.Or(compareFirstSeen(first.since(), second.since()), cmp.Compare(a.entry, b.entry))
}

// firstSeen returns since when a contender's backend has shown a claim, as its policy has it shown now.
func (r *rights) firstSeen(x *contender, c claim) time.Time {
	e := &r.entries[x.entry]
	known, mapped := &e.from.copy.Known, e.from.policy.NamespaceIDs
	offering := known.Offerings[e.offering.OwnID]
	switch c.kind {
	case claimOfferingName:
		return r.namesOf(e.from)[c.value]
	case claimPlanID:
		plan := known.Plans[e.offering.Plans[x.plan].OwnID]
		return plan.shown(plan.FirstSeen, mapped)
	case claimOfferingID:
		return offering.shown(offering.FirstSeen, mapped)
	default:
		// A dashboard client is as old as its offering, however that is spelled.
		return offering.since()
	}
}

// shown returns when an id was first shown in a spelling.
func (e *Exposure) shown(firstSeen time.Time, mapped bool) time.Time {
	if mapped {
		return e.MappedSince
	}
	return firstSeen
}

// since returns when a good offering was first shown, however its id was spelled.
func (k *KnownOffering) since() time.Time {
	if compareFirstSeen(k.MappedSince, k.FirstSeen) < 0 {
		return k.MappedSince
	}
	return k.FirstSeen
}

func (r *rights) namesOf(from *Exposed) map[string]time.Time {
	names, ok := r.names[from]
	if ok {
		return names
	}
	known := from.copy.Known.Offerings
	names = make(map[string]time.Time, len(known))
	for _, offering := range known {
		for name, seen := range offering.Names {
			if present, ok := names[name]; !ok || compareFirstSeen(seen, present) < 0 {
				names[name] = seen
			}
		}
	}
	r.names[from] = names
	return names
}
