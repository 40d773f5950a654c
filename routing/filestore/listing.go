package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// List implements routing.Store. First come the instances, then the bindings, both in the order of their keys. A page
// looks at no more than limit records, expired ones included.
func (s *Store) List(ctx context.Context, cursor string, limit int) (page []routing.Listed, next string, err error) {
	err = s.call(ctx, routing.StoreList, func(_ context.Context, f *file) error {
		from, err := parseCursor(cursor)
		if err != nil {
			return err
		}
		return f.view(func(tx *bbolt.Tx) error {
			page, next, err = listFrom(tx, from, max(limit, 1), s.now())
			return err
		})
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// listFrom lists records from a place on, and tells where to go on.
func listFrom(tx *bbolt.Tx, from place, limit int, now time.Time) (page []routing.Listed, next string, err error) {
	for looked := 0; ; {
		records := from.kind.bucket(tx).Cursor()
		for key, value := records.Seek(from.key); key != nil; key, value = records.Next() {
			at := place{kind: from.kind, key: key}
			if looked == limit {
				return page, at.cursor(), nil
			}
			looked++
			r, err := decodeRecord(key, value)
			if err != nil {
				return nil, "", err
			}
			if r.expired(now) {
				continue
			}
			names, err := at.names()
			if err != nil {
				return nil, "", err
			}
			page = append(page, routing.Listed{Key: names, Data: append([]byte{}, r.data...)})
		}
		if from.kind == bindingKind {
			return page, "", nil
		}
		from = place{kind: bindingKind}
	}
}

// cursor is a place as the cursor of a listing that goes on there.
func (p place) cursor() string { return string(p.kind) + hex.EncodeToString(p.key) }

func parseCursor(cursor string) (place, error) {
	if cursor == "" {
		return place{kind: instanceKind}, nil
	}
	key, err := hex.DecodeString(cursor[1:])
	from := place{kind: kind(cursor[0]), key: key}
	if err != nil || from.kind != instanceKind && from.kind != bindingKind {
		return place{}, errors.New("the listing cannot go on from there: its cursor is not one of this store")
	}
	return from, nil
}

// names undoes instancePlace and bindingPlace.
func (p place) names() (routing.Key, error) {
	if len(p.key) >= 2 {
		length, rest := int(binary.BigEndian.Uint16(p.key)), p.key[2:]
		switch {
		case p.kind == instanceKind && length == len(rest):
			return routing.Key{Instance: routing.InstanceID(rest)}, nil
		case p.kind == bindingKind && length < len(rest):
			return routing.Key{
				Instance: routing.InstanceID(rest[:length]), Binding: routing.BindingID(rest[length:]),
			}, nil
		}
	}
	return routing.Key{}, errDamaged
}

// Unfinished implements routing.Store.
func (s *Store) Unfinished(ctx context.Context, age time.Duration, limit int) (keys []routing.Key, err error) {
	err = s.call(ctx, routing.UnfinishedName(age), func(_ context.Context, f *file) error {
		return f.view(func(tx *bbolt.Tx) error {
			now := s.now()
			latest := binary.BigEndian.AppendUint64(nil, uint64(max(now.Add(-age).UnixMilli(), 0)))
			index := tx.Bucket(unfinishedBucket).Cursor()
			for key, _ := index.First(); key != nil && len(keys) < limit; key, _ = index.Next() {
				if len(key) < 9 {
					return errDamaged
				}
				if bytes.Compare(key[:8], latest) > 0 {
					break
				}
				at := place{kind: kind(key[8]), key: key[9:]}
				// A damaged record is listed, to be found by who reads it; no other is kept out because of it.
				if r, exists, err := at.get(tx); err == nil && (!exists || r.expired(now)) {
					continue
				}
				names, err := at.names()
				if err != nil {
					return err
				}
				keys = append(keys, names)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}
