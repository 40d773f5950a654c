package routing_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// aWhile is enough for what waits to be written once the store answers again.
const aWhile = time.Minute

// TestFailedBegin: a begin that failed is closed in the background as nothing, for the call may have been entered.
func TestFailedBegin(t *testing.T) {
	t.Parallel()
	newcomer := newCall(routing.KindCreate, onInstance)
	for _, row := range []struct {
		name string
		held bool // an instance is there
		call *routing.Call
		when fault
		want func(before routing.Records) routing.Records
	}{
		{name: "create, not written", call: newcomer, when: before, want: func(routing.Records) routing.Records {
			return routing.Records{}
		}},
		{name: "create, written", call: newcomer, when: after, want: func(routing.Records) routing.Records {
			return both(freshClaim(done("t"), state(routing.Gone), func(r *routing.Record) { r.NeverCreated = true }), nil)
		}},
		{name: "join, written", held: true, call: newcomer, when: after, want: func(b routing.Records) routing.Records {
			return both(edited(b.Instance, openCreate("t", callEnds), done("t")), nil)
		}},
		{
			name: "update of an unknown instance, written", call: updateInstance(), when: after,
			want: func(routing.Records) routing.Records { return routing.Records{} },
		},
		{
			name: "bind on an unknown instance, written", call: bind(), when: after,
			want: func(routing.Records) routing.Records { return routing.Records{} },
		},
		{name: "bind, written", held: true, call: bind(), when: after, want: func(b routing.Records) routing.Records {
			return both(b.Instance, boundClaim(done("t"), state(routing.Gone), func(r *routing.Record) {
				r.NeverCreated, r.ParentLife = true, b.Instance.Life
			}))
		}},
		{
			name: "delete, written", held: true, call: deleteInstance(), when: after,
			want: func(b routing.Records) routing.Records {
				return both(edited(b.Instance, withCall("t", routing.Open{
					Kind: routing.KindDelete, Final: true, Until: callEnds,
				}), done("t")), nil)
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore()
				ledger := routing.NewLedger(store, routing.LedgerOptions{})
				key := row.call.Key
				if row.held {
					closeEntry(t, ledger, begin(t, ledger, createOnInstance(named("first"))), outcomeDone)
				}
				held := store.held(t, key)
				store.failOnceItSwaps(row.when)
				if _, err := ledger.Begin(t.Context(), row.call, testConfig{}); !errors.Is(err, routing.ErrUnavailable) {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				if got := ledger.Pending(); got != 1 {
					t.Errorf("%d outcomes wait, want 1", got)
				}
				pass(aWhile)
				synctest.Wait()
				if got := ledger.Pending(); got != 0 {
					t.Errorf("%d outcomes still wait", got)
				}
				wantRecords(t, "the records", timeless(row.want(held)), timeless(store.held(t, key)))
			})
		})
	}
}

// timeless takes out of records what depends on when they were written.
func timeless(records routing.Records) routing.Records {
	records = copied(records)
	for _, record := range []*routing.Record{records.Instance, records.Binding} {
		if record == nil {
			continue
		}
		record.Rev, record.Created, record.Updated = 0, 0, 0
		for token, call := range record.Calls {
			call.Until, call.Done = min(call.Until, 1), min(call.Done, 1)
			record.Calls[token] = call
		}
	}
	return records
}

// TestFailedRead: where nothing can have been entered, nothing waits.
func TestFailedRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		store.failWith(always(before))
		for _, kind := range []routing.Kind{
			routing.KindCreate, routing.KindUpdate, routing.KindDelete, routing.KindPoll, routing.KindFetch,
		} {
			if _, err := ledger.Begin(t.Context(), newCall(kind, onInstance), testConfig{}); !errors.Is(err, routing.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", kind, err)
			}
		}
		if got := ledger.Pending(); got != 0 {
			t.Errorf("%d outcomes wait", got)
		}
	})
}

