package routing

import (
	"context"
	"errors"
)

// A BindingLister is a store that finds the bindings of an instance without going through all records.
type BindingLister interface {
	// Bindings returns up to limit records of bindings of the instance, in an order that stays the same, and whether
	// there are more. Expired records are left out.
	Bindings(ctx context.Context, instance InstanceID, limit int) (page []Listed, more bool, err error)
}

// ErrNoBindingList is matched where a store cannot find the bindings of an instance.
var ErrNoBindingList = errors.New("this store cannot find the bindings of an instance")

// Bindings returns up to limit records of bindings of the instance, and whether there are more. The error matches
// ErrUnavailable or ErrNoBindingList.
func (l *Ledger) Bindings(ctx context.Context, instance InstanceID, limit int) (page []Listed, more bool, err error) {
	lister, ok := l.store.(BindingLister)
	if !ok {
		return nil, false, ErrNoBindingList
	}
	return lister.Bindings(ctx, instance, limit)
}
