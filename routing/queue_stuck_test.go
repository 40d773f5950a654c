package routing_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// TestQueueStuck: an outcome whose record only a newer gateway can write is tried ever more rarely, is told of, is
// never dropped, and holds up neither the others nor the end.
func TestQueueStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		var told []routing.Key
		var retries atomic.Int64
		ledger := routing.NewLedger(store, routing.LedgerOptions{
			OnRetry: func() { retries.Add(1) }, OnDrop: func() { t.Error("an outcome was dropped") },
			OnStuck: func(key routing.Key, err error) {
				if len(told) == 0 && !errors.Is(err, routing.ErrNewerRecord) {
					t.Errorf("stuck for %v", err)
				}
				told = append(told, key)
			},
		})
		fail := func(i int) {
			t.Helper()
			entry := begin(t, ledger, createOnInstance(named(fmt.Sprint(i)), func(c *routing.Call) { c.Key = nth(i) }))
			store.failWith(once(routing.StoreSwap, before))
			if _, err := ledger.Close(t.Context(), entry, outcomeDone); err == nil {
				t.Fatal("the close did not fail")
			}
		}
		fail(0)
		good := store.held(t, nth(0)).Instance
		putBytes(t, store, nth(0), []byte(`{"v":99}`))
		pass(24 * time.Hour)
		synctest.Wait()
		if tried := retries.Load(); tried < 140 || tried > 160 {
			t.Errorf("tried %d times in a day, want every ten minutes", tried)
		}
		if len(told) != 1 || told[0] != nth(0) {
			t.Errorf("told of %v, want the one, once", told)
		}

		// Another outcome need not wait for the stuck one's time.
		fail(1)
		pass(time.Second)
		synctest.Wait()
		if state := store.held(t, nth(1)).Instance.State; state != routing.Ready || ledger.Pending() != 1 {
			t.Errorf("the other is %s, and %d wait", state, ledger.Pending())
		}

		// When the record can be written again, it is.
		putBytes(t, store, nth(0), encodeRecord(t, good))
		pass(11 * time.Minute)
		synctest.Wait()
		if state := store.held(t, nth(0)).Instance.State; state != routing.Ready || ledger.Pending() != 0 {
			t.Errorf("it is %s, and %d wait", state, ledger.Pending())
		}

		// At the end, what is stuck is tried once more and not waited for.
		fail(2)
		putBytes(t, store, nth(2), []byte(`{`))
		pass(time.Hour)
		synctest.Wait()
		started, before := time.Now(), retries.Load()
		if err := ledger.Shutdown(t.Context()); err == nil {
			t.Error("an outcome was left, and nothing is said of it")
		}
		if took := time.Since(started); took > time.Second || retries.Load() != before+1 {
			t.Errorf("the end took %s and %d attempts", took, retries.Load()-before)
		}
	})
}

// TestQueuePartOfStore: while a part of the store does not answer, outcomes of the other parts are written.
func TestQueuePartOfStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &partlyDown{faultyStore: newFaultyStore(), down: make(map[routing.Key]bool)}
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		const dead = 500
		for i := range dead {
			entry := begin(t, ledger, createOnInstance(named(fmt.Sprint(i)), func(c *routing.Call) { c.Key = nth(i) }))
			store.down[nth(i)] = true
			if _, err := ledger.Close(t.Context(), entry, outcomeDone); err == nil {
				t.Fatal("the close did not fail")
			}
		}
		pass(time.Hour)
		other := nth(dead)
		entry := begin(t, ledger, createOnInstance(named("other"), func(c *routing.Call) { c.Key = other }))
		store.failWith(once(routing.StoreSwap, before))
		if _, err := ledger.Close(t.Context(), entry, outcomeDone); err == nil {
			t.Fatal("the close did not fail")
		}
		pass(time.Minute)
		synctest.Wait()
		if state := store.held(t, other).Instance.State; state != routing.Ready || ledger.Pending() != dead {
			t.Errorf("the other is %s, and %d wait", state, ledger.Pending())
		}
		store.heal()
		pass(time.Minute)
		synctest.Wait()
		if ledger.Pending() != 0 {
			t.Errorf("%d wait although all of the store answers", ledger.Pending())
		}
	})
}

// partlyDown is a store that does not answer for some keys.
type partlyDown struct {
	*faultyStore

	lock sync.Mutex
	down map[routing.Key]bool
}

func (s *partlyDown) heal() {
	s.lock.Lock()
	defer s.lock.Unlock()
	clear(s.down)
}

func (s *partlyDown) isDown(key routing.Key) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.down[key]
}

func (s *partlyDown) Read(ctx context.Context, key routing.Key) (routing.Snapshot, error) {
	if s.isDown(key) {
		return routing.Snapshot{}, errors.Join(routing.ErrUnavailable, errInjected)
	}
	return s.faultyStore.Read(ctx, key)
}

func (s *partlyDown) Swap(ctx context.Context, change routing.Change) (routing.Snapshot, bool, error) {
	if s.isDown(change.Key) {
		return routing.Snapshot{}, false, errors.Join(routing.ErrUnavailable, errInjected)
	}
	return s.faultyStore.Swap(ctx, change)
}
