package filestore_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// stoppableClock stops the writer, which asks it for the time, from the moment that it is told to.
type stoppableClock struct {
	mu      sync.Mutex
	gate    chan struct{}
	reached chan struct{}
}

func (c *stoppableClock) Now() time.Time {
	c.mu.Lock()
	gate, reached := c.gate, c.reached
	c.reached = nil
	c.mu.Unlock()
	if gate != nil {
		if reached != nil {
			close(reached)
		}
		<-gate
	}
	return time.Now()
}

// Stop stops the clock. The first channel is closed when somebody waits for the time; closing the second starts it
// again.
func (c *stoppableClock) Stop() (reached <-chan struct{}, gate chan<- struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate, c.reached = make(chan struct{}), make(chan struct{})
	return c.reached, c.gate
}

// A caller whose context ends does not wait for the disk. What it asked for may happen, or not when it was not begun.
func TestContextEndsDuringAWrite(t *testing.T) {
	t.Parallel()
	clock := &stoppableClock{}
	store := open(t, newPath(t), filestore.Clock(clock.Now))
	reached, gate := clock.Stop()

	failed := make(chan error)
	swapUnder := func(ctx context.Context, id routing.InstanceID) {
		change := routing.Change{Key: routing.Key{Instance: id}, Instance: write("x"), Old: routing.Snapshot{}}
		_, swapped, err := store.Swap(ctx, change)
		if swapped {
			t.Error("the change is reported as made")
		}
		// The caller's memory is its own again, though the writer may be at work.
		change.Instance.Data[0] = 'y'
		failed <- err
	}
	begun, endBegun := context.WithCancel(t.Context())
	go swapUnder(begun, "begun")
	<-reached
	waiting, endWaiting := context.WithCancel(t.Context())
	go swapUnder(waiting, "waiting")
	endWaiting()
	wantCancelled(t, <-failed)
	endBegun()
	wantCancelled(t, <-failed)

	close(gate)
	// The next write comes after the one that was begun.
	swap(t, store, routing.Change{Key: routing.Key{Instance: "next"}, Instance: write("x")})
	wantInstance(t, store, "begun", "x")
	wantInstance(t, store, "waiting", "")
}

func wantCancelled(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, routing.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an error that matches ErrUnavailable and context.Canceled", err)
	}
}

// Writes that wait for the disk together share a transaction, and those that change nothing need none.
func TestWritesShareTransactions(t *testing.T) {
	t.Parallel()
	clock := &stoppableClock{}
	store := open(t, newPath(t), filestore.Clock(clock.Now))
	before := store.Transactions()
	reached, gate := clock.Stop()
	const together = 50
	var callers sync.WaitGroup
	begin := func(n int) {
		callers.Go(func() {
			if _, swapped, err := store.Swap(t.Context(), routing.Change{
				Key: routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))}, Instance: write("x"),
			}); err != nil || !swapped {
				t.Errorf("Swap: %t, %v", swapped, err)
			}
		})
	}
	begin(0)
	<-reached
	for n := range together {
		begin(1 + n)
	}
	close(gate)
	callers.Wait()
	if used := store.Transactions() - before; used > together {
		t.Errorf("%d writes used %d transactions, want some to share one", together+1, used)
	}

	before = store.Transactions()
	for range 10 {
		_, swapped, err := store.Swap(t.Context(), routing.Change{Key: routing.Key{Instance: "1"}, Instance: write("y")})
		if swapped || err != nil {
			t.Fatalf("Swap: %t, %v, want a mismatch", swapped, err)
		}
	}
	if used := store.Transactions() - before; used != 0 {
		t.Errorf("10 mismatches used %d transactions, want none", used)
	}
}

// That a write is on disk shows only when the machine goes down. So at least nobody shall switch it off unnoticed.
func TestWritesAreFlushed(t *testing.T) {
	t.Parallel()
	if store := open(t, newPath(t)); !store.Flushes() {
		t.Error("writes are not flushed")
	}
}

// Calls that wait for the writer when the store is closed all end: made, or with the error of a closed store.
func TestCloseWhileWritesWait(t *testing.T) {
	t.Parallel()
	for range 20 {
		clock := &stoppableClock{}
		path := newPath(t)
		store := filestore.New(path, filestore.Clock(clock.Now))
		if err := store.Open(); err != nil {
			t.Fatal(err)
		}
		reached, gate := clock.Stop()
		var callers sync.WaitGroup
		var mu sync.Mutex
		var made []routing.InstanceID
		for n := range 8 {
			callers.Go(func() {
				id := routing.InstanceID(strconv.Itoa(n))
				_, swapped, err := store.Swap(t.Context(), routing.Change{
					Key: routing.Key{Instance: id}, Instance: write("x"),
				})
				switch {
				case err == nil && swapped:
					mu.Lock()
					made = append(made, id)
					mu.Unlock()
				case !errors.Is(err, routing.ErrUnavailable):
					t.Errorf("Swap: got %t, %v, want an error that matches ErrUnavailable", swapped, err)
				}
			})
		}
		<-reached
		closed := make(chan error)
		go func() { closed <- store.Close() }()
		for errored := false; !errored; {
			// A document is read without the clock.
			_, err := store.ReadDocument(t.Context(), "d")
			errored = err != nil
		}
		close(gate)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		callers.Wait()
		reopened := open(t, path)
		for _, id := range made {
			wantInstance(t, reopened, id, "x")
		}
		closeStore(t, reopened)
	}
}

func TestIDsThatAreTooLong(t *testing.T) {
	t.Parallel()
	store := open(t, newPath(t))
	long := strings.Repeat("x", 1<<16)
	keys := []routing.Key{
		{Instance: routing.InstanceID(long)},
		{Instance: "i", Binding: routing.BindingID(long)},
		{Instance: routing.InstanceID(long[:1<<14]), Binding: routing.BindingID(long[:1<<14])},
	}
	for _, key := range keys {
		if _, err := store.Read(t.Context(), key); !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("Read: got %v, want an error that matches ErrUnavailable", err)
		}
		_, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
		if !errors.Is(err, routing.ErrUnavailable) || swapped {
			t.Errorf("Swap: got %t, %v, want an error that matches ErrUnavailable", swapped, err)
		}
	}
	if _, err := store.ReadDocument(t.Context(), long); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("ReadDocument: got %v, want an error that matches ErrUnavailable", err)
	}
	_, swapped, err := store.SwapDocument(t.Context(), long, 0, nil)
	if !errors.Is(err, routing.ErrUnavailable) || swapped {
		t.Errorf("SwapDocument: got %t, %v, want an error that matches ErrUnavailable", swapped, err)
	}
	// The writer is as well as before.
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
}
