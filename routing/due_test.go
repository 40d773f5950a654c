package routing_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var outcomeInProgress = routing.Outcome{Class: routing.ClassInProgress, Delivered: true}

// dueTest is a store with operations that nobody polls, and two gateways on it.
type dueTest struct {
	*testing.T
	store *faultyStore
	// ledger is the first gateway's, due what it and the other one find.
	ledger     *routing.Ledger
	due, other *routing.Due
}

func newDueTest(t *testing.T) *dueTest {
	t.Helper()
	store := newFaultyStore()
	ledger := routing.NewLedger(store, routing.LedgerOptions{})
	return &dueTest{
		T: t, store: store, ledger: ledger, due: ledger.Due(testConfig{}),
		other: routing.NewLedger(store, routing.LedgerOptions{}).Due(testConfig{}),
	}
}

// accept has a call end with a 202.
func (d *dueTest) accept(kind routing.Kind, key routing.Key, operation string, edits ...callEdit) {
	d.Helper()
	d.end(kind, key, acceptedAs(operation), edits...)
}

func (d *dueTest) end(kind routing.Kind, key routing.Key, outcome routing.Outcome, edits ...callEdit) {
	d.Helper()
	token := fmt.Sprint(kind, key, time.Now())
	closeEntry(d.T, d.ledger, begin(d.T, d.ledger, newCall(kind, key, append(edits, named(token))...)), outcome)
}

// list returns what is due, and fails where not all was looked at.
func (d *dueTest) list(due *routing.Due) []*routing.Unpolled {
	d.Helper()
	found, more, err := due.List(d.Context(), 100)
	if err != nil || more {
		d.Fatalf("got more %t and the error %v", more, err)
	}
	return found
}

// take takes what is due, all of it.
func (d *dueTest) take(due *routing.Due) []*routing.Entry {
	d.Helper()
	var entries []*routing.Entry
	for _, unpolled := range d.list(due) {
		entry, err := due.Take(d.Context(), unpolled)
		if err != nil {
			d.Fatal(err)
		}
		if entry != nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

// wantDue takes what is due and compares what it is about.
func (d *dueTest) wantDue(what string, want ...routing.Key) []*routing.Entry {
	d.Helper()
	entries := d.take(d.due)
	var got []routing.Key
	for _, entry := range entries {
		got = append(got, entry.Call.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("%s: due (-want +got):\n%s", what, diff)
	}
	return entries
}

func (d *dueTest) wantState(want routing.State) {
	d.Helper()
	if got := d.store.held(d.T, onInstance).Instance.State; got != want {
		d.Errorf("the instance is %s, want %s", got, want)
	}
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(d *dueTest)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newDueTest(t)) })
}

// TestDueSettles: what an own poll says settles a record as a platform's poll does.
func TestDueSettles(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		kind    routing.Kind
		outcome routing.Outcome
		want    routing.State
	}{
		{"a creation succeeded", routing.KindCreate, outcomeSucceeded, routing.Ready},
		{"a creation failed", routing.KindCreate, outcomeFailedOp, routing.Claimed},
		{"a creation is gone, which is no answer", routing.KindCreate, outcomeGone, routing.Creating},
		{"an update succeeded", routing.KindUpdate, outcomeSucceeded, routing.Ready},
		{"an update failed", routing.KindUpdate, outcomeFailedOp, routing.Ready},
		{"an update is gone, which is no answer", routing.KindUpdate, outcomeGone, routing.Updating},
		{"a deletion succeeded", routing.KindDelete, outcomeSucceeded, routing.Gone},
		{"a deletion is gone", routing.KindDelete, outcomeGone, routing.Gone},
		{"a deletion failed", routing.KindDelete, outcomeFailedOp, routing.Ready},
		{"a deletion is under way", routing.KindDelete, outcomeInProgress, routing.Deleting},
		{"404, 500 or no answer", routing.KindDelete, outcomeOther, routing.Deleting},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(d *dueTest) {
				if row.kind != routing.KindCreate {
					d.end(routing.KindCreate, onInstance, outcomeDone)
				}
				d.accept(row.kind, onInstance, "o1", func(c *routing.Call) {
					if row.kind == routing.KindUpdate {
						c.Plan = "plan2"
					}
				})
				pass(time.Hour)
				entry := d.wantDue("after an hour", onInstance)[0]
				want := routing.Call{
					Kind: routing.KindPoll, Key: onInstance, Platform: "p", Service: "s1", Plan: "plan1", Operation: "o1", Fresh: true,
				}
				if diff := cmp.Diff(want, *entry.Call); diff != "" {
					d.Errorf("the poll (-want +got):\n%s", diff)
				}
				if entry.Decision.Backend != "a" {
					d.Errorf("the poll goes to %q", entry.Decision.Backend)
				}
				closeEntry(d.T, d.ledger, entry, row.outcome)
				d.wantState(row.want)
			})
		})
	}
}

