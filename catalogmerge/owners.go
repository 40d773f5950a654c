package catalogmerge

import "time"

// owners tells which backend ever published what, by its own ids. Mapped ones each backend finds by itself.
type owners struct {
	offerings, plans, names ownerIndex
}

type ownerIndex map[string]owner

// owner is whose an id or a name is.
type owner struct {
	backend   int32 // index in the backends of the catalog
	ambiguous bool
	// latent tells that no backend ever showed it: those that merely have it stand in.
	latent bool
	since  int64 // in milliseconds; 0 stands for never
}

func ownersOf(backends []*Exposed) owners {
	var offerings, plans int
	for _, x := range backends {
		if x != nil {
			offerings += len(x.copy.Known.Offerings)
			plans += len(x.copy.Known.Plans)
		}
	}
	o := owners{make(ownerIndex, offerings), make(ownerIndex, plans), make(ownerIndex, offerings)}
	for i, x := range backends {
		if x == nil {
			continue
		}
		backend := int32(i)
		for id, known := range x.copy.Known.Offerings {
			o.offerings.add(id, owner{backend, false, known.latent(known.FirstSeen), millis(known.FirstSeen)})
			for name, since := range known.Names {
				o.names.add(name, owner{backend, false, false, millis(since)})
			}
			for _, name := range known.OwnNames {
				o.names.add(name, owner{backend, false, true, 0})
			}
		}
		for id, known := range x.copy.Known.Plans {
			o.plans.add(id, owner{backend, false, known.latent(known.FirstSeen), millis(known.FirstSeen)})
		}
	}
	return o
}

// latent tells that the id was never shown as it is.
func (e *Exposure) latent(firstSeen time.Time) bool { return e.Withheld && firstSeen.IsZero() }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// add notes that a backend published key. The first to do so stays in front.
func (x ownerIndex) add(key string, o owner) {
	present, ok := x[key]
	if ok {
		o = present.and(o)
	}
	x[key] = o
}

// and returns whose a key is that two owners have. Those who showed it have it before those who did not; among equals,
// who has had it for longer is in front.
func (o owner) and(other owner) owner {
	if o.latent != other.latent {
		if o.latent {
			return other
		}
		return o
	}
	ambiguous := o.ambiguous || other.ambiguous || o.backend != other.backend
	if other.since != 0 && (o.since == 0 || other.since < o.since) {
		o = other
	}
	o.ambiguous = ambiguous
	return o
}
