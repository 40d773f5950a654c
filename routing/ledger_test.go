package routing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// named gives a call its token and life.
func named(token string) callEdit {
	return func(c *routing.Call) { c.Token, c.Life = token, "life-"+token }
}

func begin(t *testing.T, ledger *routing.Ledger, call *routing.Call) *routing.Entry {
	t.Helper()
	entry, err := ledger.Begin(t.Context(), call, testConfig{})
	if err != nil {
		t.Fatalf("begin %s: %v", call.Kind, err)
	}
	if entry.Decision.Refusal != routing.RefusalNone {
		t.Fatalf("%s is refused: %s", call.Kind, entry.Decision.Refusal)
	}
	return entry
}

func closeEntry(t *testing.T, ledger *routing.Ledger, entry *routing.Entry, outcome routing.Outcome) routing.Verdict {
	t.Helper()
	verdict, err := ledger.Close(t.Context(), entry, outcome)
	if err != nil {
		t.Fatalf("close %s: %v", entry.Call.Kind, err)
	}
	return verdict
}

// TestLedgerCosts: the round trips that calls cost.
func TestLedgerCosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		fetch := begin(t, ledger, newCall(routing.KindFetch, onInstance))
		store.wantTrips(t, "the begin of a GET", 1, 0)
		closeEntry(t, ledger, fetch, outcomeOther)
		store.wantTrips(t, "the close of a GET", 0, 0)

		create := begin(t, ledger, createOnInstance())
		store.wantTrips(t, "the begin of a create of a free id", 0, 1)
		closeEntry(t, ledger, create, acceptedAs("o1"))
		store.wantTrips(t, "the close of a create", 0, 1)

		for _, outcome := range []routing.Outcome{outcomeOther, outcomeSucceeded} {
			poll := begin(t, ledger, pollInstance())
			store.wantTrips(t, "the begin of a poll", 1, 0)
			closeEntry(t, ledger, poll, outcome)
			if outcome == outcomeOther {
				store.wantTrips(t, "the close of an idle poll", 0, 0)
			} else {
				store.wantTrips(t, "the close of the last poll", 0, 1)
			}
		}

		again := begin(t, ledger, createOnInstance(named("t2")))
		store.wantTrips(t, "the begin of a create of a taken id", 0, 2)
		closeEntry(t, ledger, again, outcomeDone)
		store.wantTrips(t, "its close", 0, 1)

		update := begin(t, ledger, updateInstance(named("t3")))
		store.wantTrips(t, "the begin of an update", 1, 0)
		closeEntry(t, ledger, update, outcomeDone)
		store.wantTrips(t, "its close", 0, 1)

		bound := begin(t, ledger, bind(named("t4")))
		store.wantTrips(t, "the begin of a bind", 1, 1)
		closeEntry(t, ledger, bound, outcomeDone)
		store.wantTrips(t, "its close", 0, 1)

		remove := begin(t, ledger, deleteInstance(named("t5")))
		store.wantTrips(t, "the begin of a delete", 1, 1)
		closeEntry(t, ledger, remove, outcomeDone)
		store.wantTrips(t, "its close", 0, 1)

		if got := store.beforeSend; got != 4 {
			t.Errorf("%d writes came before a send, want those of two creates, a bind and a delete", got)
		}
	})
}

// TestLedgerUnknownClock: without a fresh reading of the store's clock a create begins with a read.
func TestLedgerUnknownClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		begin(t, ledger, createOnInstance())
		store.wantTrips(t, "the first create", 1, 1)
		other := func(c *routing.Call) { c.Key.Instance = "other" }
		begin(t, ledger, createOnInstance(other))
		store.wantTrips(t, "the second create", 0, 1)
		pass(2 * time.Minute)
		begin(t, ledger, createOnInstance(func(c *routing.Call) { c.Key.Instance = "later" }))
		store.wantTrips(t, "a create after some time without calls", 1, 1)
	})
}

// TestLedgerRefusals: what is refused without a record is judged by a read, and nothing is written.
func TestLedgerRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		closeEntry(t, ledger, begin(t, ledger, createOnInstance()), outcomeDone)
		store.trips()
		withdrawn := func(c *routing.Call) { c.Offer = routing.Offer{Refusal: routing.RefusalUnknownService} }
		begin(t, ledger, createOnInstance(named("t2"), withdrawn)) // the record decides
		store.wantTrips(t, "a create of a taken id whose offering is withdrawn", 1, 1)
		entry, err := ledger.Begin(t.Context(), createOnInstance(withdrawn, func(c *routing.Call) {
			c.Key.Instance = "new"
		}), testConfig{})
		if err != nil || entry.Decision.Refusal != routing.RefusalUnknownService {
			t.Errorf("got %+v, %v; want a refusal", entry, err)
		}
		store.wantTrips(t, "a refused create", 1, 0)
	})
}

