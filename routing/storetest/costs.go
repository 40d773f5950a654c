package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// RunCosts checks how many round trips to a store calls cost whose records are cached, and not. The store must be a
// routing.Watcher.
func RunCosts(t *testing.T, open func(t *testing.T, observe routing.Observer) routing.Store) {
	t.Helper()
	l := newCostLedger(t, open)
	// The store's clock is known after any call.
	l.costs(t, "a GET of an unknown instance", costCall{kind: routing.KindFetch, begin: 1})

	l.costs(t, "a create", costCall{
		kind: routing.KindCreate, outcome: routing.Outcome{Class: routing.ClassAccepted, Delivered: true}, begin: 1, close: 1,
	})
	l.costs(t, "a poll, not cached", costCall{kind: routing.KindPoll, begin: 1})
	l.costs(t, "a poll, cached", costCall{kind: routing.KindPoll})
	l.costs(t, "a poll that settles, cached", costCall{
		kind: routing.KindPoll, outcome: routing.Outcome{Class: routing.ClassSucceeded, Delivered: true}, close: 1,
	})
	l.costs(t, "a GET, not cached", costCall{kind: routing.KindFetch, begin: 1})
	l.costs(t, "a GET, cached", costCall{kind: routing.KindFetch})
	l.costs(t, "a GET that fails, cached", costCall{kind: routing.KindFetch, outcome: routing.Outcome{Failed: true}, close: 1})
	l.costs(t, "an update", costCall{kind: routing.KindUpdate, outcome: done, begin: 1, close: 1})
	l.costs(t, "a repeated create, guessed", costCall{kind: routing.KindCreate, outcome: done, begin: 1, close: 1})
	l.costs(t, "a bind, guessed", costCall{kind: routing.KindCreate, binding: "b1", outcome: done, begin: 1, close: 1})
	l.costs(t, "a bind after a bind", costCall{kind: routing.KindCreate, binding: "b2", outcome: done, begin: 1, close: 1})
	l.costs(t, "a GET of a binding, not cached", costCall{kind: routing.KindFetch, binding: "b2", begin: 1})
	l.costs(t, "a GET of a binding, cached", costCall{kind: routing.KindFetch, binding: "b2"})
	l.costs(t, "a poll of a binding, cached", costCall{kind: routing.KindPoll, binding: "b2"})
	l.costs(t, "an unbind, cached", costCall{kind: routing.KindDelete, binding: "b2", outcome: done, begin: 1, close: 1})
	l.costs(t, "an unbind, guessed", costCall{kind: routing.KindDelete, binding: "b1", outcome: done, begin: 1, close: 1})
	l.costs(t, "a GET before the delete", costCall{kind: routing.KindFetch, begin: 1})
	l.costs(t, "a delete, cached", costCall{kind: routing.KindDelete, outcome: done, begin: 1, close: 1})
	l.costs(t, "a create of what is gone", costCall{kind: routing.KindCreate, outcome: done, begin: 2, close: 1})
	l.costs(t, "a delete, guessed", costCall{kind: routing.KindDelete, outcome: done, begin: 1, close: 1})
}

// RunColdCosts checks how many round trips calls cost in a gateway that never saw their records.
func RunColdCosts(t *testing.T, open func(t *testing.T, observe routing.Observer) routing.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		call costCall
	}{
		{"a repeated create", costCall{kind: routing.KindCreate, outcome: done, begin: 2, close: 1}},
		{"an update", costCall{kind: routing.KindUpdate, outcome: done, begin: 1, close: 1}},
		{"a delete", costCall{kind: routing.KindDelete, outcome: done, begin: 2, close: 1}},
		{"a bind", costCall{kind: routing.KindCreate, binding: "b2", outcome: done, begin: 2, close: 1}},
		{"an unbind", costCall{kind: routing.KindDelete, binding: "b1", outcome: done, begin: 2, close: 1}},
	} {
		l := newCostLedger(t, open)
		l.costs(t, "a GET of an unknown instance", costCall{kind: routing.KindFetch, begin: 1})
		l.costs(t, "a create", costCall{kind: routing.KindCreate, outcome: done, begin: 1, close: 1})
		l.costs(t, "a bind", costCall{kind: routing.KindCreate, binding: "b1", outcome: done, begin: 1, close: 1})
		l.forget(t)
		l.costs(t, c.name+", cold", c.call)
	}
}

var done = routing.Outcome{Class: routing.ClassDone, Delivered: true}

// costCall is a call and what it costs, in round trips.
type costCall struct {
	kind    routing.Kind
	binding routing.BindingID
	// outcome is how it ends; the zero one says nothing.
	outcome      routing.Outcome
	begin, close int
}

