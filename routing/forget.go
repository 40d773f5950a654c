package routing

import (
	"context"
	"errors"
	"maps"
)

// ErrNoRecord is matched when an instance has no record. It says nothing of whether the instance exists.
var ErrNoRecord = errors.New("there is no record of this instance")

// Forgotten says what Forget did.
type Forgotten struct {
	// Before is the record as it was, and After as it is now; the same if there was nothing to change.
	Before, After *Record
	// Changed is false if the record was a tombstone already.
	Changed bool
	// OpenCreates counts the creates that are under way. One that succeeds takes the record back.
	OpenCreates int
}

// Forget puts a tombstone in the place of an instance's record, for an operator who knows that the instance is not
// there, or not to be the gateway's any more. No backend is called. The tombstone is that of a deletion that the
// backend confirmed: the platform's calls, a DELETE too, still go to the record's backend for a week, and the same
// platform may create the instance anew, on any backend. Strays are forgotten with the record.
//
// Records of bindings stay. They route by themselves, so that each can still be unbound, and a census lists them as
// leftovers.
//
// The error matches ErrNoRecord, ErrUnavailable or ErrNewerRecord, or tells of a damaged record, of which nobody can
// say where its tombstone should lead.
func (l *Ledger) Forget(ctx context.Context, instance InstanceID) (Forgotten, error) {
	key := Key{Instance: instance}
	from, err := l.read(ctx, key)
	if err != nil {
		return Forgotten{}, err
	}
	var done Forgotten
	_, err = l.update(ctx, &Call{Key: key}, from, false, func(records Records, now Moment) Records {
		done = Forgotten{Before: records.Instance, After: records.Instance}
		if records.Instance == nil || records.Instance.forgotten() {
			return records
		}
		done.After, done.OpenCreates = records.Instance.forget(now)
		done.Changed = true
		records.Instance = done.After
		return records
	})
	switch {
	case err != nil:
		return Forgotten{}, err
	case done.Before == nil:
		return Forgotten{}, ErrNoRecord
	}
	return done, nil
}

// forgotten tells whether the record is a tombstone that ends by itself.
func (r *Record) forgotten() bool { return !r.Live() && len(r.Strays) == 0 }

// forget returns the tombstone for a record, and how many creates are left open in it: a backend that still carries one
// out must not end up with an instance that no record knows.
func (r *Record) forget(now Moment) (tombstone *Record, openCreates int) {
	tombstone = r.clone()
	tombstone.bury(now)
	open := maps.Clone(r.Calls)
	maps.DeleteFunc(open, func(_ string, call Open) bool {
		return call.Done != 0 || call.Kind == KindDelete || call.Kind == KindUpdate || call.Until <= now
	})
	maps.Copy(tombstone.Calls, open)
	tombstone.NeverCreated = false
	tombstone.Strays = nil
	return tombstone, len(open)
}

// Show returns the record of an instance. It must not be changed. The error matches ErrNoRecord, ErrUnavailable or
// ErrNewerRecord, or tells of a damaged record.
func (l *Ledger) Show(ctx context.Context, instance InstanceID) (*Record, error) {
	held, err := l.read(ctx, Key{Instance: instance})
	switch {
	case err != nil:
		return nil, err
	case held.records.Instance == nil:
		return nil, ErrNoRecord
	}
	return held.records.Instance, nil
}
