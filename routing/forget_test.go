package routing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func forget(t *testing.T, ledger *routing.Ledger) routing.Forgotten {
	t.Helper()
	done, err := ledger.Forget(t.Context(), "i")
	if err != nil {
		t.Fatalf("forgetting: %v", err)
	}
	return done
}

// TestForget: whatever the record says, a tombstone takes its place that is kept as long as that of a deletion.
func TestForget(t *testing.T) {
	t.Parallel()
	tests := map[string]edit{
		"claimed":       claimed,
		"creating":      inState(routing.Creating),
		"ready":         inState(routing.Ready),
		"updating":      inState(routing.Updating),
		"deleting":      inState(routing.Deleting),
		"adopting":      func(r *routing.Record) { r.State, r.Adopting = routing.Claimed, true },
		"in doubt":      func(r *routing.Record) { r.State, r.DoubtUntil = routing.Claimed, 1<<50 },
		"with strays":   withStrays(routing.Stray{Backend: "b", Life: "x"}),
		"not reachable": onBackend("old"),
		"with a delete under way": func(r *routing.Record) {
			r.Calls = map[string]routing.Open{"d": {Kind: routing.KindDelete, Final: true, Until: 1 << 50}}
		},
		"with an update while it is being deleted": all(inState(routing.Deleting), func(r *routing.Record) {
			r.Calls = map[string]routing.Open{"u": {Kind: routing.KindUpdate, Until: 1 << 50}}
		}),
		"with a create that nobody closed": func(r *routing.Record) {
			r.Calls = map[string]routing.Open{"c": {Kind: routing.KindCreate, Until: 1}}
		},
		"gone, with strays": all(inState(routing.Gone), withStrays(routing.Stray{Backend: "b", Life: "x"})),
		"never created, with strays": all(
			neverSent, withStrays(routing.Stray{Backend: "b", Life: "x"})),
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
				record := newInstance(edit)
				put(t, store, record)
				done := forget(t, ledger)
				after := store.held(t, onInstance).Instance
				want := newInstance(edit, inState(routing.Gone), func(r *routing.Record) {
					r.Sent, r.NeverCreated, r.Adopting, r.DoubtUntil, r.Strays = true, false, false, 0, nil
					r.Op = routing.Op{Seq: 3}
					r.Rev++
				})
				ignored := cmpopts.IgnoreFields(routing.Record{}, "Updated", "Calls")
				unexported := cmpopts.IgnoreUnexported(routing.Record{})
				if diff := cmp.Diff(want, after, unexported, ignored); diff != "" {
					t.Errorf("the record differs (-want +got):\n%s", diff)
				}
				for token, call := range after.Calls {
					if call.Done == 0 {
						t.Errorf("call %s is open still", token)
					}
				}
				if !done.Changed || done.OpenCreates != 0 || done.Before.Rev != record.Rev {
					t.Errorf("it says %+v", done)
				}
				if diff := cmp.Diff(after, done.After, unexported); diff != "" {
					t.Errorf("the record is not what Forget says (-held +said):\n%s", diff)
				}
				pass(7*24*time.Hour + time.Second)
				if left := store.held(t, onInstance).Instance; left != nil {
					t.Errorf("after a week there is %+v", left)
				}
			})
		})
	}
}

// TestForgetChangesNothing: a tombstone is one already.
func TestForgetChangesNothing(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]edit{"gone": inState(routing.Gone), "never sent": neverSent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
				put(t, store, newInstance(edit))
				store.trips()
				done := forget(t, ledger)
				store.wantTrips(t, "forgetting what is gone", 1, 0)
				if done.Changed || done.Before == nil || done.After != done.Before {
					t.Errorf("it says %+v", done)
				}
			})
		})
	}
}

// TestForgetFails: without a record that can be read and written there is nothing to forget.
func TestForgetFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data []byte
		fail func(string) fault
		want error
	}{
		"no record": {want: routing.ErrNoRecord},
		"newer":     {data: []byte(`{"v":99}`), want: routing.ErrNewerRecord},
		"store down": {
			data: []byte(`{"v":1,"state":"ready"}`), fail: always(before), want: routing.ErrUnavailable,
		},
		"write fails": {
			data: []byte(`{"v":1,"state":"ready"}`), fail: once(routing.StoreSwap, before), want: routing.ErrUnavailable,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newFaultyStore()
			ledger := routing.NewLedger(store, routing.LedgerOptions{})
			if test.data != nil {
				putBytes(t, store, onInstance, test.data)
			}
			store.failWith(test.fail)
			if done, err := ledger.Forget(t.Context(), "i"); !errors.Is(err, test.want) || done.Changed {
				t.Errorf("got %+v and %v, want %v", done, err, test.want)
			}
			if test.fail == nil {
				if _, err := ledger.Show(t.Context(), "i"); !errors.Is(err, test.want) {
					t.Errorf("showing it: got %v, want %v", err, test.want)
				}
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		store := newFaultyStore()
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		putBytes(t, store, onInstance, []byte(`{"v":1,`))
		if _, err := ledger.Forget(t.Context(), "i"); err == nil || errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// TestForgetAndDelete: a DELETE of the platform still goes to the backend.
func TestForgetAndDelete(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		put(t, store, newInstance(claimed))
		forget(t, ledger)
		entry := begin(t, ledger, newCall(routing.KindDelete, onInstance))
		if entry.Decision.Backend != "a" {
			t.Errorf("it goes to %q", entry.Decision.Backend)
		}
		if verdict := closeEntry(t, ledger, entry, outcomeDone); verdict != routing.VerdictRelay {
			t.Errorf("the verdict is %q", verdict)
		}
	})
}

// TestForgetAndCreate: a PUT of the same platform claims the id anew, for the catalog's backend; that of another does
// not.
func TestForgetAndCreate(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		put(t, store, newInstance(onBackend("b")))
		forget(t, ledger)
		foreign, err := ledger.Begin(t.Context(), createOnInstance(named("foreign"), func(c *routing.Call) {
			c.Platform = "q"
		}), testConfig{})
		if err != nil || foreign.Decision.Refusal != routing.RefusalTaken {
			t.Errorf("another platform's create: got %v and %+v", err, foreign.Decision)
		}
		entry := begin(t, ledger, createOnInstance(named("anew")))
		closeEntry(t, ledger, entry, outcomeDone)
		record := store.held(t, onInstance).Instance
		if entry.Decision.Backend != "a" || record.State != routing.Ready || record.Life != "life-anew" || record.Rev < 9 {
			t.Errorf("it goes to %q and leaves %+v", entry.Decision.Backend, record)
		}
	})
}