// TestNewerRecord: a record of a newer version is refused, and no outcome waits that could never be written.
func TestNewerRecord(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{"newer": `{"v":2,"state":{}}`, "damaged": `{"v":1,"state":{}}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore()
				ledger := routing.NewLedger(store, routing.LedgerOptions{})
				begin(t, ledger, newCall(routing.KindFetch, onInstance)) // the clock is known now
				store.put(t, data)
				for _, kind := range []routing.Kind{routing.KindCreate, routing.KindDelete, routing.KindFetch} {
					_, err := ledger.Begin(t.Context(), newCall(kind, onInstance), testConfig{})
					if err == nil || errors.Is(err, routing.ErrUnavailable) ||
						errors.Is(err, routing.ErrNewerRecord) != (name == "newer") {
						t.Errorf("%s: got %v", kind, err)
					}
				}
				if got := ledger.Pending(); got != 0 {
					t.Errorf("%d outcomes wait", got)
				}
			})
		})
	}
}

// TestFailedClose: an outcome that cannot be written is written in the background, and the answer is relayed.
func TestFailedClose(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]fault{"not written": before, "written": after} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore()
				var retries atomic.Int64
				ledger := routing.NewLedger(store, routing.LedgerOptions{OnRetry: func() { retries.Add(1) }})
				entry := begin(t, ledger, createOnInstance())
				store.failWith(once(routing.StoreSwap, when))
				verdict, err := ledger.Close(t.Context(), entry, acceptedAs("o1"))
				if !errors.Is(err, routing.ErrUnavailable) || verdict != routing.VerdictRelay {
					t.Errorf("got %q, %v; want the answer relayed, and ErrUnavailable", verdict, err)
				}
				if got := ledger.Pending(); got != 1 {
					t.Errorf("%d outcomes wait, want 1", got)
				}
				pass(aWhile)
				synctest.Wait()
				if got := ledger.Pending(); got != 0 || retries.Load() != 1 {
					t.Errorf("%d outcomes wait after %d retries, want none after one", got, retries.Load())
				}
				record := store.held(t, onInstance).Instance
				if record.State != routing.Creating || record.Op.Operation != "o1" || record.Op.Seq != 1 {
					t.Errorf("the record is %+v, want it creating by the first operation", record)
				}
			})
		})
	}
}

// TestVerdictOfFailedClose: where the outcome of a delete cannot be written, the verdict is right as far as is known.
func TestVerdictOfFailedClose(t *testing.T) {
	t.Parallel()
	create := func(t *testing.T, ledger *routing.Ledger, outcome routing.Outcome) {
		t.Helper()
		closeEntry(t, ledger, begin(t, ledger, createOnInstance(named("c"))), outcome)
	}
	for _, row := range []struct {
		name string
		call *routing.Call
		held func(*testing.T, *routing.Ledger)
		// meanwhile happens while the delete runs.
		meanwhile func(*testing.T, *routing.Ledger)
		// fails is which of the swaps of the close fails: the second is made after the first found another record.
		fails int
		want  routing.Verdict
	}{
		{name: "final", call: deleteInstance(), fails: 1, held: func(t *testing.T, l *routing.Ledger) {
			create(t, l, outcomeDone)
		}},
		{name: "not final", call: deleteInstance(), fails: 1, held: func(t *testing.T, l *routing.Ledger) {
			create(t, l, outcomeUnknown)
		}, want: routing.VerdictRepeat},
		{
			name: "voided, as the first attempt found out", call: deleteInstance(), fails: 2,
			held:      func(t *testing.T, l *routing.Ledger) { create(t, l, outcomeDone) },
			meanwhile: func(t *testing.T, l *routing.Ledger) { begin(t, l, createOnInstance(named("c2"))) },
			want:      routing.VerdictRepeat,
		},
		{name: "absent", call: deleteInstance(), fails: 1},
		{name: "binding absent", call: unbind(), fails: 1, held: func(t *testing.T, l *routing.Ledger) {
			create(t, l, outcomeDone)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore()
				ledger := routing.NewLedger(store, routing.LedgerOptions{})
				if row.held != nil {
					row.held(t, ledger)
				}
				entry := begin(t, ledger, row.call)
				if row.meanwhile != nil {
					row.meanwhile(t, ledger)
				}
				swaps := 0
				store.failWith(func(operation string) fault {
					if operation == routing.StoreSwap {
						swaps++
					}
					if swaps == row.fails {
						return before
					}
					return none
				})
				verdict, err := ledger.Close(t.Context(), entry, outcomeDone)
				if !errors.Is(err, routing.ErrUnavailable) || verdict != row.want {
					t.Errorf("got %q, %v; want %q and ErrUnavailable", verdict, err, row.want)
				}
				store.failWith(nil)
				if err := ledger.Shutdown(t.Context()); err != nil {
					t.Errorf("shutdown: %v", err)
				}
			})
		})
	}
}

// TestDeleteOfReclaimedTombstone: a delete of a tombstone that was claimed anew while it ran is not the last word.
func TestDeleteOfReclaimedTombstone(t *testing.T) {
	t.Parallel()
	store := newFaultyStore()
	ledger := routing.NewLedger(store, routing.LedgerOptions{})
	closeEntry(t, ledger, begin(t, ledger, createOnInstance(named("c"))), outcomeRefused)
	entry := begin(t, ledger, deleteInstance())
	begin(t, ledger, createOnInstance(named("c2")))
	if verdict := closeEntry(t, ledger, entry, outcomeDone); verdict != routing.VerdictRepeat {
		t.Errorf("got verdict %q, want %q", verdict, routing.VerdictRepeat)
	}
	if !store.held(t, onInstance).Instance.Live() {
		t.Error("the new claim is gone")
	}
}
