package catalogmerge

import "time"

// owners tells which backend ever published what.
type owners struct {
	offerings, plans, names ownerIndex
}

type ownerIndex map[string]owner

type owner struct {
	backend   string
	firstSeen time.Time
	ambiguous bool
}

func ownersOf(copies []*Copy) owners {
	var offerings, plans int
	for _, c := range copies {
		if c != nil {
			offerings += len(c.Known.Offerings)
			plans += len(c.Known.Plans)
		}
	}
	o := owners{make(ownerIndex, offerings), make(ownerIndex, plans), make(ownerIndex, offerings)}
	for _, c := range copies {
		if c == nil {
			continue
		}
		for id, known := range c.Known.Offerings {
			o.offerings.add(id, c.Backend, known.FirstSeen)
			for name, firstSeen := range known.Names {
				o.names.add(name, c.Backend, firstSeen)
			}
		}
		for id, known := range c.Known.Plans {
			o.plans.add(id, c.Backend, known.FirstSeen)
		}
	}
	return o
}

// add notes that a backend published key. The first to do so stays in front.
func (x ownerIndex) add(key, backend string, firstSeen time.Time) {
	present, ok := x[key]
	if !ok {
		x[key] = owner{backend: backend, firstSeen: firstSeen}
		return
	}
	if present.backend != backend {
		present.ambiguous = true
	}
	if compareFirstSeen(firstSeen, present.firstSeen) < 0 {
		present.backend, present.firstSeen = backend, firstSeen
	}
	x[key] = present
}

func (x ownerIndex) find(key string) (backend string, ambiguous, ok bool) {
	o, ok := x[key]
	return o.backend, o.ambiguous, ok
}
