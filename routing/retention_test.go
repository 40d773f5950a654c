package routing_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// lived runs a test in a bubble of fake time, on a ledger whose instance "i" is ready.
func lived(t *testing.T, test func(t *testing.T, store *faultyStore, ledger *routing.Ledger)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		closeEntry(t, ledger, begin(t, ledger, createOnInstance(named("first"))), outcomeDone)
		test(t, store, ledger)
	})
}

// TestDoneCallsAreKeptAnHour: ended calls are remembered for an hour.
func TestDoneCallsAreKeptAnHour(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		repeat := func(token string) map[string]routing.Open {
			t.Helper()
			closeEntry(t, ledger, begin(t, ledger, createOnInstance(named(token))), outcomeDone)
			return store.held(t, onInstance).Instance.Calls
		}
		pass(time.Hour)
		if calls := repeat("second"); calls["first"].Done == 0 || calls["second"].Done == 0 {
			t.Errorf("after an hour the calls are %v, want both", calls)
		}
		pass(time.Second)
		if calls := repeat("third"); len(calls) != 2 || calls["first"].Done != 0 {
			t.Errorf("after more than an hour the calls are %v, want the last two", calls)
		}
	})
}

// TestDoneCallsAreBounded: of a platform that repeats a PUT every second only some are remembered, the latest.
func TestDoneCallsAreBounded(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		open := begin(t, ledger, createOnInstance(named("open")))
		const calls = 100
		for i := range calls {
			pass(time.Second)
			closeEntry(t, ledger, begin(t, ledger, createOnInstance(named(fmt.Sprint(i)))), outcomeDone)
		}
		kept := store.held(t, onInstance).Instance.Calls
		if len(kept) > 40 || len(kept) < 10 {
			t.Errorf("%d calls are kept, want some dozens", len(kept))
		}
		for token := range kept {
			var i int
			if _, err := fmt.Sscan(token, &i); err == nil && i < calls-len(kept) {
				t.Errorf("call %d is kept, which is not of the latest %d", i, len(kept))
			}
		}
		if call, ok := kept["open"]; !ok || call.Done != 0 {
			t.Error("the open create is forgotten")
		}
		closeEntry(t, ledger, open, outcomeDone)
	})
}

// TestOpenCalls: an open create is kept until it is done or the record is gone; an open delete whose gateway died is
// not.
func TestOpenCalls(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		begin(t, ledger, createOnInstance(named("crashed create")))
		begin(t, ledger, deleteInstance(named("crashed delete")))
		pass(30 * 24 * time.Hour)
		remove := begin(t, ledger, deleteInstance(named("delete")))
		calls := store.held(t, onInstance).Instance.Calls
		if call, ok := calls["crashed create"]; !ok || call.Done != 0 {
			t.Errorf("the open create is forgotten: %v", calls)
		}
		if _, ok := calls["crashed delete"]; ok {
			t.Errorf("the open delete is kept for ever: %v", calls)
		}
		if verdict := closeEntry(t, ledger, remove, outcomeDone); verdict != routing.VerdictRelay {
			t.Errorf("got verdict %q", verdict)
		}
		if call := store.held(t, onInstance).Instance.Calls["crashed create"]; call.Done == 0 {
			t.Error("the open create is open in a tombstone")
		}
	})
}

// TestTombstoneTimeToLive: a tombstone is kept for a week, unless its id is claimed again or strays are known.
func TestTombstoneTimeToLive(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	bury := func(t *testing.T, ledger *routing.Ledger) {
		t.Helper()
		closeEntry(t, ledger, begin(t, ledger, deleteInstance(named("delete"))), outcomeDone)
	}
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
			bury(t, ledger)
			pass(week - time.Second)
			if store.held(t, onInstance).Instance == nil {
				t.Error("it is forgotten within a week")
			}
			pass(time.Second)
			if store.held(t, onInstance).Instance != nil {
				t.Error("it is kept for more than a week")
			}
		})
	})
	t.Run("claimed again", func(t *testing.T) {
		t.Parallel()
		lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
			bury(t, ledger)
			begin(t, ledger, createOnInstance(named("again")))
			pass(2 * week)
			if record := store.held(t, onInstance).Instance; record == nil || !record.Live() {
				t.Error("the new claim is forgotten")
			}
		})
	})
	t.Run("a late create", func(t *testing.T) {
		t.Parallel()
		lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
			late := begin(t, ledger, createOnInstance(named("late")))
			pass(time.Hour)
			bury(t, ledger)
			forget := func(r *routing.Record) { r.Calls = nil } // as if the call had not been known
			snapshot, err := store.Store.Read(t.Context(), onInstance)
			if err != nil {
				t.Fatal(err)
			}
			forgotten := edited(decodeRecord(t, snapshot.Instance), forget)
			if _, _, err := store.Store.Swap(t.Context(), routing.Change{
				Key: onInstance, Old: snapshot, Instance: &routing.Write{Data: encodeRecord(t, forgotten), TTL: forgotten.TTL()},
			}); err != nil {
				t.Fatal(err)
			}
			closeEntry(t, ledger, late, outcomeDone)
			pass(2 * week)
			if record := store.held(t, onInstance).Instance; record == nil || record.State != routing.Ready {
				t.Error("the revived record is forgotten")
			}
		})
	})
	t.Run("strays", func(t *testing.T) {
		t.Parallel()
		lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
			late := begin(t, ledger, createOnInstance(named("late"))) // on backend a
			store.put(t, string(encodeRecord(t, newInstance(onBackend("b")))))
			closeEntry(t, ledger, late, outcomeDone)
			bury(t, ledger)
			pass(2 * week)
			record := store.held(t, onInstance).Instance
			if record == nil || record.Live() || len(record.Strays) != 1 {
				t.Errorf("the record is %+v, want a tombstone with the stray", record)
			}
		})
	})
}

// TestRevisions: each write counts, whoever makes it.
func TestRevisions(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		for i := range 5 {
			before := store.held(t, onInstance).Instance.Rev
			entry := begin(t, ledger, deleteInstance(named(fmt.Sprint(i))))
			closeEntry(t, ledger, entry, outcomeOther)
			if got := store.held(t, onInstance).Instance.Rev; got != before+2 {
				t.Errorf("two writes made revision %d of %d", got, before)
			}
			closeEntry(t, ledger, entry, outcomeOther)
			if got := store.held(t, onInstance).Instance.Rev; got != before+2 {
				t.Errorf("a repeated close made revision %d", got)
			}
		}
	})
}
