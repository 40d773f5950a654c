package filestore_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

func TestIdentityOutlivesTheStore(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store := open(t, path)
	if err := store.Mark(t.Context(), "first", false); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	store = open(t, path)
	if unmarked, parts, err := store.Unmarked(t.Context(), "first"); unmarked != 0 || parts != 1 || err != nil {
		t.Errorf("got %d of %d, %v, want the identity to be there", unmarked, parts, err)
	}
	store.Expect("first")
	wantInstance(t, store, "i", "")
}

// A file of the earlier layout holds no identity. It opens, its records are found, and it can be given one.
func TestFileWithoutIdentity(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	earlier(t, path)
	store := open(t, path)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	closeStore(t, store)

	store = open(t, path)
	if unmarked, parts, err := store.Unmarked(t.Context(), "first"); unmarked != 1 || parts != 1 || err != nil {
		t.Errorf("got %d of %d, %v, want no identity", unmarked, parts, err)
	}
	store.Expect("first")
	wantInstance(t, store, "i", "x")
	_, err := store.Read(t.Context(), routing.Key{Instance: "other"})
	if !errors.Is(err, routing.ErrUnknownStore) || !strings.Contains(err.Error(), "the file carries no identity") ||
		!strings.Contains(err.Error(), "caddy osb-gateway store accept") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want it to say what to do about which file", err)
	}
	if err := store.Mark(t.Context(), "first", false); err != nil {
		t.Fatal(err)
	}
	wantInstance(t, store, "other", "")
}

// earlier makes a file as it was made before there were identities.
func earlier(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"meta", "instances", "bindings", "expiries", "unfinished", "documents"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte("meta"))
		if err := meta.Put([]byte("format"), []byte("osb gateway ownership store")); err != nil {
			return err
		}
		return meta.Put([]byte("version"), []byte("1"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// A page is a bounded piece of work, and what it looks at counts even if it is not listed.
func TestListPages(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	store := open(t, newPath(t), filestore.Clock(clock.Now))
	const each = 50
	for n := range each {
		key := routing.Key{Instance: routing.InstanceID(strconv.Itoa(n)), Binding: "b"}
		swap(t, store, routing.Change{
			Key: key, Instance: &routing.Write{Data: []byte("x"), TTL: 1}, Binding: write("y"),
		})
	}
	clock.Advance(1_000_000)
	listed, pages := 0, 0
	for cursor := ""; ; pages++ {
		page, next, err := store.List(t.Context(), cursor, 10)
		if err != nil || len(page) > 10 {
			t.Fatalf("got %d records, %v, want 10 at most", len(page), err)
		}
		listed += len(page)
		if next == "" {
			break
		}
		cursor = next
	}
	if listed != each || pages != 2*each/10-1 {
		t.Errorf("%d records are listed on %d pages and a last one, want %d on %d", listed, pages, each, 2*each/10-1)
	}
	for _, cursor := range []string{"x", "i0", "ixx", "d00", "i 00"} {
		page, next, err := store.List(t.Context(), cursor, 10)
		if !errors.Is(err, routing.ErrUnavailable) || !strings.Contains(err.Error(), "cursor") || page != nil || next != "" {
			t.Errorf("List from %q: got %q, %q, %v, want an error", cursor, page, next, err)
		}
	}
}
