package filestore_test

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// A file that is not this store's, or that is damaged, is refused, and nothing in it is changed.
func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	own := ownFile(t)
	pageSize := os.Getpagesize()
	changed := func(change func(content []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, change(bytes.Clone(own)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	database := func(fill func(tx *bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			makeDatabase(t, path, fill)
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"one byte", changed(func([]byte) []byte { return []byte("x") }), "no ownership store, or it is damaged"},
		{"text", changed(func([]byte) []byte { return []byte("my shopping list\n") }), "no ownership store"},
		{"a long text", changed(func([]byte) []byte { return bytes.Repeat([]byte("text\n"), 50000) }), "no ownership store"},
		{"zeros", changed(func([]byte) []byte { return make([]byte, 1<<16) }), "no ownership store"},
		{"both heads gone", changed(func(content []byte) []byte {
			clear(content[:2*pageSize])
			return content
		}), "no ownership store, or it is damaged"},
		{"both heads wrong by a bit", changed(func(content []byte) []byte {
			content[50] ^= 1
			content[pageSize+50] ^= 1
			return content
		}), "it is damaged"},
		{"cut short by half", changed(func(content []byte) []byte { return content[:len(content)/2] }), "damaged: it has"},
		{"cut short to the heads", changed(func(content []byte) []byte { return content[:2*pageSize] }), "damaged: it has"},
		{"cut short to one head", changed(func(content []byte) []byte { return content[:pageSize] }), "it is damaged"},
		{"all but the heads gone", changed(func(content []byte) []byte {
			clear(content[2*pageSize:])
			return content
		}), "the file is damaged"},
		{"list of free pages gone", changed(func(content []byte) []byte {
			for page := 2; page < len(content)/pageSize; page++ {
				if content[page*pageSize+8] == 0x10 { // the flag of such a page
					clear(content[page*pageSize : (page+1)*pageSize])
				}
			}
			return content
		}), "the file is damaged"},
		{"another program's database", database(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("accounts"))
			return err
		}), `another program (it holds "accounts")`},
		{"another program's database that has a bucket meta", database(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte("meta"))
			if err != nil {
				return err
			}
			return bucket.Put([]byte("format"), []byte("something else"))
		}), "another program"},
		{"newer version", database(ownBuckets("2")), "version 2 of its format, and this gateway knows version 1"},
		{"no version", database(ownBuckets("")), "damaged: its version"},
		{"version 0", database(ownBuckets("0")), "damaged: its version"},
		{"no data", database(ownBuckets("1")), "damaged: it has no bucket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			test.make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			store := filestore.New(path)
			for range 2 {
				err = store.Open()
				if !errors.Is(err, routing.ErrUnavailable) {
					t.Fatalf("got %v, want an error that matches ErrUnavailable", err)
				}
				if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "left as it is") {
					t.Errorf("got %q, want it to say %q", err, test.want)
				}
				if !strings.Contains(err.Error(), path) {
					t.Errorf("got %q, want it to name the file", err)
				}
			}
			storetest.WantUnavailable(t.Context(), t, store)
			closeStore(t, store)
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			// The lock is given up: with the file gone, the path is as good as any.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			open(t, path)
		})
	}
}

// A database that leaves its list of free pages out is rewritten by the mere opening for writing.
func TestForeignFileWithoutFreeListIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("accounts"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := filestore.New(path).Open(); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("got %v, want that it belongs to another program", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// One of the two heads is enough: a write that was cut short leaves the other.
func TestOneHeadIsEnough(t *testing.T) {
	t.Parallel()
	for _, head := range []int{0, 1} {
		content := ownFile(t)
		clear(content[head*os.Getpagesize() : (head+1)*os.Getpagesize()])
		path := newPath(t)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		store := open(t, path)
		if _, err := store.Read(t.Context(), routing.Key{Instance: "i"}); err != nil {
			t.Errorf("without head %d: %v", head, err)
		}
	}
}

// ownFile returns the content of a file with some records.
func ownFile(t *testing.T) []byte {
	t.Helper()
	path := newPath(t)
	store := open(t, path)
	for n := range 200 {
		swap(t, store, routing.Change{
			Key:      routing.Key{Instance: routing.InstanceID("instance-" + strconv.Itoa(n))},
			Instance: write(strings.Repeat(strconv.Itoa(n), 100)),
		})
	}
	closeStore(t, store)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func ownBuckets(version string) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte("format"), []byte("osb gateway ownership store")); err != nil {
			return err
		}
		return bucket.Put([]byte("version"), []byte(version))
	}
}

func makeDatabase(t *testing.T, path string, fill func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
}