// TestDueBackOff: an operation that does not end is polled after one hour, then after two, four, and so on to a day.
func TestDueBackOff(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.accept(routing.KindCreate, onInstance, "o1")
		var waits []int
		last := 0
		for minutes := 0; len(waits) < 8; minutes += 10 {
			for _, entry := range d.take(d.due) {
				waits = append(waits, (minutes-last)/60)
				last = minutes
				closeEntry(d.T, d.ledger, entry, outcomeInProgress)
			}
			pass(10 * time.Minute)
		}
		if diff := cmp.Diff([]int{1, 2, 4, 8, 16, 24, 24, 24}, waits); diff != "" {
			d.Errorf("hours between polls (-want +got):\n%s", diff)
		}
		d.accept(routing.KindDelete, onInstance, "o2")
		pass(59 * time.Minute)
		d.wantDue("the next operation, after less than an hour")
		pass(time.Minute)
		d.wantDue("the next operation, after an hour", onInstance)
	})
}

// TestDueOnce: one gateway polls, whatever the others do at the same time, and also those that come later.
func TestDueOnce(t *testing.T) {
	t.Parallel()
	d := newDueTest(t)
	const operations, gateways = 20, 6
	var mu sync.Mutex
	now := time.Now()
	d.store.Store = routing.NewMemoryStore(routing.MemoryClock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}))
	d.ledger = routing.NewLedger(d.store, routing.LedgerOptions{})
	for i := range operations {
		d.accept(routing.KindCreate, nth(i), "o")
	}
	mu.Lock()
	now = now.Add(time.Hour + time.Minute) // a create goes by a guess of the clock
	mu.Unlock()

	taken := make([][]routing.Key, gateways)
	listed := make(chan struct{}, gateways)
	start := make(chan struct{})
	var all sync.WaitGroup
	for g := range gateways {
		due := routing.NewLedger(d.store, routing.LedgerOptions{}).Due(testConfig{})
		all.Go(func() {
			found, _, err := due.List(t.Context(), 2*operations)
			if err != nil || len(found) != operations {
				t.Errorf("found %d, %v", len(found), err)
			}
			listed <- struct{}{}
			<-start
			for _, unpolled := range found {
				entry, err := due.Take(t.Context(), unpolled)
				if err != nil {
					t.Error(err)
				} else if entry != nil {
					taken[g] = append(taken[g], entry.Call.Key)
				}
			}
		})
	}
	for range gateways {
		<-listed
	}
	close(start)
	all.Wait()
	if got := len(slices.Concat(taken...)); got != operations {
		t.Errorf("%d operations were taken %d times", operations, got)
	}
	d.due = d.ledger.Due(testConfig{})
	d.wantDue("once more")
}

// TestDueAfterPolls: what a platform polls is left to it. Few of its polls cost a write.
func TestDueAfterPolls(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.accept(routing.KindCreate, onInstance, "o1")
		poll := func(outcome routing.Outcome, operation string) {
			d.end(routing.KindPoll, onInstance, outcome, withOperation(operation))
			synctest.Wait()
		}
		d.store.trips()
		for range 24 * 60 {
			pass(time.Minute)
			poll(outcomeInProgress, "o1")
		}
		if _, writes := d.store.trips(); writes != 24*4 {
			d.Errorf("a day of polls made %d writes, want one each quarter of an hour", writes)
		}
		d.wantDue("polled all day")
		pass(59 * time.Minute)
		d.wantDue("polled an hour ago, nearly")
		pass(time.Minute)
		for _, entry := range d.wantDue("polled an hour ago", onInstance) {
			closeEntry(d.T, d.ledger, entry, outcomeInProgress)
		}
		pass(time.Hour)
		d.wantDue("an hour after the first poll of its own")

		// The platform comes back: the waits begin anew.
		poll(outcomeInProgress, "")
		pass(time.Hour)
		d.wantDue("an hour after the platform's poll", onInstance)

		// Polls of something else, or that say nothing, are none of this operation.
		pass(time.Hour)
		poll(outcomeInProgress, "o0")
		poll(outcomeOther, "o1")
		pass(time.Hour)
		d.wantDue("in spite of polls of another operation", onInstance)
	})
}

