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
	// hard problems, those of excluded offerings too: such an answer is to be read again in full, because rules, policies
	// and what else is published may change while its bytes do not.
	ETag string
	// Offerings are the last good ones, in the backend's order and with its own ids and names; what a policy excludes is
	// among them. One that the backend no longer has stays in its place, with MissingSince, until it was missing for
	// long enough.
	Offerings []Offering
	// Known holds everything that the backend ever published, for routing.
	Known Known
	// Problems are those of the last full answer.
	Problems []Problem
	// Unknown holds fields of the encoded copy that this version does not know; a newer one wrote them.
	Unknown map[string]json.RawMessage
}

// Known is every id that a backend ever published. What was withdrawn, quarantined or excluded stays in it: instances
// of it may live, and calls for them need their backend. Both maps are keyed by the backend's own id.
type Known struct {
	Offerings map[string]KnownOffering `json:"offerings"`
	Plans     map[string]KnownPlan     `json:"plans"`
}

// KnownOffering is an offering that a backend once published.
type KnownOffering struct {
	// FirstSeen is when a good offering was first shown with the id as it is. It is zero while only bad ones had it:
	// those route calls, but they do not take an id from another backend.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Names are the names that platforms ever saw the offering under, each with the time when it was first good and
	// shown under that name.
	Names map[string]time.Time `json:"names,omitempty"`
	// Exposure holds what came with policies. It has a field of its own in the encoded copy, which versions that do not
	// know it carry along.
	Exposure `json:"-"`
	// OwnNames are the names of its own that the offering never was shown under, sorted.
	OwnNames []string `json:"-"`
}

// KnownPlan is a plan that a backend once published.
type KnownPlan struct {
	// Offering is the id of the offering that the plan was first good in, or first seen in while it never was good.
	Offering string `json:"offering,omitempty"`
	// FirstSeen is when a good offering was first shown with the plan's id as it is; zero while only bad ones were.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	Exposure  `json:"-"`
}

// Exposure is how platforms saw an id otherwise than as it is.
type Exposure struct {
	// MappedSince is when a good offering was first shown with the id mapped.
	MappedSince time.Time `json:"mapped_since,omitzero"`
	// Withheld tells that the id was never to be shown as it is: it was excluded or mapped whenever it was seen. A call
	// that carries it as it is means another backend's, if one shows or showed it.
	Withheld bool `json:"withheld,omitempty"`
}

// follow returns a copy that begins where previous, which may be nil, left off: same knowledge, no offerings yet.
func follow(previous *Copy, backend string, now time.Time) *Copy {
	next := &Copy{Backend: backend, FetchedAt: now}
	if previous != nil {
		next.Known = previous.Known.clone()
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

func (k Known) clone() Known { return Known{maps.Clone(k.Offerings), maps.Clone(k.Plans)} }

// stamp returns t as copies hold times, so that a time survives being encoded.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
