package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Events is a routing.Listener that keeps what it hears, for tests.
type Events struct {
	mu      sync.Mutex
	ready   bool
	readies int
	losses  []error
	changed []routing.Key
	// documents are those that were written, and the versions, in the order in which they were told of.
	documents map[string][]uint64
	inside    atomic.Bool
	overlap   atomic.Bool
}

// one checks that the methods are called one at a time.
func (e *Events) one() func() {
	if e.inside.Swap(true) {
		e.overlap.Store(true)
	}
	e.mu.Lock()
	return func() {
		e.mu.Unlock()
		e.inside.Store(false)
	}
}

// Ready implements routing.Listener.
func (e *Events) Ready() {
	defer e.one()()
	e.ready = true
	e.readies++
}

// Changed implements routing.Listener.
func (e *Events) Changed(key routing.Key) {
	defer e.one()()
	e.changed = append(e.changed, key)
}

// DocumentChanged implements routing.Listener.
func (e *Events) DocumentChanged(name string, version uint64) {
	defer e.one()()
	if e.documents == nil {
		e.documents = make(map[string][]uint64)
	}
	e.documents[name] = append(e.documents[name], version)
}

// Lost implements routing.Listener.
func (e *Events) Lost(err error) {
	defer e.one()()
	e.ready = false
	e.losses = append(e.losses, err)
}

// IsReady tells whether the store tells of changes now, and how often it began to.
func (e *Events) IsReady() (ready bool, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ready, e.readies
}

// Losses returns the errors of Lost.
func (e *Events) Losses() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.losses)
}

// Changes returns the keys that changed so far.
func (e *Events) Changes() []routing.Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.changed)
}

// Documents returns the versions of a document that were told of so far.
func (e *Events) Documents(name string) []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.documents[name])
}

// Watch has a listener watch the store until the test ends.
func Watch(t *testing.T, store routing.Watcher) *Events {
	t.Helper()
	events := &Events{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		store.Watch(ctx, events)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if events.overlap.Load() {
			t.Error("the methods of the listener were called at the same time")
		}
	})
	return events
}

// awaitReady waits until the store tells of changes.
func awaitReady(t *testing.T, events *Events) {
	t.Helper()
	eventually(t, "the store tells of changes", func(context.Context) bool {
		ready, _ := events.IsReady()
		return ready
	})
}

func (s *suite) watcher(t *testing.T) {
	store := s.start(t)
	watcher, ok := store.(routing.Watcher)
	if !ok {
		return // It does not tell of changes.
	}
	// A change that was made before may still be told of.
	earlier := routing.Key{Instance: "earlier"}
	swap(t, store, routing.Change{Key: earlier, Instance: write("x")})
	first, second := Watch(t, watcher), Watch(t, watcher)
	awaitReady(t, first)
	awaitReady(t, second)
	heard := 0
	want := func(what string, keys ...routing.Key) {
		t.Helper()
		for _, events := range []*Events{first, second} {
			changes := func() []routing.Key {
				return slices.DeleteFunc(events.Changes(), func(key routing.Key) bool { return key == earlier })
			}
			eventually(t, what, func(context.Context) bool { return len(changes()) >= heard+len(keys) })
			// Of one change no order is promised.
			got := changes()[heard:]
			slices.SortFunc(got, func(a, b routing.Key) int { return cmp.Compare(a.Binding, b.Binding) })
			if diff := gocmp.Diff(keys, got); diff != "" {
				t.Fatalf("%s: what changed differs (-want +got):\n%s", what, diff)
			}
		}
		heard += len(keys)
	}
	instance, binding := routing.Key{Instance: "i"}, routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: instance, Instance: write("i1")})
	want("an instance", instance)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Binding: write("b1")})
	want("a binding", binding)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: write("i2")})
	want("an instance by the key of a binding", instance)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: write("i3"), Binding: write("b3")})
	want("both", instance, binding)
	held = swap(t, store, routing.Change{Key: binding, Old: held, Binding: &routing.Write{}})
	want("an erased binding", binding)
	held = swap(t, store, routing.Change{
		Key: binding, Old: held, Instance: &routing.Write{Data: []byte("i4"), Unfinished: true, TTL: 1 << 40},
	})
	want("an instance with an end", instance)

	// Nothing is told of what changed nothing: the next that is heard of is a change.
	wantMismatch(t, store, routing.Change{Key: binding, Instance: write("x"), Binding: write("x")}, []byte("i4"), nil)
	swap(t, store, routing.Change{Key: binding, Old: held})
	swapDocument(t, store, "d", 0, []byte("x"))
	read(t, store, binding)
	store.Expect("another")
	wantUnknown(t, store, routing.Key{Instance: "unknown"})
	store.Expect("")
	swap(t, store, routing.Change{Key: instance, Old: held, Instance: &routing.Write{}})
	want("an erased instance", instance)

	for _, id := range oddStrings() {
		key := routing.Key{Instance: routing.InstanceID(id), Binding: routing.BindingID(id)}
		swap(t, store, routing.Change{
			Key: key, Old: read(t, store, key), Instance: write(id), Binding: write(id),
		})
		want(fmt.Sprintf("%.80q", id), routing.Key{Instance: key.Instance}, key)
	}
	for _, events := range []*Events{first, second} {
		if _, times := events.IsReady(); times != 1 || len(events.Losses()) != 0 {
			t.Errorf("it was ready %d times and lost with %v, want once and never", times, events.Losses())
		}
	}
}

// watchedRace has many write while one watches: each write is told of once.
func (s *suite) watchedRace(t *testing.T) {
	store := s.start(t)
	watcher, ok := store.(routing.Watcher)
	if !ok {
		return // It does not tell of changes.
	}
	events := Watch(t, watcher)
	awaitReady(t, events)
	const each = 50
	race(func(racer int) {
		key := routing.Key{Instance: routing.InstanceID(strconv.Itoa(racer))}
		held := routing.Snapshot{}
		var err error
		for n := 0; n < each && err == nil; n++ {
			held, _, err = store.Swap(t.Context(), routing.Change{Key: key, Old: held, Instance: write(strconv.Itoa(n))})
		}
		if err != nil {
			t.Error(err)
		}
	})
	eventually(t, "all changes are told of", func(context.Context) bool { return len(events.Changes()) >= racers*each })
	count := make(map[routing.Key]int)
	for _, key := range events.Changes() {
		count[key]++
	}
	for racer := range racers {
		if got := count[routing.Key{Instance: routing.InstanceID(strconv.Itoa(racer))}]; got != each {
			t.Errorf("racer %d is told of %d times, want %d", racer, got, each)
		}
	}
}

// watchEnds ends the watch, and then the store, under a listener.
func (s *suite) watchEnds(t *testing.T) {
	store := s.start(t)
	watcher, ok := store.(routing.Watcher)
	if !ok {
		return // It does not tell of changes.
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	events := &Events{}
	go func() {
		defer close(ended)
		watcher.Watch(ctx, events)
	}()
	awaitReady(t, events)
	cancel()
	<-ended
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	if changes := events.Changes(); len(changes) != 0 {
		t.Errorf("a watch that ended tells of %q", changes)
	}

	watcher.Watch(ctx, &Events{}) // It is over at once.

	stays := Watch(t, watcher)
	awaitReady(t, stays)
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "a closed store says that it tells of nothing", func(context.Context) bool {
		ready, _ := stays.IsReady()
		return !ready
	})
	for _, err := range stays.Losses() {
		if !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("got %v, want an error that matches ErrUnavailable", err)
		}
	}
}
