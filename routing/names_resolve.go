package routing

import (
	"cmp"
	"slices"
	"strconv"
)

// NamedNow is a backend or platform as a configuration names it.
type NamedNow struct {
	Name     string
	Formerly []string
}

// StableIDs are the ids that a configured backend or platform answers for. The first is the one that new records carry.
type StableIDs []string

// Primary is the id that new records carry.
func (s StableIDs) Primary() string { return s[0] }

// Resolve finds the ids of what a configuration names. No id is given to two of them:
//
// An id belongs to whom it knows by its present name; else to whom the configuration says had that name formerly; else
// to whom it knows by an earlier name. A name or former name that is nobody's id yet is an id of its own. Who has none
// of these, because another one took the name along, gets a new one.
func (s NameSection) Resolve(configured []NamedNow) []StableIDs {
	r := nameResolution{section: s, taken: make(map[string]bool), ids: make([]StableIDs, len(configured))}
	each := func(claim func(i int, now NamedNow)) {
		for i, now := range configured {
			claim(i, now)
		}
	}
	isConfigured := make(map[string]bool, len(configured))
	for _, now := range configured {
		isConfigured[now.Name] = true
	}
	each(func(i int, now NamedNow) { r.claimPresent(i, now.Name) })
	each(func(i int, now NamedNow) {
		for _, former := range now.Formerly {
			r.claimPresent(i, former)
		}
	})
	each(func(i int, now NamedNow) {
		for _, name := range append([]string{now.Name}, now.Formerly...) {
			r.claimEarlier(i, name, isConfigured)
		}
	})
	each(func(i int, now NamedNow) {
		for _, name := range append(slices.Clone(now.Formerly), now.Name) {
			if _, known := s[name]; !known {
				r.claim(i, name)
			}
		}
	})
	each(func(i int, now NamedNow) {
		// A tilde is in no name, so that nobody else can have the id.
		for n := 2; len(r.ids[i]) == 0; n++ {
			if id := now.Name + "~" + strconv.Itoa(n); len(s[id].Names) == 0 {
				r.claim(i, id)
			}
		}
	})
	return r.ids
}

// nameResolution gives ids away, each once.
type nameResolution struct {
	section NameSection
	taken   map[string]bool
	ids     []StableIDs
}

func (r *nameResolution) claim(i int, id string) {
	if !r.taken[id] {
		r.taken[id] = true
		r.ids[i] = append(r.ids[i], id)
	}
}

// claimPresent claims the ids whose present name it is.
func (r *nameResolution) claimPresent(i int, name string) {
	r.claimAll(i, name, func(named Named) bool { return named.present() == name })
}

// claimEarlier claims the ids that had the name once, and whose present one nobody has.
func (r *nameResolution) claimEarlier(i int, name string, configured map[string]bool) {
	r.claimAll(i, name, func(named Named) bool {
		return slices.Contains(named.Names, name) && !configured[named.present()]
	})
}

// claimAll claims what matches: what new records carry first, then what has the name as its id, then the oldest.
func (r *nameResolution) claimAll(i int, name string, matches func(Named) bool) {
	var found []string
	for id, named := range r.section {
		if matches(named) {
			found = append(found, id)
		}
	}
	rank := func(id string) int {
		switch {
		case r.section[id].Secondary:
			return 2
		case id == name:
			return 0
		}
		return 1
	}
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(r.section[a].FirstSeen, r.section[b].FirstSeen),
			cmp.Compare(a, b))
	})
	for _, id := range found {
		r.claim(i, id)
	}
}
