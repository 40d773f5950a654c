package routing_test

import (
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// memoryClock is a clock that tests move.
type memoryClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *memoryClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// clockedMemory is a store that knows its clock.
type clockedMemory struct {
	*routing.MemoryStore
	clock *memoryClock
}

func openMemory(*testing.T) routing.Store {
	clock := &memoryClock{now: time.Now()}
	return clockedMemory{routing.NewMemoryStore(routing.MemoryClock(clock.Now)), clock}
}

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, openMemory, storetest.Advance(
		func(_ *testing.T, store routing.Store, by time.Duration) {
			clock := store.(clockedMemory).clock
			clock.mu.Lock()
			defer clock.mu.Unlock()
			clock.now = clock.now.Add(by)
		}))
}

func TestMemoryStoreObserver(t *testing.T) {
	t.Parallel()
	storetest.RunObserver(t, func(_ *testing.T, observe routing.Observer) routing.Store {
		return routing.NewMemoryStore(routing.MemoryObserver(observe))
	})
}

func BenchmarkMemoryStore(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) routing.Store { return routing.NewMemoryStore() })
}

func TestMemoryStoreCosts(t *testing.T) {
	t.Parallel()
	open := func(_ *testing.T, observe routing.Observer) routing.Store {
		return routing.NewMemoryStore(routing.MemoryObserver(observe))
	}
	storetest.RunCosts(t, open)
	storetest.RunColdCosts(t, open)
}
