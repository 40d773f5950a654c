package routing_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// queueTest is a ledger some of whose outcomes wait.
type queueTest struct {
	store          *faultyStore
	left           *leftStore
	ledger         *routing.Ledger
	retries, drops atomic.Int64
}

// newQueueTest begins creates of ids 0, 1, ... and notes their outcomes while the store does not answer.
func newQueueTest(t *testing.T, capacity, outcomes int) *queueTest {
	t.Helper()
	q := &queueTest{store: newFaultyStore()}
	q.left = &leftStore{Store: q.store.Store}
	q.store.Store = q.left
	q.ledger = routing.NewLedger(q.store, routing.LedgerOptions{
		QueueCapacity: capacity, OnRetry: func() { q.retries.Add(1) }, OnDrop: func() { q.drops.Add(1) },
	})
	entries := make([]*routing.Entry, outcomes)
	for i := range entries {
		entries[i] = begin(t, q.ledger, createOnInstance(named(fmt.Sprint(i)), func(c *routing.Call) {
			c.Key = nth(i)
		}))
	}
	q.store.failWith(always(before))
	for _, entry := range entries {
		if _, err := q.ledger.Close(t.Context(), entry, outcomeDone); !errors.Is(err, routing.ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
	}
	return q
}

func nth(i int) routing.Key { return routing.Key{Instance: routing.InstanceID(fmt.Sprint(i))} }

// written tells which of the outcomes the store has.
func (q *queueTest) written(t *testing.T, outcomes int) []bool {
	t.Helper()
	written := make([]bool, outcomes)
	for i := range written {
		written[i] = q.store.held(t, nth(i)).Instance.State == routing.Ready
	}
	return written
}

func (q *queueTest) wantPending(t *testing.T, want int) {
	t.Helper()
	if got := q.ledger.Pending(); got != want {
		t.Errorf("%d outcomes wait, want %d", got, want)
	}
}

// TestQueueRetries: what waits is tried again, ever more rarely, until it is written.
func TestQueueRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t, 0, 3)
		pass(time.Hour)
		synctest.Wait()
		q.wantPending(t, 3)
		if retries := q.retries.Load(); retries < 3*200 || retries > 3*1000 {
			t.Errorf("tried %d times in an hour, want each every few seconds", retries)
		}
		q.store.failWith(nil)
		pass(aWhile)
		synctest.Wait()
		q.wantPending(t, 0)
		for i, written := range q.written(t, 3) {
			if !written {
				t.Errorf("outcome %d is not written", i)
			}
		}
		if drops := q.drops.Load(); drops != 0 {
			t.Errorf("%d outcomes were dropped", drops)
		}
		// The worker ended, and another one takes up what comes later.
		late := begin(t, q.ledger, createOnInstance(named("late"), func(c *routing.Call) { c.Key = nth(7) }))
		q.store.failWith(once(routing.StoreSwap, before))
		if _, err := q.ledger.Close(t.Context(), late, outcomeDone); err == nil {
			t.Fatal("the close did not fail")
		}
		pass(aWhile)
		synctest.Wait()
		q.wantPending(t, 0)
	})
}

// TestQueueBound: above its capacity the oldest outcome is dropped, and counted.
func TestQueueBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t, 2, 5)
		q.wantPending(t, 2)
		if drops := q.drops.Load(); drops != 3 {
			t.Errorf("%d outcomes were dropped, want 3", drops)
		}
		q.store.failWith(nil)
		pass(aWhile)
		synctest.Wait()
		q.wantPending(t, 0)
		for i, written := range q.written(t, 5) {
			if want := i >= 3; written != want {
				t.Errorf("outcome %d: written %t, want %t", i, written, want)
			}
		}
	})
}

// TestQueueStuckOutcome: an outcome whose own record cannot be written does not hold up the others.
func TestQueueStuckOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outcomes, stuck = 100, 60
		q := newQueueTest(t, 0, outcomes)
		for i := range stuck {
			snapshot, err := q.store.Store.Read(t.Context(), nth(i))
			if err != nil {
				t.Fatal(err)
			}
			_, swapped, err := q.store.Store.Swap(t.Context(), routing.Change{
				Key: nth(i), Old: snapshot, Instance: &routing.Write{Data: []byte(`{"v":2}`)},
			})
			if err != nil || !swapped {
				t.Fatalf("%t, %v", swapped, err)
			}
		}
		q.store.failWith(nil)
		pass(aWhile)
		synctest.Wait()
		q.wantPending(t, stuck)
		for i := stuck; i < outcomes; i++ {
			if q.store.held(t, nth(i)).Instance.State != routing.Ready {
				t.Errorf("outcome %d is not written", i)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.ledger.Shutdown(ctx); !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("shutdown: got %v, want an error about what is left", err)
		}
	})
}

// TestShutdown: what waits is written at the end, in bounded time.
func TestShutdown(t *testing.T) {
	t.Parallel()
	const bound = 5 * time.Second
	for _, row := range []struct {
		name string
		// store prepares the store for the end.
		store func(*queueTest)
		// late: the worker has begun to write when the end comes.
		late    bool
		written int
	}{
		{name: "the store answers", store: func(q *queueTest) { q.store.failWith(nil) }, written: 50},
		{name: "the store answers at the second attempt", store: func(q *queueTest) {
			q.store.failWith(once(routing.StoreRead, before))
		}, written: 50},
		{name: "the store does not answer", store: func(*queueTest) {}},
		{name: "the store is slow", late: true, store: func(q *queueTest) {
			q.store.failWith(nil)
			q.store.mu.Lock()
			q.store.delay = 500 * time.Millisecond
			q.store.mu.Unlock()
		}, written: -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueueTest(t, 0, 50)
				row.store(q)
				if row.late {
					pass(10 * time.Second)
				}
				ctx, cancel := context.WithTimeout(t.Context(), bound)
				defer cancel()
				start := time.Now()
				err := q.ledger.Shutdown(ctx)
				if took := time.Since(start); took > bound+2*time.Second {
					t.Errorf("took %v, want %v and the time of one attempt at most", took, bound)
				}
				if !q.left.closed {
					t.Error("the store is not closed")
				}
				written := 0
				for _, w := range q.written(t, 50) {
					if w {
						written++
					}
				}
				if row.written >= 0 && written != row.written {
					t.Errorf("%d outcomes are written, want %d", written, row.written)
				}
				if errors.Is(err, routing.ErrUnavailable) != (written < 50) {
					t.Errorf("%d outcomes are written, and the error is %v", written, err)
				}
				if got := q.ledger.Pending(); got != 50-written {
					t.Errorf("%d outcomes are said to be left, want %d", got, 50-written)
				}
			})
		})
	}
}

// leftStore is a store that can be read after it was closed.
type leftStore struct {
	routing.Store

	closed bool
}

func (s *leftStore) Close() error {
	s.closed = true
	return nil
}
