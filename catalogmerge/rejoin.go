package catalogmerge

import (
	"maps"
	"slices"
	"time"
)

// Rejoin returns the copy that two copies of one backend come to that do not follow each other: the one in the store,
// and own, which was made while the store could not be asked, or in another one. Every id that either knows is known,
// with the older right.
//
// The later one says what the backend has. Where that is own, what only stored has stays, as after an answer that lacks
// it, unless own had it once and it left. The policy of f is learnt; its answer is not looked at.
func Rejoin(stored, own *Copy, f Fetch) (*Copy, error) {
	before := *stored
	before.Known = stored.Known.with(&own.Known)
	if stored.FetchedAt.After(own.FetchedAt) {
		return &before, nil
	}
	before.Offerings = nil
	has := make(map[string]*Offering, len(own.Offerings))
	for i := range own.Offerings {
		has[own.Offerings[i].ID] = &own.Offerings[i]
	}
	for _, o := range stored.Offerings {
		ours := has[o.ID]
		delete(has, o.ID)
		switch known := own.Known.Offerings[o.ID]; {
		case ours != nil:
			o.MissingSince = ours.MissingSince
		case !known.since().IsZero():
			continue // it left
		}
		before.Offerings = append(before.Offerings, o)
	}
	for _, o := range own.Offerings {
		if has[o.ID] != nil {
			before.Offerings = append(before.Offerings, o)
		}
	}
	f.Body, f.ETag, f.At = own.answer(), "", own.FetchedAt
	next, err := Refresh(&before, own.Backend, f)
	if err != nil {
		return nil, err
	}
	next.Problems = own.Problems
	return next, nil
}

// answer returns a catalog of the offerings that the backend had when it was last asked.
func (c *Copy) answer() []byte {
	body := []byte(bodyStart)
	for i := range c.Offerings {
		if o := &c.Offerings[i]; o.MissingSince.IsZero() {
			if len(body) > len(bodyStart) {
				body = append(body, ',')
			}
			body = append(body, o.Raw...)
		}
	}
	return append(body, bodyEnd...)
}

// with returns what two know together.
func (k Known) with(other *Known) Known {
	both := k.clone()
	if both.Offerings == nil {
		both.Offerings = make(map[string]KnownOffering, len(other.Offerings))
	}
	if both.Plans == nil {
		both.Plans = make(map[string]KnownPlan, len(other.Plans))
	}
	for id, theirs := range other.Offerings {
		if ours, ok := both.Offerings[id]; ok {
			theirs = ours.with(&theirs)
		}
		both.Offerings[id] = theirs
	}
	for id, theirs := range other.Plans {
		ours, ok := both.Plans[id]
		if !ok {
			both.Plans[id] = theirs
			continue
		}
		if ours.neverShown() {
			ours.Offering = theirs.Offering
		}
		ours.FirstSeen = earlier(ours.FirstSeen, theirs.FirstSeen)
		ours.Exposure = ours.with(theirs.Exposure)
		both.Plans[id] = ours
	}
	return both
}

func (k KnownOffering) with(other *KnownOffering) KnownOffering {
	k.FirstSeen = earlier(k.FirstSeen, other.FirstSeen)
	k.Exposure = k.Exposure.with(other.Exposure)
	if len(other.Names) > 0 {
		names := make(map[string]time.Time, len(k.Names)+len(other.Names))
		maps.Copy(names, k.Names) // the maps are those of the copies
		for name, since := range other.Names {
			names[name] = earlier(names[name], since)
		}
		k.Names = names
	}
	// The lists are those of the copies, and what is shown is not in them.
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(k.OwnNames, other.OwnNames))))
	k.OwnNames = nil
	for _, name := range names {
		k.OwnNames = k.withOwnName(name)
	}
	return k
}

// with returns how an id was seen of which two tell.
func (e Exposure) with(other Exposure) Exposure {
	return Exposure{
		MappedSince: earlier(e.MappedSince, other.MappedSince),
		Withheld:    e.Withheld && other.Withheld,
	}
}

// earlier returns the earlier of two times; the zero time stands for never.
func earlier(a, b time.Time) time.Time {
	if compareFirstSeen(b, a) < 0 {
		return b
	}
	return a
}
