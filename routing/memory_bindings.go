package routing

import (
	"context"
	"slices"
)

// Bindings implements BindingLister.
func (m *MemoryStore) Bindings(
	ctx context.Context, instance InstanceID, limit int,
) (page []Listed, more bool, err error) {
	all, _, err := m.List(ctx, "", 0)
	if err != nil {
		return nil, false, err
	}
	page = slices.DeleteFunc(all, func(listed Listed) bool {
		return listed.Key.Instance != instance || listed.Key.Binding == ""
	})
	if len(page) > limit {
		return page[:limit], true, nil
	}
	return page, false, nil
}

// Interface guard.
var _ BindingLister = (*MemoryStore)(nil)
