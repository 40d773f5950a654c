package catalogmerge

import "bytes"

// published tells whether the draft itself has a seat.
func (s *settlement) published(d *draft) bool {
	t := s.seats[d.ID]
	return t != nil && t.draft == d
}

// keptVersionOf tells whether a last good version stays in place of the draft.
func (s *settlement) keptVersionOf(d *draft) bool {
	t := s.seats[d.replaces]
	return t != nil && t.draft == nil
}

// offerings returns what has a seat, in the backend's order. What the backend no longer has follows the offering that
// it used to follow, so that the bytes of the catalog do not change when it goes missing.
func (s *settlement) offerings() []Offering {
	result := make([]Offering, 0, len(s.seats))
	emitted := make(map[string]bool, len(s.seats))
	missing := s.missingAfter()
	emit := func(t *seat) {
		result = append(result, t.publish(s.old[t.ID]))
		emitted[t.ID] = true
	}
	for _, t := range missing[""] {
		emit(t)
	}
	for _, d := range s.drafts {
		t := s.seats[d.replaces]
		if t == nil || emitted[t.ID] || t.draft != nil && t.draft != d {
			continue
		}
		emit(t)
		for _, follower := range missing[t.ID] {
			emit(follower)
		}
	}
	if len(result) == 0 {
		return nil
	}
	return result
}

// missingAfter groups the missing offerings by the id of the nearest offering before them that is not missing; "" if
// there is none.
func (s *settlement) missingAfter() map[string][]*seat {
	groups := make(map[string][]*seat)
	anchor := ""
	for i := range s.previous {
		t := s.seats[s.previous[i].ID]
		switch {
		case t == nil:
		case t.MissingSince.IsZero():
			anchor = t.ID
		default:
			groups[anchor] = append(groups[anchor], t)
		}
	}
	return groups
}

// publish returns the offering with bytes of its own: those of a draft are part of the body. Where nothing changed it
// is the old one, which has them already.
func (t *seat) publish(old *Offering) Offering {
	if t.draft == nil {
		return *t.Offering
	}
	if old != nil && bytes.Equal(old.Raw, t.Raw) {
		return *old
	}
	o := *t.Offering
	o.Raw = bytes.Clone(o.Raw)
	return o
}
