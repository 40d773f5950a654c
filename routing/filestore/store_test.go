package filestore_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// testClock is a clock that tests move. It stands on a whole millisecond, as expiries do.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock { return &testClock{now: time.Now().Truncate(time.Millisecond)} }

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// clockedStore is a store that knows its clock.
type clockedStore struct {
	*filestore.Store
	clock *testClock
}

func newPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ownership.db")
}

// open opens a store, closed with the test.
func open(t testing.TB, path string, options ...filestore.Option) *filestore.Store {
	t.Helper()
	store := filestore.New(path, options...)
	if err := store.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, store) })
	return store
}

func closeStore(t testing.TB, store *filestore.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Errorf("closing the store: %v", err)
	}
}

func write(data string) *routing.Write { return &routing.Write{Data: []byte(data)} }

func swap(t testing.TB, store routing.Store, change routing.Change) routing.Snapshot {
	t.Helper()
	snapshot, swapped, err := store.Swap(t.Context(), change)
	if err != nil || !swapped {
		t.Fatalf("Swap(%.80q): got %q, %t, %v, want it to be made", change.Key, snapshot, swapped, err)
	}
	return snapshot
}

func wantInstance(t testing.TB, store routing.Store, id routing.InstanceID, want string) {
	t.Helper()
	snapshot, err := store.Read(t.Context(), routing.Key{Instance: id})
	if err != nil || string(snapshot.Instance) != want {
		t.Errorf("Read(%.80q): got %q, %v, want %q", id, snapshot.Instance, err, want)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) routing.Store {
		clock := newTestClock()
		return clockedStore{open(t, newPath(t), filestore.Clock(clock.Now)), clock}
	}, storetest.Advance(func(_ *testing.T, store routing.Store, by time.Duration) {
		store.(clockedStore).clock.Advance(by)
	}))
}

func TestObserver(t *testing.T) {
	t.Parallel()
	storetest.RunObserver(t, func(t *testing.T, observe routing.Observer) routing.Store {
		return open(t, newPath(t), filestore.Observe(observe))
	})
}

func TestCosts(t *testing.T) {
	t.Parallel()
	opened := func(t *testing.T, observe routing.Observer) routing.Store {
		t.Helper()
		return open(t, newPath(t), filestore.Observe(observe))
	}
	storetest.RunCosts(t, opened)
	storetest.RunColdCosts(t, opened)
}

func TestContentOutlivesTheStore(t *testing.T) {
	t.Parallel()
	path, key := newPath(t), routing.Key{Instance: "i", Binding: "b"}
	clock := newTestClock()
	held := routing.Snapshot{}
	for range 3 {
		store := open(t, path, filestore.Clock(clock.Now))
		snapshot, err := store.Read(t.Context(), key)
		if err != nil || string(snapshot.Instance) != string(held.Instance) {
			t.Fatalf("got %q, %v, want %q", snapshot, err, held)
		}
		held = swap(t, store, routing.Change{
			Key: key, Old: snapshot,
			Instance: write("i at " + clock.Now().String()), Binding: &routing.Write{Data: []byte("b"), TTL: time.Hour},
		})
		document, err := store.ReadDocument(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if _, swapped, err := store.SwapDocument(t.Context(), "d", document.Version, []byte("x")); err != nil || !swapped {
			t.Fatalf("SwapDocument: %t, %v", swapped, err)
		}
		closeStore(t, store)
		clock.Advance(time.Minute)
	}
	clock.Advance(time.Hour)
	store := open(t, path, filestore.Clock(clock.Now))
	snapshot, err := store.Read(t.Context(), key)
	if err != nil || string(snapshot.Instance) != string(held.Instance) || snapshot.Binding != nil {
		t.Errorf("got %q, %v, want the instance alone: the time of the binding is over", snapshot, err)
	}
	if document, err := store.ReadDocument(t.Context(), "d"); err != nil || document.Version != 3 {
		t.Errorf("got version %d, %v, want 3", document.Version, err)
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) routing.Store { return open(b, newPath(b)) })
}