// TestForgetDuringACreate: a create under way that succeeds takes the record back, so that nothing is orphaned. One
// that the backend refuses does not.
func TestForgetDuringACreate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome routing.Outcome
		want    routing.State
	}{
		"done":     {outcomeDone, routing.Ready},
		"accepted": {acceptedAs("o"), routing.Creating},
		"unknown":  {outcomeUnknown, routing.Claimed},
		"refused":  {outcomeRefused, routing.Gone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
				entry := begin(t, ledger, createOnInstance(named("slow")))
				if done := forget(t, ledger); done.OpenCreates != 1 {
					t.Errorf("it says %+v, want one open create", done)
				}
				closeEntry(t, ledger, entry, test.outcome)
				if record := store.held(t, onInstance).Instance; record.State != test.want || record.Backend != "a" {
					t.Errorf("got %+v, want it %s", record, test.want)
				}
			})
		})
	}
}

// TestForgetDuringOtherCalls: a delete, an update or a poll under way leaves the tombstone as it is.
func TestForgetDuringOtherCalls(t *testing.T) {
	t.Parallel()
	for _, kind := range []routing.Kind{routing.KindDelete, routing.KindUpdate, routing.KindPoll} {
		for name, outcome := range map[string]routing.Outcome{
			"done": outcomeDone, "accepted": acceptedAs("o"), "succeeded": outcomeSucceeded, "failed": outcomeFailedOp,
		} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				t.Parallel()
				lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
					entry := begin(t, ledger, newCall(kind, onInstance))
					forget(t, ledger)
					if verdict := closeEntry(t, ledger, entry, outcome); verdict != routing.VerdictRelay {
						t.Errorf("the verdict is %q", verdict)
					}
					if record := store.held(t, onInstance).Instance; record.State != routing.Gone {
						t.Errorf("got %+v, want a tombstone", record)
					}
				})
			})
		}
	}
}

// TestForgetWhileOthersWrite: a record that changes at the same moment is forgotten as it is then.
func TestForgetWhileOthersWrite(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		moved := newInstance(onBackend("b"), func(r *routing.Record) { r.Rev = 100 })
		store.failWith(func(operation string) fault {
			if operation == routing.StoreSwap && store.swaps == 1 {
				put(t, store.Store, moved)
			}
			return none
		})
		store.trips()
		done := forget(t, ledger)
		store.wantTrips(t, "forgetting it", 1, 2)
		record := store.held(t, onInstance).Instance
		if record.State != routing.Gone || record.Backend != "b" || record.Rev != 101 || done.Before.Rev != 100 {
			t.Errorf("got %+v, and it says %+v", record, done)
		}
	})
}

// TestForgetKeepsBindings: they route by themselves, and are leftovers then.
func TestForgetKeepsBindings(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		put(t, store, newInstance(onBackend("b")), newBinding(onBackend("b")))
		forget(t, ledger)
		census, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{})
		if err != nil || census.Leftovers.Count != 1 || census.Leftovers.Examples[0].Key != onBinding {
			t.Errorf("got %v and leftovers %+v", err, census.Leftovers)
		}
		entry := begin(t, ledger, newCall(routing.KindDelete, onBinding))
		if entry.Decision.Backend != "b" {
			t.Errorf("the unbind goes to %q", entry.Decision.Backend)
		}
		closeEntry(t, ledger, entry, outcomeDone)
		if record := store.held(t, onBinding).Binding; record.Live() {
			t.Errorf("the unbind leaves %+v", record)
		}
	})
}

// TestShow: the record as it is in the store, with what a newer gateway wrote into it.
func TestShow(t *testing.T) {
	t.Parallel()
	lived(t, func(t *testing.T, store *faultyStore, ledger *routing.Ledger) {
		want := newInstance(withStrays(routing.Stray{Backend: "b", Life: "x"}))
		put(t, store, want)
		got, err := ledger.Show(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(routing.Record{})); diff != "" {
			t.Errorf("the record differs (-want +got):\n%s", diff)
		}
	})
}
