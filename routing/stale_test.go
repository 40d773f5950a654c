package routing_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// staleRow is an answer that was obtained by a cached record.
type staleRow struct {
	name string
	held routing.Records
	call *routing.Call
	got  routing.Outcome
	// reads and swaps are what it costs to relay it while the record is as it was cached.
	reads, swaps int
}

func pollBinding() *routing.Call { return newCall(routing.KindPoll, onBinding) }

// staleRows are all sorts of answers to calls that only read.
func staleRows() []staleRow {
	ready, creating := both(newInstance(), newBinding()), both(newInstance(inState(routing.Creating)), nil)
	deleting := both(newInstance(inState(routing.Deleting)), nil)
	doubtful := both(newInstance(inState(routing.Deleting), inDoubt(past)), nil)
	bound := both(newInstance(), newBinding(inState(routing.Creating)))
	fetch, poll := newCall(routing.KindFetch, onInstance), pollInstance()
	return []staleRow{
		{name: "GET", held: ready, call: fetch, got: outcomeOther},
		{name: "GET of a binding", held: ready, call: newCall(routing.KindFetch, onBinding), got: outcomeOther},
		{name: "GET that failed", held: ready, call: fetch, got: notFound, reads: 1},
		{name: "GET of a binding that failed", held: ready, call: newCall(routing.KindFetch, onBinding), got: notFound, reads: 1},
		{name: "poll", held: creating, call: poll, got: outcomeOther},
		{name: "poll that failed", held: creating, call: poll, got: notFound, reads: 1},
		{name: "poll of a creation that succeeded", held: creating, call: poll, got: outcomeSucceeded, swaps: 1},
		{name: "poll of a creation that failed", held: creating, call: poll, got: outcomeFailedOp, swaps: 1},
		{name: "poll of a deletion that succeeded", held: deleting, call: poll, got: outcomeSucceeded, swaps: 1},
		{
			name: "410 to the poll of a deletion", held: deleting, call: poll,
			got: routing.Outcome{Class: routing.ClassGone, Delivered: true, Failed: true}, swaps: 1,
		},
		{name: "poll of a binding that succeeded", held: bound, call: pollBinding(), got: outcomeSucceeded, swaps: 1},
		// There is nothing to write, but the platform would take it for the end of something.
		{name: "success of nothing", held: ready, call: poll, got: outcomeSucceeded, reads: 1},
		{name: "failure of nothing", held: ready, call: poll, got: outcomeFailedOp, reads: 1},
		{name: "410 to the poll of nothing", held: ready, call: poll, got: outcomeGone, reads: 1},
		// Only the store's clock can tell that the doubt is over.
		{name: "end of a deletion that was in doubt", held: doubtful, call: poll, got: outcomeSucceeded, reads: 1, swaps: 1},
	}
}

// warm has the records of a call cached.
func (r replica) warm(t *testing.T, row staleRow) {
	t.Helper()
	r.put(t, row.held)
	begin(t, r.Ledger, row.call)
	r.store.trips()
}

// TestCachedAnswers: what answers cost that were obtained by a cached record which is still right. They are relayed and
// noted as any others.
func TestCachedAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range staleRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				replicas := newReplicas(t, 1)
				r := replicas[0]
				r.warm(t, row)
				entry := begin(t, r.Ledger, row.call)
				r.store.wantTrips(t, "begin", 0, 0)
				if verdict := closeEntry(t, r.Ledger, entry, row.got); verdict != routing.VerdictRelay {
					t.Errorf("got verdict %q, want the answer relayed", verdict)
				}
				r.store.wantTrips(t, "close", row.reads, row.swaps)
				got := r.store.held(t, row.call.Key)

				// The same by a record that was just read.
				other := newReplica(t, routing.NewMemoryStore(), routing.LedgerOptions{})
				other.put(t, row.held)
				closeEntry(t, other.Ledger, begin(t, other.Ledger, row.call), row.got)
				want := other.store.held(t, row.call.Key)
				wantRecord(t, "the instance", want.Instance, got.Instance)
				wantRecord(t, "the binding", want.Binding, got.Binding)
			})
		})
	}
}