// costLedger is a ledger whose store counts round trips, and what it tells of changes.
type costLedger struct {
	*routing.Ledger
	counted *countedStore
	calls   int
}

func newCostLedger(t *testing.T, open func(t *testing.T, observe routing.Observer) routing.Store) *costLedger {
	t.Helper()
	counted := new(countedStore)
	counted.Store = open(t, func(ctx context.Context, operation string) (context.Context, func(error)) {
		counted.mu.Lock()
		defer counted.mu.Unlock()
		if operation != routing.StoreRead && operation != routing.StoreSwap {
			t.Errorf("a call costs the round trip %q", operation)
		}
		counted.trips++
		return ctx, func(error) {}
	})
	l := &costLedger{Ledger: routing.NewLedger(counted, routing.LedgerOptions{}), counted: counted}
	t.Cleanup(func() {
		if err := l.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	l.Watch()
	eventually(t, "the store tells of changes", func(context.Context) bool { return l.CacheStatus().Ready })
	return l
}

// forget has the cache forget everything, as when the store could not tell of changes for a while.
func (l *costLedger) forget(t *testing.T) {
	t.Helper()
	l.counted.mu.Lock()
	listener := l.counted.listener
	l.counted.mu.Unlock()
	listener.Lost(context.DeadlineExceeded)
	listener.Ready()
	if got := l.CacheStatus().Entries; got != 0 {
		t.Fatalf("the cache holds %d records after changes may have been missed, want none", got)
	}
}

// costs makes a call and checks what it costs. Then it waits until the store has told of what the call changed.
func (l *costLedger) costs(t *testing.T, what string, c costCall) {
	t.Helper()
	l.calls++
	token := string(rune('a' + l.calls))
	entry, err := l.Begin(t.Context(), &routing.Call{
		Token: token, Life: "life-" + token, Kind: c.kind, Key: routing.Key{Instance: "i", Binding: c.binding}, Platform: "p",
		Service: "s", Plan: "n", Hint: routing.Hint{Backend: "a"}, Offer: routing.Offer{Backend: "a"},
	}, costConfig{})
	if err != nil || entry.Decision.Refusal != routing.RefusalNone {
		t.Fatalf("%s: Begin: %+v, %v", what, entry, err)
	}
	if got := l.counted.take(); got != c.begin {
		t.Errorf("the begin of %s costs %d round trips, want %d", what, got, c.begin)
	}
	if entry.Cached != (c.begin == 0) {
		t.Errorf("%s is said to be decided by a cached record: %t", what, entry.Cached)
	}
	if c.outcome.Class == "" {
		c.outcome.Class = routing.ClassOther
	}
	if verdict, err := l.Close(t.Context(), entry, c.outcome); err != nil || verdict != routing.VerdictRelay {
		t.Fatalf("%s: Close: %q, %v", what, verdict, err)
	}
	if got := l.counted.take(); got != c.close {
		t.Errorf("the close of %s costs %d round trips, want %d", what, got, c.close)
	}
	eventually(t, "the store has told of "+what, func(context.Context) bool { return l.counted.toldAll() })
}

// countedStore counts round trips, records that were written and messages of such.
type countedStore struct {
	routing.Store

	mu                   sync.Mutex
	trips, written, told int
	listener             routing.Listener
}

// Swap implements routing.Store.
func (s *countedStore) Swap(ctx context.Context, change routing.Change) (routing.Snapshot, bool, error) {
	snapshot, swapped, err := s.Store.Swap(ctx, change)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, write := range []*routing.Write{change.Instance, change.Binding} {
		if swapped && write != nil {
			s.written++
		}
	}
	return snapshot, swapped, err
}

// Watch implements routing.Watcher.
func (s *countedStore) Watch(ctx context.Context, listener routing.Listener) {
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	s.Store.(routing.Watcher).Watch(ctx, countedListener{listener, s})
}

// take returns the round trips since it was called last.
func (s *countedStore) take() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	trips := s.trips
	s.trips = 0
	return trips
}

func (s *countedStore) toldAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told == s.written
}

type countedListener struct {
	routing.Listener
	store *countedStore
}

// Changed implements routing.Listener.
func (l countedListener) Changed(key routing.Key) {
	l.Listener.Changed(key)
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.store.told++
}

// costConfig knows one backend and one platform.
type costConfig struct{}

func (costConfig) Window(backend routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: time.Minute, Settle: time.Minute}, backend == "a"
}

func (costConfig) Platform(platform routing.PlatformID) (routing.PlatformID, bool) {
	return platform, platform == "p"
}

func (costConfig) Suspect(routing.BackendID) bool { return false }
