package filestore

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Bindings implements routing.BindingLister. Keys of bindings begin with their instance, so those of one stand
// together.
func (s *Store) Bindings(
	ctx context.Context, instance routing.InstanceID, limit int,
) (page []routing.Listed, more bool, err error) {
	err = s.call(ctx, routing.StoreList, func(_ context.Context, f *file) error {
		if err := checkKey(routing.Key{Instance: instance}); err != nil {
			return err
		}
		return f.view(func(tx *bbolt.Tx) error {
			page, more = nil, false
			now, prefix := s.now(), appendInstance(nil, instance)
			records := bindingKind.bucket(tx).Cursor()
			for key, value := records.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = records.Next() {
				r, err := decodeRecord(key, value)
				if err != nil {
					return err
				}
				if r.expired(now) {
					continue
				}
				if more = len(page) >= limit; more {
					return nil
				}
				names, err := place{kind: bindingKind, key: key}.names()
				if err != nil {
					return err
				}
				page = append(page, routing.Listed{Key: names, Data: append([]byte{}, r.data...)})
			}
			return nil
		})
	})
	if err != nil {
		return nil, false, err
	}
	return page, more, nil
}

// Interface guard.
var _ routing.BindingLister = (*Store)(nil)
