package routing_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// TestInProgress: what was accepted and has not ended is found with who is at it and since when, however often it is
// polled meanwhile.
func TestInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDueTest(t)
		began := time.Now()
		d.accept(routing.KindCreate, nth(1), "o1")
		d.end(routing.KindCreate, nth(2), outcomeDone)
		d.end(routing.KindCreate, nth(3), outcomeDone)
		pass(time.Minute)
		d.accept(routing.KindDelete, nth(2), "o2")
		bound := routing.Key{Instance: "3", Binding: "b"}
		d.accept(routing.KindCreate, bound, "o3")
		pass(20 * time.Minute)
		// A poll is noted in the record, which does not make its operation any younger.
		poll := newCall(routing.KindPoll, nth(1), named("poll"), func(c *routing.Call) { c.Operation = "o1" })
		closeEntry(t, d.ledger, begin(t, d.ledger, poll), routing.Outcome{Class: routing.ClassInProgress, Delivered: true})
		synctest.Wait()
		if updated := d.store.held(t, nth(1)).Instance.Updated; updated <= routing.At(began) {
			t.Fatal("the poll was not noted")
		}

		want := []routing.InProgress{
			{Platform: "p", Backend: "a", Kind: routing.KindCreate, Since: routing.At(began)},
			{Platform: "p", Backend: "a", Kind: routing.KindDelete, Since: routing.At(began.Add(time.Minute))},
			{Platform: "p", Backend: "a", Kind: routing.KindCreate, OnBinding: true, Since: routing.At(began.Add(time.Minute))},
		}
		got, err := d.ledger.InProgress(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for _, operation := range want {
			if !slices.Contains(got, operation) {
				t.Errorf("%+v is not among %+v", operation, got)
			}
		}

		if few, err := d.ledger.InProgress(t.Context(), 1); err != nil || len(few) != 1 {
			t.Errorf("up to one: got %+v and the error %v", few, err)
		}
		d.store.failWith(always(before))
		if _, err := d.ledger.InProgress(t.Context(), 100); !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("without a store: got the error %v, want ErrUnavailable", err)
		}
	})
}

// TestRetriesAreObserved: each attempt to write an outcome in the background is told of, with its call.
func TestRetriesAreObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type observed struct {
			Retry  routing.Retry
			Failed bool
		}
		type mark struct{}
		var mu sync.Mutex
		var got []observed
		store := newFaultyStore()
		marked := &markedStore{Store: store.Store, key: mark{}}
		store.Store = marked
		ledger := routing.NewLedger(store, routing.LedgerOptions{
			ObserveRetry: func(ctx context.Context, retry routing.Retry) (context.Context, func(error)) {
				return context.WithValue(ctx, mark{}, true), func(err error) {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, observed{retry, err != nil})
				}
			},
		})
		entry := begin(t, ledger, createOnInstance())
		store.failWith(always(before))
		outcome := outcomeDone
		outcome.Trace = "the traceparent"
		if _, err := ledger.Close(t.Context(), entry, outcome); !errors.Is(err, routing.ErrUnavailable) {
			t.Fatalf("got the error %v, want ErrUnavailable", err)
		}
		pass(time.Second)
		store.failWith(nil)
		pass(aWhile)
		synctest.Wait()
		if len(got) < 2 {
			t.Fatalf("observed %+v, want an attempt that failed and one that did not", got)
		}
		want := observed{Retry: routing.Retry{
			Key: onInstance, Platform: "p", Backend: "a", Kind: routing.KindCreate, Trace: "the traceparent",
		}}
		last := len(got) - 1
		for n, attempt := range got {
			want.Failed = n != last
			if diff := cmp.Diff(want, attempt); diff != "" {
				t.Errorf("attempt %d of %d (-want +got):\n%s", n+1, last+1, diff)
			}
		}
		if !marked.seen.Load() {
			t.Error("the store was not asked under the observer's context")
		}
	})
}

// markedStore notes whether it was asked under a context with a value.
type markedStore struct {
	routing.Store

	key  any
	seen atomic.Bool
}

func (s *markedStore) Swap(ctx context.Context, change routing.Change) (routing.Snapshot, bool, error) {
	if ctx.Value(s.key) != nil {
		s.seen.Store(true)
	}
	return s.Store.Swap(ctx, change)
}
