package catalogmerge

// ChangeKind says what happened to an offering or a plan.
type ChangeKind string

// The kinds of changes.
const (
	// Removed: platforms find it gone. Added: they find it new.
	Removed ChangeKind = "removed"
	Added   ChangeKind = "added"
	// Renamed: it has another name.
	Renamed ChangeKind = "renamed"
	// Reidentified: it has another id, which platforms take for one that went and another one that came.
	Reidentified ChangeKind = "id_changed"
	// Moved: another backend has the offering now.
	Moved ChangeKind = "moved"
)

// Change is one thing that platforms would notice.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Platforms are those that would notice; empty stands for all of them.
	Platforms []string `json:"platforms,omitempty"`
	// Offering is the offering, and Plan, if it is set, the plan of it that changed, as they were or, if they are new,
	// as they are.
	Backend  string     `json:"backend"`
	Offering ListedName `json:"offering"`
	Plan     ListedName `json:"plan,omitzero"`
	// Was and Now are the names, ids or backends of a change from one to the other.
	Was string `json:"was,omitempty"`
	Now string `json:"now,omitempty"`
	// Instances is how many instances there are of what is lost.
	Instances int `json:"instances,omitempty"`
}

// ListedName is the id and the name of something.
type ListedName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Difference is what platforms would notice if one catalog took the place of another.
type Difference struct {
	Changes []Change `json:"changes"`
}

// Losses tells whether something would be gone for a platform that sees it now.
func (d *Difference) Losses() bool {
	for _, c := range d.Changes {
		if c.Kind == Removed || c.Kind == Reidentified {
			return true
		}
	}
	return false
}

// Compare returns what platforms would notice if after took the place of before.
func Compare(before, after *Listing) *Difference {
	d := &Difference{Changes: []Change{}}
	ids := make(map[string]bool)
	for _, o := range after.Offerings {
		ids[o.ID] = true
	}
	for _, o := range before.Offerings {
		if !ids[o.ID] {
			d.Changes = append(d.Changes, Change{Kind: Removed, Backend: o.Backend, Offering: ListedName{o.ID, o.Name}})
		}
	}
	return d
}
