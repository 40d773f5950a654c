package storetest

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func unfinished(data string) *routing.Write {
	return &routing.Write{Data: []byte(data), Unfinished: true}
}

func wantUnfinished(t *testing.T, store routing.Store, age time.Duration, limit int, want ...routing.Key) {
	t.Helper()
	keys, err := store.Unfinished(t.Context(), age, limit)
	if err != nil {
		t.Fatalf("Unfinished: %v", err)
	}
	if diff := cmp.Diff(want, keys, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the records that are unfinished for %s differ (-want +got):\n%s", age, diff)
	}
}

// tick has the store's clock go on by a millisecond at least, so that what comes next is later.
func (s *suite) tick(t *testing.T, store routing.Store) {
	t.Helper()
	before := read(t, store, routing.Key{Instance: "clock"}).Now
	eventually(t, "the clock moves", func(ctx context.Context) bool {
		s.pass(t, store, time.Millisecond)
		snapshot, err := store.Read(ctx, routing.Key{Instance: "clock"})
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Now.Sub(before) >= 2*time.Millisecond
	})
}

func (s *suite) unfinishedRecords(t *testing.T) {
	store := s.start(t)
	wantUnfinished(t, store, 0, 10)
	instance, binding := routing.Key{Instance: "i"}, routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: binding, Instance: unfinished("i1"), Binding: write("b1")})
	wantUnfinished(t, store, 0, 10, instance)

	s.tick(t, store)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Binding: unfinished("b2")})
	wantUnfinished(t, store, 0, 10, instance, binding)

	// Who was written last comes last.
	s.tick(t, store)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: unfinished("i3")})
	wantUnfinished(t, store, 0, 10, binding, instance)

	// A swap that is not made, or that only compares, changes nothing.
	s.tick(t, store)
	wantMismatch(t, store, routing.Change{Key: binding, Binding: write("x")}, []byte("i3"), []byte("b2"))
	swap(t, store, routing.Change{Key: binding, Old: held})
	wantUnfinished(t, store, 0, 10, binding, instance)

	// One that is finished vanishes, and so does an erased one.
	held = swap(t, store, routing.Change{Key: binding, Old: held, Binding: write("b4")})
	wantUnfinished(t, store, 0, 10, instance)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: &routing.Write{}, Binding: unfinished("b5")})
	wantUnfinished(t, store, 0, 10, binding)
	wantRead(t, store, binding, nil, []byte("b5"))
	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: write("i6"), Binding: &routing.Write{}})
	wantUnfinished(t, store, 0, 10)
	wantRead(t, store, binding, []byte("i6"), nil)

	// It comes back.
	swap(t, store, routing.Change{Key: binding, Old: held, Instance: unfinished("i7")})
	wantUnfinished(t, store, 0, 10, instance)
}

func (s *suite) unfinishedByAge(t *testing.T) {
	store := s.start(t)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "first"}, Instance: unfinished("x")})
	wantUnfinished(t, store, time.Hour, 10)
	if s.advance == nil {
		return // The store's clock cannot be moved, and nobody waits for an hour.
	}
	s.advance(t, store, time.Hour-time.Millisecond)
	wantUnfinished(t, store, time.Hour, 10)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "second"}, Instance: unfinished("x")})
	s.advance(t, store, time.Millisecond)
	wantUnfinished(t, store, time.Hour, 10, routing.Key{Instance: "first"})
	wantUnfinished(t, store, 0, 10, routing.Key{Instance: "first"}, routing.Key{Instance: "second"})
	wantUnfinished(t, store, time.Hour+time.Millisecond, 10)

	// A write begins the wait anew.
	first := routing.Key{Instance: "first"}
	swap(t, store, routing.Change{Key: first, Old: read(t, store, first), Instance: unfinished("y")})
	s.advance(t, store, time.Hour)
	wantUnfinished(t, store, time.Hour, 10, routing.Key{Instance: "second"}, first)
}

func (s *suite) unfinishedByLimit(t *testing.T) {
	store := s.start(t)
	const instances = 30
	var all []routing.Key
	for n := range instances {
		key := routing.Key{Instance: routing.InstanceID(strconv.Itoa(n)), Binding: "b"}
		swap(t, store, routing.Change{Key: key, Instance: write("x"), Binding: unfinished("x")})
		all = append(all, key)
		s.tick(t, store)
	}
	wantUnfinished(t, store, 0, instances, all...)
	wantUnfinished(t, store, 0, 10*instances, all...)
	wantUnfinished(t, store, 0, 0)
	keys, err := store.Unfinished(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, key := range keys {
		at := slices.Index(all, key)
		if at <= last {
			t.Errorf("%q is out of order, or none that was written: %q", key, keys)
		}
		last = at
	}
	if len(keys) != 10 {
		t.Errorf("got %d records, want 10", len(keys))
	}
}

func (s *suite) unfinishedOddIDs(t *testing.T) {
	store := s.start(t)
	want := make(map[routing.Key]bool)
	for _, id := range oddStrings() {
		key := routing.Key{Instance: routing.InstanceID(id), Binding: routing.BindingID(id)}
		if want[key] {
			continue
		}
		swap(t, store, routing.Change{Key: key, Instance: unfinished("x"), Binding: unfinished("x")})
		want[key] = true
		want[routing.Key{Instance: key.Instance}] = true
	}
	keys, err := store.Unfinished(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[routing.Key]bool)
	for _, key := range keys {
		got[key] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(keys) != len(want) {
		t.Errorf("%d keys, want %d; they differ (-want +got):\n%.4000s", len(keys), len(want), diff)
	}
}
