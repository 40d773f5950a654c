package catalogmerge

import (
	"fmt"
	"slices"
	"time"
)

// seat is an offering that the new copy publishes: a new version, or a last good one that stays.
type seat struct {
	*Offering
	draft *draft // nil for a last good one
}

// settlement decides which version of each offering a new copy publishes.
type settlement struct {
	drafts   []*draft
	previous []Offering
	known    map[string]KnownOffering
	// old finds the last good version by offering id.
	old map[string]*Offering
	// seats and holders are what is settled so far: by offering id, and by claim.
	seats   map[string]*seat
	holders map[claim]*seat
}

func newSettlement(previous *Copy, drafts []*draft) *settlement {
	s := &settlement{drafts: drafts, seats: make(map[string]*seat), holders: make(map[claim]*seat)}
	if previous != nil {
		s.previous = firstOfEachID(previous.Offerings)
		s.known = previous.Known.Offerings
	}
	s.old = make(map[string]*Offering, len(s.previous))
	for i := range s.previous {
		s.old[s.previous[i].ID] = &s.previous[i]
	}
	s.nameNameless()
	return s
}

// firstOfEachID returns a list of its own of the offerings. A copy that Refresh made holds each id once; one from
// elsewhere may not.
func firstOfEachID(offerings []Offering) []Offering {
	result := make([]Offering, 0, len(offerings))
	seen := make(map[string]bool, len(offerings))
	for _, o := range offerings {
		if !seen[o.ID] {
			seen[o.ID] = true
			result = append(result, o)
		}
	}
	return result
}

// nameNameless gives the drafts whose id is unreadable the id of the published offering with the same name, if the body
// does not carry that id elsewhere: an offering that lost its id has a last good version too.
func (s *settlement) nameNameless() {
	carried := make(map[string]bool, len(s.drafts))
	for _, d := range s.drafts {
		carried[d.ID] = true
		d.replaces = d.ID
	}
	byName := make(map[string]string, len(s.previous))
	for i := range s.previous {
		byName[s.previous[i].Name] = s.previous[i].ID
	}
	for _, d := range s.drafts {
		if d.ID != "" || d.Name == "" {
			continue
		}
		if id, ok := byName[d.Name]; ok && !carried[id] {
			d.replaces = id
		}
	}
}

// settle fills the seats. What stays goes first, so that nothing that is published leaves because of a newcomer; then
// the new versions, what was published first in front.
func (s *settlement) settle(now time.Time, withdrawAfter time.Duration) {
	carried, sound := make(map[string]bool), make(map[string]bool)
	for _, d := range s.drafts {
		carried[d.replaces] = true
		if d.sound() {
			sound[d.ID] = true
		}
	}
	for i := range s.previous {
		o := &s.previous[i]
		switch {
		case carried[o.ID]:
			o.MissingSince = time.Time{}
		case o.MissingSince.IsZero():
			o.MissingSince = now
		}
		if !sound[o.ID] && !isDue(o.MissingSince, now, withdrawAfter) {
			s.keep(o)
		}
	}
	candidates, doubles := s.candidates()
	for _, d := range candidates {
		s.admit(d)
	}
	for _, d := range candidates {
		if !s.published(d) {
			s.explain(d)
		}
	}
	for _, double := range doubles {
		d, first := double[0], double[1]
		d.report(place{plan: none, field: "id"}, RuleOfferingID,
			"offering id %s is also that of services[%d]", quote(d.ID), first.position)
	}
}

// candidates returns the first sound draft of each id: those with the older ids first, newcomers last in the order of
// the body, so that reading the same body again settles it the same way. doubles are the other sound drafts, each with
// the first one of its id. They do not take its place if it is refused: which of them the backend means is anyone's
// guess.
func (s *settlement) candidates() (candidates []*draft, doubles [][2]*draft) {
	first := make(map[string]*draft, len(s.drafts))
	for _, d := range s.drafts {
		if !d.sound() {
			continue
		}
		if other, ok := first[d.ID]; ok {
			doubles = append(doubles, [2]*draft{d, other})
			continue
		}
		first[d.ID] = d
		candidates = append(candidates, d)
	}
	slices.SortStableFunc(candidates, func(a, b *draft) int {
		return compareFirstSeen(s.known[a.ID].FirstSeen, s.known[b.ID].FirstSeen)
	})
	return candidates, doubles
}

// compareFirstSeen orders times, the zero time, which stands for never, last.
func compareFirstSeen(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	default:
		return a.Compare(b)
	}
}

// admit gives a sound draft a seat unless something that it claims is taken.
func (s *settlement) admit(d *draft) {
	for c, at := range d.claims() {
		if holder, ok := s.holders[c]; ok {
			d.refusal = refusal{at, c, holder}
			if old, ok := s.old[d.ID]; ok {
				s.keep(old)
			}
			return
		}
	}
	s.sit(&seat{&d.Offering, d})
}

// keep seats a last good version. New versions that claim what it has lose their seats and are replaced by their own
// last good versions; those never claim the same, having been published side by side, so this ends.
func (s *settlement) keep(old *Offering) {
	for queue := []*Offering{old}; len(queue) > 0; {
		old, queue = queue[len(queue)-1], queue[:len(queue)-1]
		if s.seats[old.ID] != nil || s.staysTaken(old) {
			continue
		}
		stays := &seat{old, nil}
		for c := range old.claims() {
			loser := s.holders[c]
			if loser == nil {
				continue
			}
			loser.draft.refusal = refusal{loser.placeOf(c), c, stays}
			s.leave(loser)
			if before, ok := s.old[loser.ID]; ok {
				queue = append(queue, before)
			}
		}
		s.sit(stays)
	}
}

// staysTaken tells whether a last good version claims what another one has. It cannot in a copy that Refresh made; a
// copy from elsewhere must not lead to a catalog with doubles.
func (s *settlement) staysTaken(old *Offering) bool {
	for c := range old.claims() {
		if holder := s.holders[c]; holder != nil && holder.draft == nil {
			return true
		}
	}
	return false
}

func (s *settlement) sit(t *seat) {
	s.seats[t.ID] = t
	for c := range t.claims() {
		s.holders[c] = t
	}
}

func (s *settlement) leave(t *seat) {
	delete(s.seats, t.ID)
	for c := range t.claims() {
		delete(s.holders, c)
	}
}

// refusal is why a sound draft has no seat.
type refusal struct {
	at     place
	claim  claim
	holder *seat
}

// explain reports what the seats now taken have of what a draft claims. If its seat was lost to one that did not stay
// either, the reason of that moment has to do.
func (s *settlement) explain(d *draft) {
	found := false
	for c, at := range d.claims() {
		holder := s.holders[c]
		if holder == nil || holder.draft == nil && holder.ID == d.ID {
			continue
		}
		found = true
		d.report(at, c.rule(), "%s", takenBy(c, holder))
	}
	if !found {
		d.report(d.refusal.at, d.refusal.claim.rule(), "%s", takenBy(d.refusal.claim, d.refusal.holder))
	}
}

func takenBy(c claim, holder *seat) string {
	switch {
	case holder.draft != nil:
		return fmt.Sprintf("%s is that of offering %s at services[%d]", c, quote(holder.ID), holder.draft.position)
	case holder.MissingSince.IsZero():
		return fmt.Sprintf("%s is that of offering %s, whose last good version stays", c, quote(holder.ID))
	default:
		return fmt.Sprintf("%s is that of offering %s, which is missing but not yet withdrawn", c, quote(holder.ID))
	}
}
