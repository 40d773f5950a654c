package catalogmerge

import "slices"

// Compare returns what platforms would notice if after took the place of before. Offerings and plans are the same if
// their ids are: that is how platforms know them. The changes are in the order of before, then in that of after.
func Compare(before, after *Listing) *Difference {
	c := comparison{
		difference: &Difference{
			PlatformsRemoved: without(before.Platforms, after.Platforms),
			PlatformsAdded:   without(after.Platforms, before.Platforms),
			Changes:          []Change{},
		},
		platforms: common(before.Platforms, after.Platforms),
		byID:      make(map[string]*ListedOffering, len(after.Offerings)),
		byOwn:     make(map[ownListed]*ListedOffering, len(after.Offerings)),
		was:       make(map[*ListedOffering]*ListedOffering, len(after.Offerings)),
	}
	c.all = len(before.Platforms) == 0 && len(after.Platforms) == 0
	for i := range after.Offerings {
		a := &after.Offerings[i]
		if c.byID[a.ID] == nil {
			c.byID[a.ID] = a
		}
		for _, own := range ownsOf(a) {
			if c.byOwn[own] == nil {
				c.byOwn[own] = a
			}
		}
	}
	for i := range before.Offerings {
		if b := &before.Offerings[i]; c.byID[b.ID] != nil && c.was[c.byID[b.ID]] == nil {
			c.was[c.byID[b.ID]] = b
		}
	}
	for i := range before.Offerings {
		c.compare(&before.Offerings[i])
	}
	for i := range after.Offerings {
		if a := &after.Offerings[i]; c.was[a] == nil {
			c.note(Change{Kind: Added}, a, c.seen(a))
		}
	}
	return c.difference
}

type comparison struct {
	difference *Difference
	// platforms are those of both listings. all tells that neither listing has any, and that one who sees everything
	// stands for them.
	platforms []string
	all       bool
	// byID and byOwn find the offerings after, was what they were before.
	byID  map[string]*ListedOffering
	byOwn map[ownListed]*ListedOffering
	was   map[*ListedOffering]*ListedOffering
}

// ownListed is an offering of a backend by its own id.
type ownListed struct {
	backend string
	stable  bool // backend is a stable id and not a configured name
	id      string
}

// ownsOf returns what finds an offering: either name of a backend may change without it being another one.
func ownsOf(o *ListedOffering) []ownListed {
	return []ownListed{{o.BackendID, true, o.OwnID}, {o.Backend, false, o.OwnID}}
}

func sameBackend(a, b *ListedOffering) bool {
	return a.BackendID == b.BackendID || a.Backend == b.Backend
}

// compare notes what became of an offering.
func (c *comparison) compare(b *ListedOffering) {
	seen := c.seen(b)
	a := c.byID[b.ID]
	if a == nil || c.was[a] != b {
		if a = c.renumbered(b); a == nil {
			c.note(Change{Kind: Removed, Plans: len(b.Plans), Instances: b.instances(nil)}, b, seen)
			return
		}
		c.was[a] = b
		c.note(Change{
			Kind: Reidentified, Was: b.ID, Now: a.ID, Plans: len(b.Plans), Instances: b.instances(nil),
		}, b, seen)
		c.note(Change{Kind: Shown}, a, without(c.seen(a), seen))
		return
	}
	now := c.seen(a)
	gone := without(seen, now)
	c.note(Change{Kind: Concealed, Plans: len(b.Plans), Instances: b.instances(gone)}, b, gone)
	both := common(seen, now)
	if a.Name != b.Name {
		c.note(Change{Kind: Renamed, Was: b.Name, Now: a.Name}, b, both)
	}
	if !sameBackend(a, b) {
		c.note(Change{Kind: Moved, Was: b.Backend, Now: a.Backend}, b, both)
	}
	if a.Draining != b.Draining {
		c.note(Change{Kind: drainKind(a.Draining)}, b, both)
	}
	c.comparePlans(b, a, both)
	c.note(Change{Kind: Shown}, a, without(now, seen))
}

func drainKind(draining bool) ChangeKind {
	if draining {
		return Drained
	}
	return Undrained
}

// renumbered returns the offering after that was b under another id.
func (c *comparison) renumbered(b *ListedOffering) *ListedOffering {
	for _, own := range ownsOf(b) {
		if a := c.byOwn[own]; a != nil && c.was[a] == nil {
			return a
		}
	}
	return nil
}

// comparePlans notes what became of the plans of an offering.
func (c *comparison) comparePlans(b, a *ListedOffering, platforms []string) {
	byID := make(map[string]*ListedPlan, len(a.Plans))
	byOwn := make(map[string]*ListedPlan, len(a.Plans))
	for i := range a.Plans {
		p := &a.Plans[i]
		byID[p.ID], byOwn[p.OwnID] = p, p
	}
	known := make(map[*ListedPlan]bool, len(a.Plans))
	for i := range b.Plans {
		if now := byID[b.Plans[i].ID]; now != nil {
			known[now] = true
		}
	}
	for i := range b.Plans {
		was := &b.Plans[i]
		plan := ListedName{was.ID, was.Name}
		now := byID[was.ID]
		if now != nil {
			if now.Name != was.Name {
				c.note(Change{Kind: Renamed, Plan: plan, Was: was.Name, Now: now.Name}, b, platforms)
			}
			continue
		}
		lost := Change{Kind: Removed, Plan: plan, Plans: 1, Instances: was.instances(nil)}
		if now = byOwn[was.OwnID]; now != nil && !known[now] && sameBackend(a, b) {
			known[now] = true
			lost.Kind, lost.Was, lost.Now = Reidentified, was.ID, now.ID
		}
		c.note(lost, b, platforms)
	}
	for i := range a.Plans {
		if p := &a.Plans[i]; !known[p] {
			c.note(Change{Kind: Added, Plan: ListedName{p.ID, p.Name}}, a, platforms)
		}
	}
}

// seen returns the platforms of both listings that see an offering.
func (c *comparison) seen(o *ListedOffering) []string {
	switch {
	case !c.all:
		return common(c.platforms, o.Platforms)
	case o.Hidden:
		return nil
	default:
		return []string{""}
	}
}

// note adds a change to an offering, unless no platform notices.
func (c *comparison) note(change Change, o *ListedOffering, platforms []string) {
	if len(platforms) == 0 {
		return
	}
	change.Backend, change.Offering = o.Backend, ListedName{o.ID, o.Name}
	if !c.all && len(platforms) < len(c.platforms) {
		change.Platforms = platforms
	}
	c.difference.Changes = append(c.difference.Changes, change)
}

// common returns what is in both lists, in the order of the first.
func common(a, b []string) []string {
	result := []string{}
	for _, s := range a {
		if slices.Contains(b, s) {
			result = append(result, s)
		}
	}
	return result
}

// without returns what is in the first list alone.
func without(a, b []string) []string {
	result := []string{}
	for _, s := range a {
		if !slices.Contains(b, s) {
			result = append(result, s)
		}
	}
	return result
}