// TestDueNoteIsBestEffort: a poll is answered whatever becomes of the note.
func TestDueNoteIsBestEffort(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.accept(routing.KindCreate, onInstance, "o1")
		pass(30 * time.Minute)
		entry := begin(d.T, d.ledger, pollInstance())
		d.store.failWith(always(before))
		closeEntry(d.T, d.ledger, entry, outcomeInProgress)
		synctest.Wait()
		if pending := d.ledger.Pending(); pending != 0 {
			d.Errorf("%d notes wait", pending)
		}
		d.store.failWith(nil)
		pass(30 * time.Minute)
		entries := d.wantDue("the poll was not noted", onInstance)
		// Nor does a note come after the end of the operation.
		closeEntry(d.T, d.ledger, entries[0], outcomeSucceeded)
		closeEntry(d.T, d.ledger, entry, outcomeInProgress)
		synctest.Wait()
		d.wantState(routing.Ready)
		if err := d.ledger.Shutdown(d.Context()); err != nil {
			d.Error(err)
		}
	})
}

// TestDueStale: a record that changed since it was listed is left to whoever changed it.
func TestDueStale(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.accept(routing.KindCreate, onInstance, "o1")
		pass(time.Hour)
		found := d.list(d.due)
		d.end(routing.KindPoll, onInstance, outcomeSucceeded)
		entry, err := d.due.Take(d.Context(), found[0])
		if entry != nil || err != nil {
			d.Errorf("got %v, %v of a record that changed", entry, err)
		}
		d.wantState(routing.Ready)
	})
}

// TestDueBinding: bindings are polled too, by the name of their own operation.
func TestDueBinding(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.end(routing.KindCreate, onInstance, outcomeDone)
		d.accept(routing.KindCreate, onBinding, "o1")
		pass(time.Hour)
		for _, entry := range d.wantDue("a bind", onBinding) {
			closeEntry(d.T, d.ledger, entry, outcomeSucceeded)
		}
		if got := d.store.held(d.T, onBinding).Binding.State; got != routing.Ready {
			d.Errorf("the binding is %s", got)
		}
		d.accept(routing.KindDelete, onBinding, "o2")
		d.accept(routing.KindDelete, onInstance, "o3")
		pass(time.Hour)
		for _, entry := range d.wantDue("an unbind and a deletion", onInstance, onBinding) {
			closeEntry(d.T, d.ledger, entry, outcomeGone)
		}
		held := d.store.held(d.T, onBinding)
		if held.Binding.State != routing.Gone || held.Instance.State != routing.Gone {
			d.Errorf("the binding is %s and the instance %s", held.Binding.State, held.Instance.State)
		}
	})
}

// smallConfig knows one platform and trusts, or does not know, some backends.
type smallConfig struct {
	unknown, suspect routing.BackendID
	platform         routing.PlatformID
}

func (c smallConfig) Window(backend routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: timeout, Settle: settle}, backend != c.unknown
}

func (c smallConfig) Platform(platform routing.PlatformID) (routing.PlatformID, bool) {
	return platform, platform == c.platform
}

func (c smallConfig) Suspect(backend routing.BackendID) bool { return backend == c.suspect }

// TestDueLeavesAlone: what cannot or must not be polled is left alone, and never keeps others from being polled.
func TestDueLeavesAlone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		config smallConfig
		data   string
	}{
		"a backend that is not configured":  {config: smallConfig{platform: "p", unknown: "a"}},
		"a suspect backend":                 {config: smallConfig{platform: "p", suspect: "a"}},
		"a platform that is not configured": {config: smallConfig{platform: "q"}},
		"a record of a newer gateway":       {config: smallConfig{platform: "p"}, data: `{"v":2,"op":17}`},
		"a damaged record":                  {config: smallConfig{platform: "p"}, data: `{`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(d *dueTest) {
				const alone = 25
				for i := range alone {
					d.accept(routing.KindCreate, nth(i), "o")
					if row.data != "" {
						d.store.write(d.T, nth(i), row.data)
					}
				}
				pass(time.Second)
				d.accept(routing.KindCreate, onInstance, "o", func(c *routing.Call) {
					c.Offer.Backend, c.Platform = "b", max(row.config.platform, "p")
				})
				pass(time.Hour)
				d.due = d.ledger.Due(row.config)
				d.store.trips()
				got := d.listAll(10)
				if len(got) != 1 || got[0].Backend != "b" {
					d.Fatalf("got %d, want the one that may be polled", len(got))
				}
				d.store.wantTrips(d.T, "the first listings", alone+1, 0)
				d.listAll(10)
				d.store.wantTrips(d.T, "the next listing", 1, 0)
				for i := range alone {
					if d.store.rev(d.T, nth(i)) != 2 && row.data == "" {
						d.Errorf("record %d was written", i)
					}
				}
				// Nothing is left alone for ever: the backend may be believed again.
				pass(time.Hour)
				d.listAll(10)
				d.store.wantTrips(d.T, "an hour later", alone+1, 0)
			})
		})
	}
}

