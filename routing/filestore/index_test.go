package filestore_test

import (
	"encoding/binary"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// index is the content of a bucket that is ordered by time: the milliseconds by kind and key.
type index map[string]int64

// readFile reads both indexes and counts the records, in a file that no store has open.
func readFile(t *testing.T, path string) (expiries, unfinished index, records int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	expiries, unfinished = make(index), make(index)
	err = db.View(func(tx *bbolt.Tx) error {
		for name, into := range map[string]index{"expiries": expiries, "unfinished": unfinished} {
			if err := tx.Bucket([]byte(name)).ForEach(func(key, _ []byte) error {
				into[string(key[8:])] = int64(binary.BigEndian.Uint64(key))
				return nil
			}); err != nil {
				return err
			}
		}
		for _, name := range []string{"instances", "bindings"} {
			if err := tx.Bucket([]byte(name)).ForEach(func(_, _ []byte) error {
				records++
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return expiries, unfinished, records
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	path, clock := newPath(t), newTestClock()
	key := routing.Key{Instance: "in", Binding: "b"}
	const instance, binding = "i\x00\x02in", "b\x00\x02inb"
	held := routing.Snapshot{}
	limited := func(unfinished bool) *routing.Write {
		return &routing.Write{Data: []byte("x"), TTL: time.Hour, Unfinished: unfinished}
	}
	unlimited := func(unfinished bool) *routing.Write {
		return &routing.Write{Data: []byte("x"), Unfinished: unfinished}
	}
	first := clock.Now().UnixMilli()
	end := first + time.Hour.Milliseconds()
	steps := []struct {
		name                 string
		instance, binding    *routing.Write
		expiries, unfinished index
	}{
		{
			"both unfinished, with an end", limited(true), limited(true),
			index{instance: end, binding: end},
			index{instance: first, binding: first},
		},
		{
			"the instance is left", nil, limited(false),
			index{instance: end, binding: end + 1000},
			index{instance: first},
		},
		{
			"the instance stays unfinished", unlimited(true), nil,
			index{binding: end + 1000},
			index{instance: first + 2000},
		},
		{"all done", unlimited(false), unlimited(false), index{}, index{}},
		{
			"both unfinished again", limited(true), limited(true),
			index{instance: end + 4000, binding: end + 4000},
			index{instance: first + 4000, binding: first + 4000},
		},
		{"the binding is erased", nil, &routing.Write{}, index{instance: end + 4000}, index{instance: first + 4000}},
		{"the instance is erased", &routing.Write{}, nil, index{}, index{}},
	}
	for _, step := range steps {
		store := open(t, path, filestore.Clock(clock.Now))
		held = swap(t, store, routing.Change{Key: key, Old: held, Instance: step.instance, Binding: step.binding})
		closeStore(t, store)
		expiries, unfinished, _ := readFile(t, path)
		if diff := cmp.Diff(step.expiries, expiries); diff != "" {
			t.Errorf("%s: expiries differ (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.unfinished, unfinished); diff != "" {
			t.Errorf("%s: unfinished differ (-want +got):\n%s", step.name, diff)
		}
		clock.Advance(time.Second)
	}
}

// Expired records leave the file with later writes, a few with each.
func TestExpiredRecordsAreSwept(t *testing.T) {
	t.Parallel()
	path, clock := filepath.Join(t.TempDir(), "ownership.db"), newTestClock()
	store := open(t, path, filestore.Clock(clock.Now))
	const expiring = 40
	for n := range expiring {
		swap(t, store, routing.Change{
			Key:      routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))},
			Instance: &routing.Write{Data: []byte("x"), TTL: time.Minute, Unfinished: true},
		})
	}
	closeStore(t, store)
	clock.Advance(time.Minute)
	for n, left := range []int{24, 8, 0, 0} {
		store := open(t, path, filestore.Clock(clock.Now))
		swap(t, store, routing.Change{
			Key:      routing.Key{Instance: routing.InstanceID("other " + strconv.Itoa(n))},
			Instance: &routing.Write{Data: []byte("x"), TTL: time.Hour},
		})
		closeStore(t, store)
		expiries, unfinished, records := readFile(t, path)
		if len(expiries) != left+n+1 || len(unfinished) != left || records != left+n+1 {
			t.Errorf("after write %d: %d expiries, %d unfinished, %d records; want %d, %d, %d",
				n+1, len(expiries), len(unfinished), records, left+n+1, left, left+n+1)
		}
	}
}
