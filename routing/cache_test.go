package routing_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var notFound = routing.Outcome{Class: routing.ClassOther, Delivered: true, Failed: true}

// TestCacheServesReaders: what was read once is not read again, until it changes or a minute has passed.
func TestCacheServesReaders(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]routing.Key{"instance": onInstance, "binding": onBinding} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				both := newReplicas(t, 2)
				here, there := both[0], both[1]
				here.settled(t)
				here.wantFetch(t, "the first GET", key, true)
				here.wantFetch(t, "the second GET", key, false)

				closeEntry(t, there.Ledger, begin(t, there.Ledger, newCall(routing.KindDelete, key, named("t2"))), outcomeOther)
				here.wantFetch(t, "a GET before the message of a change", key, false)
				here.store.deliver(100)
				entry := here.wantFetch(t, "a GET after it", key, true)
				if got := entry.Subject().Calls["t2"].Done; got == 0 {
					t.Error("the GET goes by a record without the change")
				}
				here.wantFetch(t, "the next GET", key, false)

				pass(time.Minute)
				here.wantFetch(t, "a GET a minute later", key, false)
				pass(time.Second)
				here.wantFetch(t, "a GET more than a minute later", key, true)
			})
		})
	}
}

// TestDocumentsPassTheCache: a document that was written is told of, and drops no record.
func TestDocumentsPassTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := routing.NewMemoryStore()
		type written struct {
			Name    string
			Version uint64
		}
		var told []written
		r := newReplica(t, shared, routing.LedgerOptions{
			OnDocument: func(name string, version uint64) { told = append(told, written{name, version}) },
		})
		r.settled(t)
		r.wantFetch(t, "the first GET", onInstance, true)
		for version := range uint64(2) {
			if _, swapped, err := shared.SwapDocument(t.Context(), "d", version, []byte("x")); err != nil || !swapped {
				t.Fatalf("writing a document: %t, %v", swapped, err)
			}
		}
		if diff := cmp.Diff([]written{{"d", 1}, {"d", 2}}, told); diff != "" {
			t.Errorf("documents that were told of (-want +got):\n%s", diff)
		}
		r.wantFetch(t, "a GET after a document was written", onInstance, false)
	})
}

// TestCacheOfOwnWrites: as soon as a write has returned, this gateway goes by nothing older, whether or not it was told
// of, nor when it does not know whether the write happened.
func TestCacheOfOwnWrites(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fault{"written": none, "written, answer lost": after} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReplicas(t, 1)[0]
				r.settled(t)
				for _, key := range []routing.Key{onInstance, onBinding} {
					r.fetch(t, key)
					r.store.failOnceItSwaps(fault)
					_, err := r.Begin(t.Context(), newCall(routing.KindDelete, key, named("t2")), testConfig{})
					if (err == nil) != (fault == none) {
						t.Errorf("begin: %v", err)
					}
					entry := r.wantFetch(t, "a GET after an own write", key, true)
					if _, entered := entry.Subject().Calls["t2"]; !entered {
						t.Error("the GET goes by a record without the write")
					}
				}
				pass(aWhile) // what waits is written
			})
		})
	}
}

// TestCacheInsertion: a value that was read before an invalidation is not put in after it, whatever it is of.
func TestCacheInsertion(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(t *testing.T, here, there replica){
		"a message": func(t *testing.T, here, there replica) {
			t.Helper()
			begin(t, there.Ledger, deleteInstance(named("t2")))
			if here.store.deliver(100) != 1 {
				t.Error("no message was delivered")
			}
		},
		"an own write": func(t *testing.T, here, _ replica) {
			t.Helper()
			begin(t, here.Ledger, createOnInstance(named("t2")))
		},
		"messages were lost": func(t *testing.T, here, there replica) {
			t.Helper()
			begin(t, there.Ledger, deleteInstance(named("t2")))
			here.store.cut()
			here.store.listener.Ready()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				both := newReplicas(t, 2)
				here, there := both[0], both[1]
				here.settled(t)
				here.store.afterRead = func() {
					here.store.afterRead = nil
					meanwhile(t, here, there)
				}
				begin(t, here.Ledger, newCall(routing.KindFetch, onInstance))
				entry := here.wantFetch(t, "the next GET", onInstance, true)
				if _, entered := entry.Subject().Calls["t2"]; !entered {
					t.Error("the GET goes by a record without the change")
				}
				here.store.deliver(100)
				here.fetch(t, onInstance)
				here.wantFetch(t, "a GET when all is calm", onInstance, false)
			})
		})
	}
}

