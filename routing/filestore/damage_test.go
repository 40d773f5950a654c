package filestore_test

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// damagedFile writes many records and one victim, lets damage change the bytes where the victim's record lies, and
// opens the file again.
func damagedFile(t *testing.T, damage func(content []byte, at int)) *filestore.Store {
	t.Helper()
	const victim = "this is the record that is going to be damaged"
	path, clock := newPath(t), newTestClock()
	store := open(t, path, filestore.Clock(clock.Now))
	for n := range 500 {
		swap(t, store, routing.Change{
			Key:      routing.Key{Instance: routing.InstanceID("instance-" + strconv.Itoa(n))},
			Instance: write(strings.Repeat(strconv.Itoa(n), 100)),
		})
	}
	for _, id := range []routing.InstanceID{"victim", "after"} {
		change := routing.Change{Key: routing.Key{Instance: id}, Instance: &routing.Write{Data: []byte(id), Unfinished: true}}
		if id == "victim" {
			change.Instance.Data = []byte(victim)
		}
		swap(t, store, change)
		clock.Advance(time.Millisecond)
	}
	// So long that it does not lie in the page that all else hangs on.
	document := []byte(strings.Repeat(".", 2000) + victim)
	if _, _, err := store.SwapDocument(t.Context(), "victim", 0, document); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Pages that are free by now may hold copies of it. They are damaged as well.
	found := false
	for at := 0; ; at++ {
		next := bytes.Index(content[at:], []byte(victim))
		if next < 0 {
			break
		}
		found, at = true, at+next
		damage(content, at)
	}
	if !found {
		t.Fatal("the file does not hold the record")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// wantVictimsDamaged checks that the victims are errors, and that the others are there.
func wantVictimsDamaged(t *testing.T, store *filestore.Store) {
	t.Helper()
	check := func(operation string, err error) {
		t.Helper()
		if !errors.Is(err, routing.ErrUnavailable) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: got %v, want an error that says that the file is damaged", operation, err)
		}
	}
	key := routing.Key{Instance: "victim"}
	for range 2 {
		snapshot, err := store.Read(t.Context(), key)
		check("Read", err)
		if snapshot.Instance != nil {
			t.Errorf("Read returns %q", snapshot.Instance)
		}
		_, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
		check("Swap", err)
		if swapped {
			t.Error("Swap wrote over the damaged record")
		}
		document, err := store.ReadDocument(t.Context(), "victim")
		check("ReadDocument", err)
		if document.Version != 0 {
			t.Errorf("ReadDocument returns version %d", document.Version)
		}
		_, swapped, err = store.SwapDocument(t.Context(), "victim", 0, []byte("x"))
		check("SwapDocument", err)
		if swapped {
			t.Error("SwapDocument wrote over the damaged document")
		}
		wantInstance(t, store, "instance-250", strings.Repeat("250", 100))
	}
}

func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	store := damagedFile(t, func(content []byte, at int) { content[at+3] ^= 0x20 })
	wantVictimsDamaged(t, store)
	// A listing says that it cannot be complete.
	_, _, err := store.List(t.Context(), "", 1000)
	if !errors.Is(err, routing.ErrUnavailable) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("List: got %v, want an error that says that the file is damaged", err)
	}
	// It is still among the unfinished ones, and keeps no other out.
	keys, err := store.Unfinished(t.Context(), 0, 10)
	if diff := cmp.Diff([]routing.Key{{Instance: "victim"}, {Instance: "after"}}, keys); diff != "" || err != nil {
		t.Errorf("Unfinished: %v; the keys differ (-want +got):\n%s", err, diff)
	}
	// All else can be written.
	key := routing.Key{Instance: "instance-250"}
	held, err := store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	swap(t, store, routing.Change{Key: key, Old: held, Instance: write("new")})
}

func TestDamagedPage(t *testing.T) {
	t.Parallel()
	pageSize := os.Getpagesize()
	store := damagedFile(t, func(content []byte, at int) {
		start := at / pageSize * pageSize
		clear(content[start : start+pageSize])
	})
	wantVictimsDamaged(t, store)
}

// Somebody cuts the file short under the running store. Its pages are memory that is not there any more.
func TestFileCutShortWhileOpen(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store := filestore.New(path)
	if err := store.Open(); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		swap(t, store, routing.Change{
			Key:      routing.Key{Instance: routing.InstanceID("instance-" + strconv.Itoa(n))},
			Instance: write(strings.Repeat(strconv.Itoa(n), 100)),
		})
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	key := routing.Key{Instance: "instance-7"}
	snapshot, err := store.Read(t.Context(), key)
	if !errors.Is(err, routing.ErrUnavailable) || snapshot.Instance != nil {
		t.Errorf("Read: got %q, %v, want an error that matches ErrUnavailable", snapshot.Instance, err)
	}
	for range 2 {
		_, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
		if !errors.Is(err, routing.ErrUnavailable) || swapped {
			t.Errorf("Swap: got %t, %v, want an error that matches ErrUnavailable", swapped, err)
		}
	}
	// Whether it can be closed in good order is open, but it ends.
	_ = store.Close()
}
