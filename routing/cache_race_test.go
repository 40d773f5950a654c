package routing_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	racedReplicas  = 3
	racedInstances = 3
	racedRounds    = 2000
)

// racedReplica is a gateway of TestCacheRace, and what it must know of each instance by now.
type racedReplica struct {
	replica
	// least is the revision that each instance has at the least, as far as this gateway was told or wrote itself.
	least [racedInstances]atomic.Uint64
	// told counts the messages about each instance that were delivered, or lost before the gateway was told so. Each
	// write is one message and one revision.
	told [racedInstances]uint64
}

func racedKey(i int) routing.Key {
	return routing.Key{Instance: routing.InstanceID(fmt.Sprint("i", i))}
}

// knows raises what the gateway must know.
func (r *racedReplica) knows(i int, revision uint64) {
	for {
		least := r.least[i].Load()
		if least >= revision || r.least[i].CompareAndSwap(least, revision) {
			return
		}
	}
}

// message delivers the oldest message or, with `lost`, loses all that wait and has the gateway told so. It returns
// false if none waited. One goroutine calls it.
func (r *racedReplica) message(lost bool) bool {
	r.store.mu.Lock()
	told := r.store.waiting
	if lost {
		r.store.waiting = nil
		r.store.listener.Lost(errCut)
		r.store.listener.Ready()
	} else {
		told = told[:min(1, len(told))]
		r.store.waiting = r.store.waiting[len(told):]
		for _, key := range told {
			r.store.listener.Changed(key)
		}
	}
	r.store.mu.Unlock()
	for _, key := range told {
		i := int(key.Instance[1] - '0')
		r.told[i]++
		r.knows(i, r.told[i])
	}
	return len(told) > 0
}

// write enters a create and closes it: two writes of this gateway's.
func (r *racedReplica) write(t *testing.T, i int, token string) {
	entry, err := r.Begin(t.Context(), newCall(routing.KindCreate, racedKey(i), named(token)), testConfig{})
	if err != nil {
		t.Errorf("begin: %v", err)
		return
	}
	r.knows(i, entry.Subject().Rev)
	if _, err := r.Close(t.Context(), entry, outcomeDone); err != nil {
		t.Errorf("close: %v", err)
		return
	}
	r.knows(i, entry.Subject().Rev+1)
}

// read begins a GET. What it goes by must not be older than what the gateway knew before.
func (r *racedReplica) read(t *testing.T, i int) (cached bool) {
	least := r.least[i].Load()
	entry, err := r.Begin(t.Context(), newCall(routing.KindFetch, racedKey(i)), testConfig{})
	if err != nil {
		t.Errorf("begin: %v", err)
		return false
	}
	if least > 0 && (entry.Subject() == nil || entry.Subject().Rev < least) {
		t.Errorf("a GET of instance %d goes by %+v (cached: %t), and revision %d was known", i, entry.Subject(), entry.Cached, least)
	}
	return entry.Cached
}

// TestCacheRace has several gateways change and read a few instances, while messages are late, and lost now and then.
// No gateway ever goes by a record that is older than one whose message was delivered to it, or than one it wrote
// itself.
func TestCacheRace(t *testing.T) {
	t.Parallel()
	shared := routing.NewMemoryStore()
	var replicas [racedReplicas]*racedReplica
	for n := range replicas {
		// A cache of a single shard has the most to do with itself.
		replicas[n] = &racedReplica{replica: newReplica(t, shared, routing.LedgerOptions{CacheEntries: 16})}
		replicas[n].store.afterRead = func() {
			for range 10 {
				runtime.Gosched() // much may happen between a read and its return
			}
		}
	}
	var hits atomic.Int64
	var racing, delivering sync.WaitGroup
	var over atomic.Bool
	for n, r := range replicas {
		random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(uint64(n), stream)) }
		delivering.Go(func() {
			random := random(0)
			for r.message(random.IntN(100) == 0) || !over.Load() {
				for range random.IntN(30) {
					runtime.Gosched() // messages are late
				}
			}
		})
		racing.Go(func() {
			random := random(1)
			for round := range racedRounds / 20 {
				r.write(t, random.IntN(racedInstances), fmt.Sprintf("%d-%d", n, round))
				for range 10 {
					runtime.Gosched()
				}
			}
		})
		for reader := range 2 {
			racing.Go(func() {
				random := random(uint64(2 + reader))
				for range racedRounds {
					if r.read(t, random.IntN(racedInstances)) {
						hits.Add(1)
					}
				}
			})
		}
	}
	racing.Wait()
	over.Store(true)
	delivering.Wait()
	if hits.Load() == 0 {
		t.Error("no GET went by a cached record")
	}
	t.Logf("%d of %d GETs went by a cached record", hits.Load(), racedReplicas*2*racedRounds)
	for i := range racedInstances {
		want := replicas[0].store.held(t, racedKey(i)).Instance.Rev
		for n, r := range replicas {
			if got := r.least[i].Load(); got != want {
				t.Errorf("in the end gateway %d knows of revision %d of instance %d, want %d", n, got, i, want)
			}
			r.read(t, i)
		}
	}
}