// TestStaleAnswers: an answer that was obtained by a cached record which has changed since is not relayed and not noted
// if it tells of a failure or an end. The call that is begun again goes by what the store says.
func TestStaleAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range staleRows() {
		if row.reads+row.swaps == 0 {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				replicas := newReplicas(t, 2)
				here, there := replicas[0], replicas[1]
				here.warm(t, row)
				entry := begin(t, here.Ledger, row.call)
				begin(t, there.Ledger, newCall(routing.KindDelete, row.call.Key, named("t2"))) // nobody hears of it
				before := here.store.held(t, row.call.Key)
				here.store.trips()
				if verdict := closeEntry(t, here.Ledger, entry, row.got); verdict != routing.VerdictStale {
					t.Errorf("got verdict %q, want the answer to be stale", verdict)
				}
				if reads, swaps := here.store.trips(); reads+swaps != 1 {
					t.Errorf("to find out costs %d reads and %d swaps, want one of them", reads, swaps)
				}
				wantRecord(t, "the instance", before.Instance, here.store.held(t, row.call.Key).Instance)
				wantRecord(t, "the binding", before.Binding, here.store.held(t, row.call.Key).Binding)

				call := *row.call
				call.Fresh = true
				again := begin(t, here.Ledger, &call)
				here.store.wantTrips(t, "begin again", 1, 0)
				if _, entered := again.Subject().Calls["t2"]; again.Cached || !entered {
					t.Error("the call is begun again by a cached record")
				}
				if verdict := closeEntry(t, here.Ledger, again, row.got); verdict != routing.VerdictRelay {
					t.Errorf("got verdict %q, want the answer relayed", verdict)
				}
				if got := here.CacheStatus().Outdated; got != 1 {
					t.Errorf("%d answers were counted as outdated, want 1", got)
				}
			})
		})
	}
}

// TestUncertainAnswers: an answer that must be compared with the store is not relayed if that does not answer.
func TestUncertainAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range staleRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReplicas(t, 1)[0]
				r.warm(t, row)
				entry := begin(t, r.Ledger, row.call)
				r.store.failWith(always(before))
				verdict, err := r.Close(t.Context(), entry, row.got)
				if row.reads+row.swaps == 0 {
					if verdict != routing.VerdictRelay || err != nil {
						t.Errorf("got verdict %q, %v; want the answer relayed", verdict, err)
					}
					return
				}
				if verdict != routing.VerdictStale || !errors.Is(err, routing.ErrUnavailable) {
					t.Errorf("got verdict %q, %v; want the answer to be stale because the store is unavailable", verdict, err)
				}
				r.store.failWith(nil)
				pass(aWhile)
				if row.reads == 0 { // it was about to be written
					record := r.store.held(t, row.call.Key)
					if subject := map[bool]*routing.Record{true: record.Instance, false: record.Binding}[row.call.Key.Binding == ""]; subject.Unfinished() {
						t.Errorf("the outcome was not written in the background: the state is %s", subject.State)
					}
				}
			})
		})
	}
}

// TestCachedRefusals: nobody is refused because of a cached record.
func TestCachedRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		replicas := newReplicas(t, 2)
		here, there := replicas[0], replicas[1]
		here.put(t, both(newInstance(), nil))
		here.fetch(t, onInstance)
		foreign := func(c *routing.Call) { c.Platform = "q" }
		for _, call := range []*routing.Call{
			newCall(routing.KindFetch, onInstance, foreign), pollInstance(foreign), deleteInstance(foreign),
			createOnInstance(foreign), bind(foreign), bind(ofOffering("s2")),
		} {
			here.store.trips()
			entry, err := here.Begin(t.Context(), call, testConfig{})
			if err != nil || entry.Decision.Refusal == routing.RefusalNone {
				t.Errorf("%s: got %+v, %v; want a refusal", call.Kind, entry, err)
			}
			here.store.wantTrips(t, "a refusal of "+string(call.Kind), 1, 0)
		}
		// It was handed over, and nobody heard of it.
		reassigned := there.store.held(t, onInstance).Instance
		reassigned.Platform = "q"
		there.store.put(t, string(encodeRecord(t, reassigned)))
		entry, err := here.Begin(t.Context(), pollInstance(foreign), testConfig{})
		if err != nil || entry.Decision.Refusal != routing.RefusalNone || entry.Cached {
			t.Errorf("got %+v, %v; want the poll of the new owner sent by what the store says", entry, err)
		}
	})
}