// TestLedgerDoubt: the doubt of a lost answer counts from when the gateway gave the call up.
func TestLedgerDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		create := begin(t, ledger, createOnInstance())
		pass(timeout)
		closeEntry(t, ledger, create, outcomeUnknown)
		record := store.held(t, onInstance).Instance
		if want := routing.At(time.Now()).Add(settle); record.DoubtUntil != want {
			t.Errorf("the doubt ends %v after the give-up, want %v", record.DoubtUntil-routing.At(time.Now()), settle)
		}
		if want := routing.At(time.Now()); record.Calls["t"].Done != want || record.Updated != want {
			t.Errorf("the call ended at %d and the record is of %d, want %d", record.Calls["t"].Done, record.Updated, want)
		}
		pass(settle - time.Second)
		if entry := begin(t, ledger, deleteInstance(named("d"))); entry.Decision.Final() {
			t.Error("a delete is final before the doubt is over")
		}
		pass(time.Second)
		if entry := begin(t, ledger, deleteInstance(named("d2"))); !entry.Decision.Final() {
			t.Error("a delete is not final after the doubt is over")
		}
	})
}

// TestLedgerClockJump: the times of a create that began on a wrong guess of the store's clock are corrected.
func TestLedgerClockJump(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"forward": 10 * time.Minute, "back": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				clock := &memoryClock{now: time.Now()}
				store := newFaultyStore(routing.MemoryClock(clock.Now))
				ledger := routing.NewLedger(store, routing.LedgerOptions{})
				begin(t, ledger, newCall(routing.KindFetch, onInstance))
				clock.now = clock.now.Add(jump)
				store.trips()
				entry := begin(t, ledger, createOnInstance())
				store.wantTrips(t, "a create whose times are corrected", 0, 2)
				record := store.held(t, onInstance).Instance
				right := routing.At(clock.now)
				want := freshClaim(openCreate("t", right.Add(timeout+settle)), func(r *routing.Record) {
					r.Created, r.Updated, r.Rev = right, right, 2
				})
				wantRecord(t, "the record", want, record)
				closeEntry(t, ledger, entry, outcomeDone)
			})
		})
	}
}

// TestLedgerClockJumpAmidCalls: a correction that meets another call leaves that one's times alone.
func TestLedgerClockJumpAmidCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &memoryClock{now: time.Now()}
		store := newFaultyStore(routing.MemoryClock(clock.Now))
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		other := routing.NewLedger(store.Store, routing.LedgerOptions{})
		begin(t, ledger, newCall(routing.KindFetch, onInstance))
		clock.now = clock.now.Add(-10 * time.Minute)
		swaps := 0
		store.failWith(func(operation string) fault {
			if operation == routing.StoreSwap {
				if swaps++; swaps == 2 { // the other call comes between the write and its correction
					if _, err := other.Begin(t.Context(), createOnInstance(named("t2")), testConfig{}); err != nil {
						t.Error(err)
					}
				}
			}
			return none
		})
		begin(t, ledger, createOnInstance())
		record := store.held(t, onInstance).Instance
		want := routing.At(clock.now).Add(timeout + settle)
		for _, token := range []string{"t", "t2"} {
			if got := record.Calls[token].Until; got != want {
				t.Errorf("call %s ends %v off", token, time.Duration(got-want)*time.Millisecond)
			}
		}
	})
}

// TestLedgerCancelled: the platform hanging up does not stop what is to be noted.
func TestLedgerCancelled(t *testing.T) {
	t.Parallel()
	store := newFaultyStore()
	ledger := routing.NewLedger(store, routing.LedgerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	entry, err := ledger.Begin(ctx, createOnInstance(), testConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := ledger.Close(ctx, entry, outcomeDone); err != nil {
		t.Errorf("close: %v", err)
	}
	if got := store.held(t, onInstance).Instance.State; got != routing.Ready {
		t.Errorf("the instance is %s, want ready", got)
	}
	if _, err := ledger.Begin(ctx, createOnInstance(named("t2")), testConfig{}); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("begin of a cancelled call: got %v, want ErrUnavailable", err)
	}
}
