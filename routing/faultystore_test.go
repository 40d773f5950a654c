package routing_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var errInjected = errors.New("injected")

// fault is what goes wrong with a call of the store.
type fault int

const (
	none   fault = iota
	before       // nothing is done, and an error returned
	after        // it is done, and the answer is lost
)

// faultyStore counts the round trips to a store and has some of them fail.
type faultyStore struct {
	routing.Store

	mu sync.Mutex
	// fail tells what goes wrong with the next call; nil is nothing. It runs under the lock.
	fail func(operation string) fault
	// failMatching is what goes wrong with the next swap that finds what it expects.
	failMatching fault
	// delay is how long each call takes.
	delay time.Duration
	// reads and swaps count what was tried, writes the swaps that changed something.
	reads, swaps, writes int
	// beforeSend counts the writes that a call is sent on the strength of.
	beforeSend int
}

func newFaultyStore(options ...routing.MemoryOption) *faultyStore {
	return &faultyStore{Store: routing.NewMemoryStore(options...)}
}

func (s *faultyStore) fault(ctx context.Context, operation string, count *int) fault {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return before
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*count++
	if s.fail == nil {
		return none
	}
	return s.fail(operation)
}

func (s *faultyStore) Read(ctx context.Context, key routing.Key) (routing.Snapshot, error) {
	if s.fault(ctx, routing.StoreRead, &s.reads) != none {
		return routing.Snapshot{}, errors.Join(routing.ErrUnavailable, errInjected)
	}
	return s.Store.Read(ctx, key)
}

func (s *faultyStore) Swap(ctx context.Context, change routing.Change) (routing.Snapshot, bool, error) {
	fault := s.fault(ctx, routing.StoreSwap, &s.swaps)
	if held, err := s.Store.Read(ctx, change.Key); err == nil && change.Matches(held) {
		s.mu.Lock()
		fault = max(fault, s.failMatching)
		s.failMatching = none
		s.mu.Unlock()
	}
	if fault == before {
		return routing.Snapshot{}, false, errors.Join(routing.ErrUnavailable, errInjected)
	}
	snapshot, swapped, err := s.Store.Swap(ctx, change)
	if swapped {
		s.mu.Lock()
		s.writes++
		if change.BeforeSend {
			s.beforeSend++
		}
		s.mu.Unlock()
	}
	if fault == after {
		return routing.Snapshot{}, false, errors.Join(routing.ErrUnavailable, errInjected)
	}
	return snapshot, swapped, err
}

// failOnceItSwaps has the next swap go wrong that finds what it expects.
func (s *faultyStore) failOnceItSwaps(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failMatching = f
}

// failWith replaces what goes wrong from now on.
func (s *faultyStore) failWith(fail func(operation string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// always has every call of the store go wrong.
func always(f fault) func(string) fault { return func(string) fault { return f } }

// once has the next call of an operation go wrong.
func once(operation string, f fault) func(string) fault {
	done := false
	return func(called string) fault {
		if done || called != operation {
			return none
		}
		done = true
		return f
	}
}

// trips are the round trips since the last question.
func (s *faultyStore) trips() (reads, swaps int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads, swaps = s.reads, s.swaps
	s.reads, s.swaps = 0, 0
	return reads, swaps
}

func (s *faultyStore) wantTrips(t *testing.T, what string, reads, swaps int) {
	t.Helper()
	if r, w := s.trips(); r != reads || w != swaps {
		t.Errorf("%s costs %d reads and %d swaps, want %d and %d", what, r, w, reads, swaps)
	}
}

// held reads the records of a key, past all faults.
func (s *faultyStore) held(t *testing.T, key routing.Key) routing.Records {
	t.Helper()
	snapshot, err := s.Store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return both(decodeRecord(t, snapshot.Instance), decodeRecord(t, snapshot.Binding))
}

// put writes a record as another gateway would.
func (s *faultyStore) put(t *testing.T, data string) {
	t.Helper()
	snapshot, err := s.Store.Read(t.Context(), onInstance)
	if err != nil {
		t.Fatal(err)
	}
	_, swapped, err := s.Store.Swap(t.Context(), routing.Change{
		Key: onInstance, Old: snapshot, Instance: &routing.Write{Data: []byte(data)},
	})
	if err != nil || !swapped {
		t.Fatalf("put: %t, %v", swapped, err)
	}
}
