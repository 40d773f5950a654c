package routing_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var errCut = errors.New("the messages do not come any more")

// replicaStore is one gateway's view of a store that others use too. It counts round trips, and what the store tells of
// changes waits until the test delivers it.
type replicaStore struct {
	*faultyStore
	shared *routing.MemoryStore
	// afterRead runs between a read and its return.
	afterRead func()

	mu       sync.Mutex
	listener routing.Listener
	waiting  []routing.Key
	ready    chan struct{}
}

func newReplicaStore(shared *routing.MemoryStore) *replicaStore {
	return &replicaStore{faultyStore: &faultyStore{Store: shared}, shared: shared, ready: make(chan struct{})}
}

func (s *replicaStore) Read(ctx context.Context, key routing.Key) (routing.Snapshot, error) {
	snapshot, err := s.faultyStore.Read(ctx, key)
	if s.afterRead != nil {
		s.afterRead()
	}
	return snapshot, err
}

// Watch implements routing.Watcher.
func (s *replicaStore) Watch(ctx context.Context, listener routing.Listener) {
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	s.shared.Watch(ctx, replicaListener{s})
}

// Close leaves the store to the others.
func (s *replicaStore) Close() error { return nil }

// replicaListener holds messages back.
type replicaListener struct{ *replicaStore }

func (l replicaListener) Ready() {
	l.listener.Ready()
	close(l.ready)
}

func (l replicaListener) Changed(key routing.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, key)
}

func (l replicaListener) DocumentChanged(name string, version uint64) {
	l.listener.DocumentChanged(name, version)
}

func (l replicaListener) Lost(err error) { l.listener.Lost(err) }

// deliver hands on up to count of the messages that wait, the oldest first, and returns how many there were.
func (s *replicaStore) deliver(count int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count = min(count, len(s.waiting))
	for _, key := range s.waiting[:count] {
		s.listener.Changed(key)
	}
	s.waiting = s.waiting[count:]
	return count
}

// cut loses the messages that wait, and says so.
func (s *replicaStore) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
	s.listener.Lost(errCut)
}

// replica is a gateway on a store.
type replica struct {
	*routing.Ledger
	store *replicaStore
}

// newReplicas returns gateways with caches on one store.
func newReplicas(t *testing.T, count int, options ...routing.MemoryOption) []replica {
	t.Helper()
	shared := routing.NewMemoryStore(options...)
	replicas := make([]replica, count)
	for i := range replicas {
		replicas[i] = newReplica(t, shared, routing.LedgerOptions{})
	}
	return replicas
}

func newReplica(t *testing.T, shared *routing.MemoryStore, options routing.LedgerOptions) replica {
	t.Helper()
	store := newReplicaStore(shared)
	r := replica{routing.NewLedger(store, options), store}
	r.Watch()
	<-store.ready
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return r
}

// settled has an instance and its binding made and everything told of.
func (r replica) settled(t *testing.T) {
	t.Helper()
	closeEntry(t, r.Ledger, begin(t, r.Ledger, createOnInstance()), outcomeDone)
	closeEntry(t, r.Ledger, begin(t, r.Ledger, bind(named("t-bind"))), outcomeDone)
	r.store.deliver(100)
	r.store.trips()
}

// fetch begins a GET and says whether the store was asked.
func (r replica) fetch(t *testing.T, key routing.Key) (entry *routing.Entry, asked bool) {
	t.Helper()
	r.store.trips()
	entry = begin(t, r.Ledger, newCall(routing.KindFetch, key))
	reads, swaps := r.store.trips()
	if swaps != 0 || reads > 1 || entry.Cached != (reads == 0) {
		t.Errorf("a GET costs %d reads and %d swaps, and its entry says cached: %t", reads, swaps, entry.Cached)
	}
	return entry, reads != 0
}

// wantFetch checks whether a GET asks the store.
func (r replica) wantFetch(t *testing.T, what string, key routing.Key, asks bool) *routing.Entry {
	t.Helper()
	entry, asked := r.fetch(t, key)
	if asked != asks {
		t.Errorf("%s asks the store: got %t, want %t", what, asked, asks)
	}
	return entry
}