// listAll lists in steps until there is no more.
func (d *dueTest) listAll(step int) []*routing.Unpolled {
	d.Helper()
	var all []*routing.Unpolled
	for range 100 {
		found, more, err := d.due.List(d.Context(), step)
		if err != nil {
			d.Fatal(err)
		}
		all = append(all, found...)
		if !more {
			return all
		}
	}
	d.Fatal("there is always more")
	return nil
}

// write puts a record that awaits polls into the store.
func (s *faultyStore) write(t *testing.T, key routing.Key, data string) {
	t.Helper()
	held, err := s.Store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Store.Swap(t.Context(), routing.Change{
		Key: key, Old: held, Instance: &routing.Write{Data: []byte(data), Unfinished: true},
	}); err != nil || !ok {
		t.Fatalf("write: %t, %v", ok, err)
	}
}

func (s *faultyStore) rev(t *testing.T, key routing.Key) uint64 {
	t.Helper()
	held, err := s.Store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	record, err := routing.DecodeRecord(held.Instance)
	if err != nil {
		return 0
	}
	return record.Rev
}

// TestDueStall: a backend that does not answer is left alone for a while, all of its operations, and no other.
func TestDueStall(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		for i := range 30 {
			d.accept(routing.KindCreate, nth(i), "o")
		}
		pass(time.Second)
		d.accept(routing.KindCreate, onInstance, "o", func(c *routing.Call) { c.Offer.Backend = "b" })
		pass(time.Hour)
		d.due.Stall("a", 10*time.Minute)
		if got := d.listAll(10); len(got) != 1 || got[0].Backend != "b" {
			d.Errorf("got %d, want the one of the other backend", len(got))
		}
		pass(10 * time.Minute)
		if got := d.list(d.due); len(got) != 31 {
			d.Errorf("got %d after the while, want all", len(got))
		}
	})
}

// TestDueWithoutStore: trouble of the store is an error, and nothing is taken.
func TestDueWithoutStore(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.accept(routing.KindCreate, onInstance, "o1")
		pass(time.Hour)
		d.store.failWith(always(before))
		if _, _, err := d.due.List(d.Context(), 10); !errors.Is(err, routing.ErrUnavailable) {
			d.Errorf("got %v, want ErrUnavailable", err)
		}
		d.store.failWith(nil)
		found := d.list(d.due)
		d.store.failWith(always(after))
		entry, err := d.due.Take(d.Context(), found[0])
		if entry != nil || !errors.Is(err, routing.ErrUnavailable) {
			d.Errorf("got %v, %v; want ErrUnavailable", entry, err)
		}
		d.store.failWith(nil)
		d.wantDue("taken, although nobody was told")
	})
}

// TestDueUnreadable: a record that the store cannot read, such as one that is damaged in a file, keeps no other from
// being polled.
func TestDueUnreadable(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		for i := range 3 {
			d.accept(routing.KindCreate, nth(i), "o")
			pass(time.Second)
		}
		pass(time.Hour)
		reads := 0
		d.store.failWith(func(operation string) fault {
			if operation == routing.StoreRead {
				reads++
			}
			if operation == routing.StoreRead && reads == 1 { // the one that waits longest
				return before
			}
			return none
		})
		d.wantDue("one cannot be read", nth(1), nth(2))
		d.wantDue("it is left alone")
		pass(time.Hour)
		d.wantDue("it can be read again", nth(0))
	})
}

// TestDueSpelled: the gateway polls by the backend's own ids, whatever the platform knows them by. While an update goes
// on, the plan is that before it.
func TestDueSpelled(t *testing.T) {
	inBubble(t, func(d *dueTest) {
		d.end(routing.KindCreate, onInstance, outcomeDone, spelled)
		d.accept(routing.KindCreate, onBinding, "o1", spelled)
		time.Sleep(time.Minute)
		d.accept(routing.KindUpdate, onInstance, "o2", viewed(), calling("a:s1", "a:plan2"))
		time.Sleep(2 * time.Hour)
		for _, entry := range d.wantDue("after two hours", onBinding, onInstance) {
			if call := entry.Call; call.Service != "s1" || call.Plan != "plan1" {
				t.Errorf("%v is polled for %q and %q, want s1 and plan1", call.Key, call.Service, call.Plan)
			}
			if _, err := d.due.Close(t.Context(), entry, outcomeSucceeded); err != nil {
				t.Error(err)
			}
		}
		records := d.store.held(t, onInstance)
		wantRecord(t, "the instance", edited(records.Instance, ofPlan("plan2"), spelledAs("a:s1", "a:plan2")), records.Instance)
	})
}