// TestGuesses: calls that change something begin with a write by cached records. If these are outdated, the write says
// so.
func TestGuesses(t *testing.T) {
	t.Parallel()
	for name, outdated := range map[string]bool{"right": false, "outdated": true} {
		for _, row := range []struct {
			name string
			call *routing.Call
			// cold is what it costs to begin without a cache, in reads and swaps.
			cold [2]int
		}{
			{"create of a taken id", createOnInstance(named("t3")), [2]int{0, 2}},
			{"delete", deleteInstance(named("t3")), [2]int{1, 1}},
			{"bind of a taken id", bind(named("t3")), [2]int{1, 1}},
			{"unbind", unbind(named("t3")), [2]int{1, 1}},
		} {
			t.Run(row.name+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					replicas := newReplicas(t, 2)
					here, there := replicas[0], replicas[1]
					here.settled(t)
					here.store.cut()
					here.store.listener.Ready() // nothing is cached, not even as a guess
					begin(t, here.Ledger, row.call)
					here.store.wantTrips(t, "a cold begin", row.cold[0], row.cold[1])
					closeEntry(t, here.Ledger, begin(t, here.Ledger, row.call), outcomeOther)
					here.store.deliver(100)

					here.fetch(t, onInstance)
					if row.call.Key.Binding != "" {
						here.fetch(t, row.call.Key)
					}
					writes := 1
					if outdated {
						writes = 2
						begin(t, there.Ledger, newCall(routing.KindDelete, row.call.Key, named("t4")))
					}
					here.store.trips()
					again := *row.call
					named("t5")(&again)
					entry := begin(t, here.Ledger, &again)
					here.store.wantTrips(t, "a begin by a guess", 0, writes)
					if entry.Cached {
						t.Error("what was written is said to be cached")
					}
					if _, entered := entry.Subject().Calls["t4"]; entered != outdated {
						t.Errorf("the call of the other gateway is in the record: got %t", entered)
					}
					if _, entered := here.store.held(t, again.Key).Instance.Calls["t5"]; again.Key.Binding == "" && !entered {
						t.Error("the call was not entered")
					}
				})
			})
		}
	}
}

// TestGuessOfNewBinding: a bind is taken to be of a free id if the instance is cached.
func TestGuessOfNewBinding(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{"free": false, "taken": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				replicas := newReplicas(t, 2)
				here, there := replicas[0], replicas[1]
				here.put(t, both(newInstance(), nil))
				here.fetch(t, onInstance)
				here.store.trips()
				swaps := 1
				if taken {
					swaps = 2
					begin(t, there.Ledger, bind(named("t2")))
				}
				begin(t, here.Ledger, bind(named("t3")))
				here.store.wantTrips(t, "the begin of a bind", 0, swaps)
				calls := here.store.held(t, onBinding).Binding.Calls
				if _, joined := calls["t2"]; joined != taken || len(calls) != swaps {
					t.Errorf("the binding's record has the calls %v", calls)
				}
			})
		})
	}
}

// TestUpdateNeverGuesses: an update enters nothing, so nothing would compare.
func TestUpdateNeverGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(t, 1)[0]
		r.settled(t)
		r.fetch(t, onInstance)
		r.store.trips()
		if entry := begin(t, r.Ledger, updateInstance(named("t2"))); entry.Cached {
			t.Error("an update goes by a cached record")
		}
		r.store.wantTrips(t, "the begin of an update", 1, 0)
	})
}

