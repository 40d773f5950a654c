package routing_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// raceBackends are two backends that hold one id or not. They do at once what they are asked.
type raceBackends struct {
	mu    sync.Mutex
	holds map[routing.BackendID]bool
	// both is set once both hold it.
	both bool
}

func (b *raceBackends) do(backend routing.BackendID, holds bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds[backend] = holds
	b.both = b.both || b.holds["a"] && b.holds["b"]
}

// TestLedgerRace has many goroutines of two gateways create and delete one id, on either backend, with a store that
// loses answers: at no time do two backends hold the instance, and in the end the record leads to the one that does.
func TestLedgerRace(t *testing.T) {
	t.Parallel()
	const racers, rounds = 12, 60
	store := newFaultyStore()
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	store.failWith(func(string) fault {
		mu.Lock()
		defer mu.Unlock()
		return []fault{none, none, none, none, none, none, none, none, before, after}[random.IntN(10)]
	})
	gateways := []*routing.Ledger{
		routing.NewLedger(keptOpen{store}, routing.LedgerOptions{}),
		routing.NewLedger(keptOpen{store}, routing.LedgerOptions{}),
	}
	backends := &raceBackends{holds: make(map[routing.BackendID]bool)}
	var racing sync.WaitGroup
	for racer := range racers {
		racing.Go(func() {
			ledger := gateways[racer%len(gateways)]
			for round := range rounds {
				call := createOnInstance(offeredBy([]routing.BackendID{"a", "b"}[(racer+round)%2]))
				if (racer/4+round)%3 == 0 {
					call = deleteInstance()
				}
				named(fmt.Sprintf("%d-%d", racer, round))(call)
				entry, err := ledger.Begin(t.Context(), call, testConfig{})
				if err != nil || entry.Decision.Refusal != routing.RefusalNone {
					continue
				}
				backends.do(entry.Decision.Backend, call.Kind == routing.KindCreate)
				_, _ = ledger.Close(t.Context(), entry, outcomeDone) // what fails is written in the background
			}
		})
	}
	racing.Wait()
	store.failWith(nil)
	for _, gateway := range gateways {
		if err := gateway.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	}
	if backends.both {
		t.Error("two backends held the instance at a time")
	}
	record := store.held(t, onInstance).Instance
	for backend, holds := range backends.holds {
		if holds && (record == nil || !record.Live() || record.Backend != backend) {
			t.Errorf("backend %s holds the instance, and the record is %+v", backend, record)
		}
	}
}

// keptOpen is a store that outlives its ledger.
type keptOpen struct{ routing.Store }

func (keptOpen) Close() error { return nil }
