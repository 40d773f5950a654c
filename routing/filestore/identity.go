package filestore

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var identityKey = []byte("identity")

// Expect implements routing.Store.
func (s *Store) Expect(identity string) { s.identity.Store(&identity) }

// Mark implements routing.Store. A file is one part.
func (s *Store) Mark(ctx context.Context, identity string, replace bool) error {
	return s.call(ctx, routing.StoreMark, func(ctx context.Context, f *file) error {
		if len(identity) > bbolt.MaxValueSize {
			return errors.New("the identity is larger than the file can hold")
		}
		return f.update(ctx, func(tx *bbolt.Tx) (bool, error) {
			var found *string
			if err := guard(func() error {
				found = readIdentity(tx)
				return nil
			}); err != nil {
				return false, err
			}
			if found != nil && (!replace || *found == identity) {
				return false, nil
			}
			return true, tx.Bucket(metaBucket).Put(identityKey, []byte(identity))
		})
	})
}

// Unmarked implements routing.Store.
func (s *Store) Unmarked(ctx context.Context, identity string) (unmarked, parts int, err error) {
	err = s.call(ctx, routing.StoreUnmarked, func(_ context.Context, f *file) error {
		return f.view(func(tx *bbolt.Tx) error {
			parts = 1
			if found := readIdentity(tx); found == nil || *found != identity {
				unmarked = 1
			}
			return nil
		})
	})
	if err != nil {
		return 0, 0, err
	}
	return unmarked, parts, nil
}

// known refuses to call records absent in a file that is not the expected one.
func (s *Store) known(tx *bbolt.Tx, held routing.Snapshot) error {
	expected := s.identity.Load()
	if held.Instance != nil || held.Binding != nil || expected == nil || *expected == "" {
		return nil
	}
	found := readIdentity(tx)
	if found != nil && *found == *expected {
		return nil
	}
	carried := "no identity"
	if found != nil {
		carried = fmt.Sprintf("the identity %.80q", *found)
	}
	return fmt.Errorf("%w: the file carries %s instead of %q, so what is not there may have been lost; "+
		"if nothing is to be restored, run `caddy osb-gateway store accept`", routing.ErrUnknownStore, carried, *expected)
}

// readIdentity returns the identity of the file, nil if it has none. Files of earlier versions have none.
func readIdentity(tx *bbolt.Tx) *string {
	value := tx.Bucket(metaBucket).Get(identityKey)
	if value == nil {
		return nil
	}
	identity := string(value)
	return &identity
}