// TestGuessOfTheClock: a delete whose guess of the store's clock ran ahead of the end of a create's time or of a doubt
// is not final, and the times that it and others entered are right.
func TestGuessOfTheClock(t *testing.T) {
	t.Parallel()
	open := func(until time.Time) edit { return openCreate("t0", routing.At(until)) }
	doubt := func(until time.Time) edit { return inDoubt(routing.At(until)) }
	for _, row := range []struct {
		name   string
		edit   func(until time.Time) edit
		jump   time.Duration // of the store's clock, after the record was cached
		final  bool
		writes int
	}{
		{"an open create, clock far back", open, -time.Minute, false, 2},
		{"an open create, clock a little back", open, -500 * time.Millisecond, false, 2},
		{"a doubt, clock far back", doubt, -time.Minute, false, 2},
		{"a doubt, clock a little back", doubt, -500 * time.Millisecond, false, 2},
		{"a doubt, clock right", doubt, 0, true, 1},
		{"a doubt, clock forward", doubt, 10 * time.Second, true, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				clock := &memoryClock{now: time.Now()}
				r := newReplicas(t, 1, routing.MemoryClock(clock.Now))[0]
				until := clock.Now().Add(5 * time.Second)
				r.put(t, both(newInstance(row.edit(until)), nil))
				r.fetch(t, onInstance)
				pass(5*time.Second + time.Millisecond) // as far as this gateway knows, it is over
				clock.now = clock.now.Add(5*time.Second + time.Millisecond + row.jump)
				r.store.trips()
				entry := begin(t, r.Ledger, deleteInstance(named("t2")))
				r.store.wantTrips(t, "the begin of the delete", 0, row.writes)
				if got := entry.Decision.Final(); got != row.final {
					t.Errorf("the delete is final: got %t, want %t", got, row.final)
				}
				call := r.store.held(t, onInstance).Instance.Calls["t2"]
				if call.Final != row.final {
					t.Errorf("the delete is recorded as final: got %t, want %t", call.Final, row.final)
				}
				if off := time.Duration(call.Until-routing.At(clock.Now()).Add(timeout+settle)) * time.Millisecond; off > time.Second || off < -time.Second {
					t.Errorf("the delete's time ends %v off", off)
				}
				verdict := closeEntry(t, r.Ledger, entry, outcomeDone)
				if got := verdict == routing.VerdictRelay; got != row.final {
					t.Errorf("the delete's success is relayed: got %t, want %t", got, row.final)
				}
			})
		})
	}
}

// TestGuessOfTheClockForBinds: the times of a bind are put right in the binding's record, and nowhere else.
func TestGuessOfTheClockForBinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &memoryClock{now: time.Now()}
		r := newReplicas(t, 1, routing.MemoryClock(clock.Now))[0]
		r.put(t, both(newInstance(openCreate("t0", soon)), nil))
		r.fetch(t, onInstance)
		clock.now = clock.now.Add(-10 * time.Minute)
		begin(t, r.Ledger, bind(named("t2")))
		held := r.store.held(t, onBinding)
		right := routing.At(clock.now)
		if got, want := held.Binding.Calls["t2"].Until, right.Add(timeout+settle); got != want {
			t.Errorf("the bind ends %v off", time.Duration(got-want)*time.Millisecond)
		}
		if held.Binding.Created != right || held.Binding.Updated != right {
			t.Errorf("the binding was created at %d and updated at %d, want %d", held.Binding.Created, held.Binding.Updated, right)
		}
		wantRecord(t, "the instance", newInstance(openCreate("t0", soon)), held.Instance)
	})
}

// TestEndByTheClock: whether a doubt is over when a deletion ends is what the store's clock says then.
func TestEndByTheClock(t *testing.T) {
	t.Parallel()
	for name, isCached := range map[string]bool{"cached": true, "read": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				clock := &memoryClock{now: time.Now()}
				r := newReplicas(t, 1, routing.MemoryClock(clock.Now))[0]
				until := routing.At(clock.Now().Add(5 * time.Second))
				r.put(t, both(newInstance(inState(routing.Deleting), inDoubt(until)), nil))
				if isCached {
					r.fetch(t, onInstance)
				}
				entry := begin(t, r.Ledger, pollInstance())
				if entry.Cached != isCached {
					t.Errorf("the poll's record is cached: got %t, want %t", entry.Cached, isCached)
				}
				pass(10 * time.Second) // the store's clock has stopped
				closeEntry(t, r.Ledger, entry, outcomeSucceeded)
				if got := r.store.held(t, onInstance).Instance.State; got != routing.Claimed {
					t.Errorf("the instance is %s, want claimed: a create may come to be", got)
				}
			})
		})
	}
}
