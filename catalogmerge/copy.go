package catalogmerge

import (
	"encoding/json"
	"maps"
	"time"
)

// Copy is what is remembered of one backend: its last good offerings and every id it ever published. A Copy is never
// changed once it was made; those that follow it share memory with it.
type Copy struct {
	// Backend is the stable id of the backend.
	Backend string
	// FetchedAt is when the backend last gave a good answer, 304 included; UTC, in whole milliseconds.
	FetchedAt time.Time
	// ETag is the backend's validator of its last full answer, for If-None-Match. It is empty after an answer with
	// hard problems: such an answer is to be read again in full, because rules, and what else is published, may change
	// while its bytes do not.
	ETag string
	// Offerings are the last good ones, in the backend's order. One that the backend no longer has stays in its place,
	// with MissingSince, until it was missing for long enough.
	Offerings []Offering
	// Known holds everything that the backend ever published, for routing.
	Known Known
	// Problems are those of the last full answer.
	Problems []Problem
	// Unknown holds fields of the encoded copy that this version does not know; a newer one wrote them.
	Unknown map[string]json.RawMessage
}

// Known is every id that a backend ever published. What was withdrawn, quarantined or excluded stays in it: instances
// of it may live, and calls for them need their backend. Both maps are keyed by id.
type Known struct {
	Offerings map[string]KnownOffering `json:"offerings"`
	Plans     map[string]KnownPlan     `json:"plans"`
}

// KnownOffering is an offering that a backend once published.
type KnownOffering struct {
	// FirstSeen is when a good offering first had the id. It is zero while only bad ones did: those route calls, but
	// they do not take an id from another backend.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Names are the names that the offering ever had, each with the time when it was first good under that name.
	Names map[string]time.Time `json:"names,omitempty"`
}

// KnownPlan is a plan that a backend once published.
type KnownPlan struct {
	// Offering is the id of the offering that the plan was first good in, or first seen in while it never was good.
	Offering string `json:"offering,omitempty"`
	// FirstSeen is when a good offering first had the plan; zero while only bad ones did.
	FirstSeen time.Time `json:"first_seen,omitzero"`
}

// follow returns a copy that begins where previous, which may be nil, left off: same knowledge, no offerings yet.
func follow(previous *Copy, backend string, now time.Time) *Copy {
	next := &Copy{Backend: backend, FetchedAt: now}
	if previous != nil {
		next.Known.Offerings = maps.Clone(previous.Known.Offerings)
		next.Known.Plans = maps.Clone(previous.Known.Plans)
		next.Unknown = previous.Unknown
	}
	if next.Known.Offerings == nil {
		next.Known.Offerings = make(map[string]KnownOffering)
	}
	if next.Known.Plans == nil {
		next.Known.Plans = make(map[string]KnownPlan)
	}
	return next
}

// learn notes an offering that the backend published. seen is zero for a bad one.
func (k Known) learn(d *draft, seen time.Time) {
	if d.ID != "" {
		offering, known := k.Offerings[d.ID]
		if !known || offering.FirstSeen.IsZero() {
			offering.FirstSeen = seen
		}
		if at, named := offering.Names[d.Name]; d.Name != "" && (!named || at.IsZero() && !seen.IsZero()) {
			// The map may be shared with an earlier copy.
			if offering.Names = maps.Clone(offering.Names); offering.Names == nil {
				offering.Names = make(map[string]time.Time, 1)
			}
			offering.Names[d.Name] = seen
		}
		k.Offerings[d.ID] = offering
	}
	for _, p := range d.plans {
		if p.ID == "" {
			continue
		}
		if plan, known := k.Plans[p.ID]; !known || plan.FirstSeen.IsZero() && !seen.IsZero() {
			k.Plans[p.ID] = KnownPlan{Offering: d.ID, FirstSeen: seen}
		}
	}
}

// stamp returns t as copies hold times, so that a time survives being encoded.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