// TestCacheOfTwoReads: of two reads that disagree, none is believed. The later one would do, and nobody knows which it
// is.
func TestCacheOfTwoReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		both := newReplicas(t, 2)
		here, there := both[0], both[1]
		here.settled(t)
		here.store.afterRead = func() {
			here.store.afterRead = nil
			begin(t, there.Ledger, deleteInstance(named("t2")))
			here.fetch(t, onInstance) // the new value is put in
		}
		begin(t, here.Ledger, newCall(routing.KindFetch, onInstance)) // returns with the old one
		entry := here.wantFetch(t, "the next GET", onInstance, true)
		if _, entered := entry.Subject().Calls["t2"]; !entered {
			t.Error("the GET goes by the older of two values that were read")
		}
	})
}

// TestCacheLost: without messages the cache is empty and stays so.
func TestCacheLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []error
		r := newReplica(t, routing.NewMemoryStore(), routing.LedgerOptions{OnWatch: func(err error) { said = append(said, err) }})
		r.settled(t)
		r.fetch(t, onInstance)
		r.wantFetch(t, "a GET", onInstance, false)
		r.store.cut()
		r.wantFetch(t, "a GET after the messages ceased", onInstance, true)
		r.wantFetch(t, "the next GET", onInstance, true)
		if status := r.CacheStatus(); !status.Enabled || status.Ready || status.Entries != 0 {
			t.Errorf("got %+v, want a cache that is out of use", status)
		}
		r.store.cut()
		r.store.listener.Ready()
		r.wantFetch(t, "a GET after the messages come again", onInstance, true)
		r.wantFetch(t, "the next GET", onInstance, false)
		if want := []error{nil, errCut, nil}; !cmp.Equal(want, said, cmpopts.EquateErrors()) {
			t.Errorf("the gateway was told %v, want %v", said, want)
		}
	})
}

// TestCacheSaysThatItCannotWatch: a store that never tells of changes is said to be so once, and not at the end.
func TestCacheSaysThatItCannotWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		said := 0
		options := routing.LedgerOptions{OnWatch: func(err error) {
			if err != nil {
				said++
			}
		}}
		ledger := routing.NewLedger(deafStore{routing.NewMemoryStore()}, options)
		ledger.Watch()
		synctest.Wait()
		if said != 1 {
			t.Errorf("it was said %d times that changes are not told of, want once", said)
		}
		silent := routing.NewLedger(deafStore{routing.NewMemoryStore()}, options)
		if err := silent.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		silent.Watch()
		if err := ledger.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if said != 1 {
			t.Errorf("the end was told of as a loss, %d times", said-1)
		}
	})
}

