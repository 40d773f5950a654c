package routing

import (
	"bytes"
	"errors"
	"time"
)

// Check refuses a change that no store can apply: one that compares or writes a binding which its key does not name, or
// one whose time to live lies in the past.
func (c Change) Check() error {
	if c.Key.Binding == "" && (c.Binding != nil || c.Old.Binding != nil) {
		return errors.New("the change is about a binding, but its key names none")
	}
	for _, write := range []*Write{c.Instance, c.Binding} {
		if write != nil && write.TTL < 0 {
			return errors.New("the change has a negative time to live")
		}
	}
	return nil
}

// Matches tells whether held, what a store has now, is what the change was computed from. An empty record is not an
// absent one. The times are not compared.
func (c Change) Matches(held Snapshot) bool {
	return sameRecord(held.Instance, c.Old.Instance) && sameRecord(held.Binding, c.Old.Binding)
}

// After returns what a store holds once it applied the change at the given time of its clock. It shares no memory with
// the change.
func (c Change) After(now time.Time) Snapshot {
	after := Snapshot{Instance: bytes.Clone(c.Old.Instance), Binding: bytes.Clone(c.Old.Binding), Now: now}
	if c.Instance != nil {
		after.Instance = bytes.Clone(c.Instance.Data)
	}
	if c.Binding != nil {
		after.Binding = bytes.Clone(c.Binding.Data)
	}
	return after
}

func sameRecord(held, old []byte) bool {
	return (held == nil) == (old == nil) && bytes.Equal(held, old)
}
