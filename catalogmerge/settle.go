package catalogmerge

import (
	"fmt"
	"iter"
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
	policy   *Policy
	// old finds the last good version by offering id.
	old map[string]*Offering
	// seats and holders are what is settled so far: by offering id, and by claim.
	seats   map[string]*seat
	holders map[claim]*seat
}

func newSettlement(previous *Copy, drafts []*draft, policy *Policy) *settlement {
	s := &settlement{drafts: drafts, policy: policy, seats: make(map[string]*seat), holders: make(map[claim]*seat)}
	if previous != nil {
		s.known = previous.Known.Offerings
		s.previous = s.sideBySide(previous.Offerings)
	}
	s.old = make(map[string]*Offering, len(s.previous))
	for i := range s.previous {
		s.old[s.previous[i].ID] = &s.previous[i]
	}
	s.nameNameless()
	return s
}

// sideBySide returns a list of its own of the offerings, without those that claim what an older one does. A copy that
// Refresh made with the same policy has none of them; another policy may have hidden that they clash.
func (s *settlement) sideBySide(offerings []Offering) []Offering {
	order := make([]int, len(offerings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.compareAge(&offerings[a], &offerings[b]) })
	taken := make(map[claim]bool, 2*len(offerings))
	for n, i := range order {
		for c := range s.claims(&offerings[i]) {
			if taken[c] {
				order[n] = none
			}
		}
		if order[n] == none {
			continue
		}
		for c := range s.claims(&offerings[i]) {
			taken[c] = true
		}
	}
	slices.Sort(order)
	result := make([]Offering, 0, len(offerings))
	for _, i := range order {
		if i != none {
			result = append(result, offerings[i])
		}
	}
	return result
}

// compareAge orders offerings by when they were first shown; those that never were come last.
func (s *settlement) compareAge(a, b *Offering) int {
	knownA, knownB := s.known[a.ID], s.known[b.ID]
	return compareFirstSeen(knownA.since(), knownB.since())
}

// claims yields what an offering claims within its backend's catalog, and where. What the policy excludes claims
// nothing but the id of the offering. Names are the backend's own: a clash that only a policy makes is not its fault.
func (s *settlement) claims(o *Offering) iter.Seq2[claim, place] {
	return func(yield func(claim, place) bool) {
		offered, all := s.policy.offers(o), s.policy.offersAllOf(o.Name)
		for c, at := range o.claims() {
			switch {
			case c.kind == claimOfferingID:
			case !offered:
				continue
			case c.kind == claimPlanID && !all && !s.policy.offersPlan(o.Name, o.Plans[at.plan].Name):
				continue
			}
			if !yield(c, at) {
				return
			}
		}
	}
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

// candidates returns the first sound draft of each id, of those that are offered where there are any: those with the
// older ids first, newcomers last in the order of the body, so that reading the same body again settles it the same way.
// doubles are the other sound drafts, each with the first one of its id. They do not take its place if it is refused:
// which of them the backend means is anyone's guess.
func (s *settlement) candidates() (candidates []*draft, doubles [][2]*draft) {
	first := make(map[string]*draft, len(s.drafts))
	for _, d := range s.drafts {
		if !d.sound() {
			continue
		}
		if other, ok := first[d.ID]; !ok || !s.policy.offers(&other.Offering) && s.policy.offers(&d.Offering) {
			first[d.ID] = d
		}
	}
	for _, d := range s.drafts {
		switch {
		case !d.sound():
		case first[d.ID] == d:
			candidates = append(candidates, d)
		default:
			doubles = append(doubles, [2]*draft{d, first[d.ID]})
		}
	}
	slices.SortStableFunc(candidates, func(a, b *draft) int { return s.compareAge(&a.Offering, &b.Offering) })
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
	for c, at := range s.claims(&d.Offering) {
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
		if s.seats[old.ID] != nil {
			continue
		}
		stays := &seat{old, nil}
		for c := range s.claims(old) {
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

func (s *settlement) sit(t *seat) {
	s.seats[t.ID] = t
	for c := range s.claims(t.Offering) {
		s.holders[c] = t
	}
}

func (s *settlement) leave(t *seat) {
	delete(s.seats, t.ID)
	for c := range s.claims(t.Offering) {
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
	for c, at := range s.claims(&d.Offering) {
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
