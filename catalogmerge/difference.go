package catalogmerge

import (
	"fmt"
	"strings"
)

// ChangeKind says what happened to an offering or a plan.
type ChangeKind string

// The kinds of changes.
const (
	// Removed: platforms find it gone. Added: they find it new.
	Removed ChangeKind = "removed"
	Added   ChangeKind = "added"
	// Concealed: it is there, but some platforms do not see it any more. Shown: they do now.
	Concealed ChangeKind = "concealed"
	Shown     ChangeKind = "shown"
	// Renamed: it has another name.
	Renamed ChangeKind = "renamed"
	// Reidentified: it has another id. Platforms take that for one that went and another one that came.
	Reidentified ChangeKind = "id_changed"
	// Moved: another backend has it now.
	Moved ChangeKind = "moved"
	// Drained: there are to be no new instances of it. Undrained: there may be again.
	Drained   ChangeKind = "drained"
	Undrained ChangeKind = "undrained"
)

// Difference is what platforms would notice if one catalog took the place of another.
type Difference struct {
	// PlatformsRemoved and PlatformsAdded are those that only one of the two knows. The changes are for the others.
	PlatformsRemoved []string `json:"platforms_removed"`
	PlatformsAdded   []string `json:"platforms_added"`
	Changes          []Change `json:"changes"`
}

// Change is one thing that platforms would notice.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Platforms are those that would notice; empty stands for all of them.
	Platforms []string `json:"platforms,omitempty"`
	// Backend is the configured name of the backend.
	Backend string `json:"backend"`
	// Offering is the offering as it was or, if it is new, as it is; Plan is the plan of it that changed, if it is not
	// the offering as a whole.
	Offering ListedName `json:"offering"`
	Plan     ListedName `json:"plan,omitzero"`
	// Was and Now are the names, ids or backends of a change from one to the other.
	Was string `json:"was,omitempty"`
	Now string `json:"now,omitempty"`
	// Plans is how many plans are lost, and Instances how many instances they have.
	Plans     int `json:"plans,omitempty"`
	Instances int `json:"instances,omitempty"`
}

// ListedName is the id and the name of something.
type ListedName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Loss tells whether platforms that see the offering or the plan now would find it gone.
func (c *Change) Loss() bool {
	return c.Kind == Removed || c.Kind == Concealed || c.Kind == Reidentified
}

// Losses tells whether something would be gone for a platform that sees it now.
func (d *Difference) Losses() bool {
	for i := range d.Changes {
		if d.Changes[i].Loss() {
			return true
		}
	}
	return len(d.PlatformsRemoved) > 0
}

// String returns the change as one line.
func (c *Change) String() string {
	var b strings.Builder
	subject := fmt.Sprintf("offering %s (id %s) of backend %s",
		quote(c.Offering.Name), quote(c.Offering.ID), quote(c.Backend))
	if c.Plan != (ListedName{}) {
		subject = fmt.Sprintf("plan %s (id %s) of %s", quote(c.Plan.Name), quote(c.Plan.ID), subject)
	}
	switch c.Kind {
	case Removed:
		b.WriteString("removes " + subject)
	case Added:
		b.WriteString("adds " + subject)
	case Concealed:
		b.WriteString("conceals " + subject)
	case Shown:
		b.WriteString("shows " + subject)
	case Renamed:
		fmt.Fprintf(&b, "renames %s to %s", subject, quote(c.Now))
	case Reidentified:
		fmt.Fprintf(&b, "changes the id of %s to %s", subject, quote(c.Now))
	case Moved:
		fmt.Fprintf(&b, "moves %s to backend %s", subject, quote(c.Now))
	case Drained:
		b.WriteString("takes no new instances of " + subject)
	case Undrained:
		b.WriteString("takes new instances again of " + subject)
	}
	if len(c.Platforms) > 0 {
		platforms := make([]string, len(c.Platforms))
		for i, p := range c.Platforms {
			platforms[i] = quote(p)
		}
		b.WriteString(", for " + strings.Join(platforms, ", "))
	}
	if c.Loss() {
		fmt.Fprintf(&b, ": %s with %s", count(c.Plans, "plan"), count(c.Instances, "instance"))
	}
	return b.String()
}

// String returns the difference as lines of text: what is lost in all, and every change.
func (d *Difference) String() string {
	var lines []string
	if s := d.summary(); s != "" {
		lines = append(lines, s)
	}
	for _, p := range d.PlatformsRemoved {
		lines = append(lines, "removes platform "+quote(p))
	}
	for _, p := range d.PlatformsAdded {
		lines = append(lines, "adds platform "+quote(p))
	}
	for i := range d.Changes {
		lines = append(lines, d.Changes[i].String())
	}
	if len(lines) == 0 {
		return "platforms notice nothing"
	}
	return strings.Join(lines, "\n")
}

// summary says in one line what is lost in all; it is empty if nothing is.
func (d *Difference) summary() string {
	verbs := []struct {
		kind ChangeKind
		verb string
	}{{Removed, "removes"}, {Concealed, "conceals"}, {Reidentified, "changes the ids of"}}
	var parts []string
	for _, v := range verbs {
		plans, instances := 0, 0
		for i := range d.Changes {
			if c := &d.Changes[i]; c.Kind == v.kind {
				plans += c.Plans
				instances += c.Instances
			}
		}
		if plans > 0 {
			parts = append(parts, fmt.Sprintf("%s %s with %s", v.verb, count(plans, "plan"), count(instances, "instance")))
		}
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
