package storetest

import (
	"errors"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func mark(t *testing.T, store routing.Store, identity string, replace bool) {
	t.Helper()
	if err := store.Mark(t.Context(), identity, replace); err != nil {
		t.Fatalf("Mark(%q): %v", identity, err)
	}
}

// wantMarked checks that all parts of the store carry the identity, or that none does.
func wantMarked(t *testing.T, store routing.Store, identity string, marked bool) {
	t.Helper()
	unmarked, parts, err := store.Unmarked(t.Context(), identity)
	if err != nil {
		t.Fatalf("Unmarked(%q): %v", identity, err)
	}
	want := parts
	if marked {
		want = 0
	}
	if unmarked != want || parts < 1 {
		t.Errorf("Unmarked(%q) is %d of %d, want %d", identity, unmarked, parts, want)
	}
}

// wantUnknown checks that a read and a swap of absent records are refused, and that nothing is changed.
func wantUnknown(t *testing.T, store routing.Store, key routing.Key) {
	t.Helper()
	check := func(operation string, snapshot routing.Snapshot, err error) {
		t.Helper()
		if !errors.Is(err, routing.ErrUnknownStore) || !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("%s: got %v, want an error that matches ErrUnknownStore and ErrUnavailable", operation, err)
		}
		if snapshot.Instance != nil || snapshot.Binding != nil || !snapshot.Now.IsZero() {
			t.Errorf("%s returns %q beside its error", operation, snapshot)
		}
	}
	snapshot, err := store.Read(t.Context(), key)
	check("Read", snapshot, err)
	changes := []routing.Change{
		{Key: key},
		{Key: key, Instance: write("never")},
		{Key: key, Old: routing.Snapshot{Instance: []byte("was there")}, Instance: write("never")},
		{Key: key, Old: routing.Snapshot{Instance: []byte("was there")}, Instance: &routing.Write{}},
	}
	if key.Binding != "" {
		changes = append(changes, routing.Change{Key: key, Instance: unfinished("never"), Binding: unfinished("never")})
	}
	for _, change := range changes {
		snapshot, swapped, err := store.Swap(t.Context(), change)
		check("Swap", snapshot, err)
		if swapped {
			t.Errorf("Swap(%q) was made", change.Key)
		}
	}
}

func (s *suite) identity(t *testing.T) {
	store := s.start(t)
	wantMarked(t, store, "a", false)
	mark(t, store, "a", false)
	wantMarked(t, store, "a", true)
	wantMarked(t, store, "b", false)
	mark(t, store, "b", false)
	wantMarked(t, store, "a", true)
	mark(t, store, "b", true)
	wantMarked(t, store, "a", false)
	wantMarked(t, store, "b", true)
	mark(t, store, "b", true)
	wantMarked(t, store, "b", true)

	// It is neither a record nor a document, nor unfinished.
	wantListing(t, store, 10, map[routing.Key]string{})
	wantUnfinished(t, store, 0, 10)
	for _, name := range []string{"store", "identity", "meta"} {
		wantDocument(t, store, name, routing.Document{})
		wantRead(t, store, routing.Key{Instance: routing.InstanceID(name), Binding: "b"}, nil, nil)
	}
}

func (s *suite) expectedIdentity(t *testing.T) {
	store := s.start(t)
	instance, binding := routing.Key{Instance: "i"}, routing.Key{Instance: "i", Binding: "b"}
	alone := routing.Key{Instance: "absent", Binding: "b"}
	swap(t, store, routing.Change{Key: binding, Instance: write("i1"), Binding: write("b1")})
	swap(t, store, routing.Change{Key: alone, Binding: write("b1")})
	absent := []routing.Key{{Instance: "other"}, {Instance: "other", Binding: "b"}, {Instance: "absent"}}

	// Each step leaves the store with another identity than the expected one, or with none.
	steps := []struct {
		name  string
		spoil func()
	}{
		{"it has none", func() { store.Expect("a") }},
		{"it has another", func() { mark(t, store, "b", false) }},
		{"another is expected", func() {
			store.Expect("b")
			wantRead(t, store, absent[0], nil, nil)
			store.Expect("A")
		}},
		{"it was exchanged", func() {
			store.Expect("b")
			wantRead(t, store, absent[1], nil, nil)
			mark(t, store, "c", true)
		}},
	}
	for _, step := range steps {
		step.spoil()
		for _, key := range absent {
			t.Logf("%s: %q", step.name, key)
			wantUnknown(t, store, key)
		}
		// What is there is there, an instance or a binding alone too, and can be written.
		held := wantRead(t, store, instance, []byte("i1"), nil)
		swap(t, store, routing.Change{Key: instance, Old: held, Instance: write("i1")})
		wantMismatch(t, store, routing.Change{Key: instance, Instance: write("x")}, []byte("i1"), nil)
		wantRead(t, store, binding, []byte("i1"), []byte("b1"))
		wantRead(t, store, routing.Key{Instance: "i", Binding: "other"}, []byte("i1"), nil)
		held = wantRead(t, store, alone, nil, []byte("b1"))
		swap(t, store, routing.Change{Key: alone, Old: held, Binding: write("b1")})
		wantListing(t, store, 10, map[routing.Key]string{instance: "i1", binding: "b1", alone: "b1"})
		wantUnfinished(t, store, 0, 10)
	}

	store.Expect("c")
	for _, key := range absent {
		wantRead(t, store, key, nil, nil)
	}
	swap(t, store, routing.Change{Key: absent[0], Instance: write("x")})

	// Any will do where none is expected.
	store.Expect("other than c")
	wantUnknown(t, store, routing.Key{Instance: "third"})
	store.Expect("")
	wantRead(t, store, routing.Key{Instance: "third"}, nil, nil)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "third"}, Instance: write("x")})
}