// TestCacheLeavesOut: what is not cached is asked for each time.
func TestCacheLeavesOut(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		held routing.Records
		key  routing.Key
		asks bool
	}{
		{name: "an instance", held: both(newInstance(), nil), key: onInstance},
		{name: "a binding", held: both(newInstance(), newBinding()), key: onBinding},
		{name: "an instance that is being created", held: both(newInstance(inState(routing.Creating)), nil), key: onInstance},
		{name: "a claim that was seen", held: both(newInstance(inState(routing.Claimed)), nil), key: onInstance},
		{name: "absence", key: onInstance, asks: true},
		{name: "the absence of a binding", held: both(newInstance(), nil), key: onBinding, asks: true},
		{name: "the absence of a binding's instance", held: both(nil, newBinding()), key: onBinding, asks: true},
		{name: "a claim of which nothing is known", held: both(newInstance(claimed), nil), key: onInstance, asks: true},
		{name: "a tombstone", held: both(newInstance(inState(routing.Gone)), nil), key: onInstance, asks: true},
		{name: "a record that is large", held: both(newInstance(func(r *routing.Record) {
			r.Op.Operation = strings.Repeat("o", 16<<10)
		}), nil), key: onInstance, asks: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newReplicas(t, 1)[0]
				r.put(t, row.held)
				r.fetch(t, row.key)
				r.wantFetch(t, "the second GET", row.key, row.asks)
			})
		})
	}
}

// put writes records as another gateway would.
func (r replica) put(t *testing.T, records routing.Records) {
	t.Helper()
	key, change := onInstance, routing.Change{}
	if records.Instance != nil {
		change.Instance = &routing.Write{Data: encodeRecord(t, records.Instance)}
	}
	if records.Binding != nil {
		key = onBinding
		change.Binding = &routing.Write{Data: encodeRecord(t, records.Binding)}
	}
	change.Key = key
	if _, swapped, err := r.store.shared.Swap(t.Context(), change); err != nil || !swapped {
		t.Fatalf("put: %t, %v", swapped, err)
	}
	r.store.deliver(100)
}

// TestCacheIsBounded: it holds no more than it may, and forgets what was not used for longest.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const capacity = 10
		r := newReplica(t, routing.NewMemoryStore(), routing.LedgerOptions{CacheEntries: capacity})
		key := func(i int) routing.Key { return routing.Key{Instance: routing.InstanceID(fmt.Sprint("i", i))} }
		for i := range 3 * capacity {
			create := newCall(routing.KindCreate, key(i), named(fmt.Sprint("t", i)))
			closeEntry(t, r.Ledger, begin(t, r.Ledger, create), outcomeDone)
			r.store.deliver(100)
		}
		for i := range 3 * capacity {
			r.fetch(t, key(i))
			r.wantFetch(t, "the second GET", key(i), false)
			if i < capacity {
				r.wantFetch(t, "a GET of what is used often", key(0), false)
			}
		}
		r.wantFetch(t, "a GET of what was forgotten", key(1), true)
		want := routing.CacheStatus{
			Enabled: true, Ready: true, Entries: capacity, Capacity: capacity, Hits: 4 * capacity,
		}
		counters := cmpopts.IgnoreFields(routing.CacheStatus{}, "Misses", "Invalidations")
		if diff := cmp.Diff(want, r.CacheStatus(), counters); diff != "" {
			t.Errorf("the status differs (-want +got):\n%s", diff)
		}
	})
}

// TestNoCache: a store that cannot tell of changes, one that was not asked to, and a capacity of none.
func TestNoCache(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() *routing.Ledger{
		"store cannot": func() *routing.Ledger {
			ledger := routing.NewLedger(newFaultyStore(), routing.LedgerOptions{})
			ledger.Watch()
			return ledger
		},
		"not watching": func() *routing.Ledger {
			return routing.NewLedger(routing.NewMemoryStore(), routing.LedgerOptions{})
		},
		"no capacity": func() *routing.Ledger {
			ledger := routing.NewLedger(routing.NewMemoryStore(), routing.LedgerOptions{CacheEntries: -1})
			ledger.Watch()
			return ledger
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := open()
			closeEntry(t, ledger, begin(t, ledger, createOnInstance()), outcomeDone)
			for range 2 {
				if begin(t, ledger, newCall(routing.KindFetch, onInstance)).Cached {
					t.Error("a record is cached")
				}
			}
			if status := ledger.CacheStatus(); status.Ready || status.Entries != 0 {
				t.Errorf("got %+v, want no cache in use", status)
			}
			if err := ledger.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
