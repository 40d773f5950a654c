package routing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func (q *queueTest) wantStatus(t *testing.T, when string, want routing.QueueStatus) {
	t.Helper()
	want.Retries, want.Dropped = uint64(q.retries.Load()), uint64(q.drops.Load())
	if diff := cmp.Diff(want, q.ledger.QueueStatus(), cmpopts.EquateErrors()); diff != "" {
		t.Errorf("%s the status differs (-want +got):\n%s", when, diff)
	}
}

// TestQueueStatus: the status tells what waits, for how long, and why.
func TestQueueStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t, 3, 5)
		q.wantStatus(t, "at first", routing.QueueStatus{Waiting: 3, Capacity: 3})
		if q.drops.Load() != 2 {
			t.Errorf("%d outcomes were given up, want 2", q.drops.Load())
		}
		const minute = time.Minute
		pass(minute)
		synctest.Wait()
		if q.retries.Load() == 0 {
			t.Error("nothing was tried")
		}
		q.wantStatus(t, "after a minute", routing.QueueStatus{
			Waiting: 3, Capacity: 3, OldestAge: minute, LastError: errInjected,
		})
		q.store.failWith(nil)
		pass(aWhile)
		synctest.Wait()
		q.wantStatus(t, "when all is written", routing.QueueStatus{Capacity: 3})
	})
}

// TestQueueStatusDuringAWrite: what is being written waits still.
func TestQueueStatusDuringAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t, 0, 1)
		var during routing.QueueStatus
		q.store.failWith(func(string) fault {
			during = q.ledger.QueueStatus()
			return none
		})
		pass(aWhile)
		synctest.Wait()
		if during.Waiting != 1 || during.OldestAge == 0 || during.Retries != 1 {
			t.Errorf("got %+v", during)
		}
		q.store.failWith(nil)
		q.wantStatus(t, "afterwards", routing.QueueStatus{Capacity: 10_000})
	})
}

// TestQueueStatusOfARecordThatCannotBeWritten: the others go on, and the status says what is wrong with the one.
func TestQueueStatusOfARecordThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t, 0, 2)
		q.store.failWith(nil)
		putBytes(t, q.store, nth(0), []byte(`{"v":99}`))
		pass(aWhile)
		synctest.Wait()
		status := q.ledger.QueueStatus()
		if status.Waiting != 1 || !errors.Is(status.LastError, routing.ErrNewerRecord) || status.OldestAge < aWhile {
			t.Errorf("got %+v", status)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.ledger.Shutdown(ctx); err == nil {
			t.Error("an outcome was left, and nothing is said of it")
		}
	})
}
