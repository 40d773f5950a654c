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

// movingInstance is an id that is held by one of two backends or by none, and that moves between them.
type movingInstance struct {
	mu    sync.Mutex
	where routing.BackendID
	moves int
}

func (m *movingInstance) move(to routing.BackendID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.where = to
	m.moves++
}

func (m *movingInstance) at() (where routing.BackendID, moves int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.where, m.moves
}

// get sends a GET as the gateway does: once more, by what the store says, if its record turns out to be outdated.
func (r replica) get(t *testing.T, instance *movingInstance) (status int) {
	for _, fresh := range []bool{false, true} {
		call := newCall(routing.KindFetch, onInstance)
		call.Fresh = fresh
		entry, err := r.Begin(t.Context(), call, testConfig{})
		if err != nil || entry.Decision.Refusal != routing.RefusalNone {
			t.Errorf("GET: %+v, %v", entry, err)
			return 0
		}
		runtime.Gosched()
		outcome := outcomeOther
		if where, _ := instance.at(); where != entry.Decision.Backend {
			outcome = notFound
		}
		verdict, err := r.Close(t.Context(), entry, outcome)
		switch {
		case err != nil:
			t.Errorf("close: %v", err)
			return 0
		case verdict == routing.VerdictRelay && outcome.Failed:
			return 404
		case verdict == routing.VerdictRelay:
			return 200
		}
	}
	t.Error("a GET that went by what the store says is outdated")
	return 0
}

// TestNoFalseGoodbye has one gateway delete an instance and create it on the other backend, again and again, while
// others that hear of it late or never send GETs. While the instance stays where it is, none of them is told that it is
// not there.
func TestNoFalseGoodbye(t *testing.T) {
	t.Parallel()
	const moves, readers = 100, 2
	replicas := newReplicas(t, 1+readers)
	instance := new(movingInstance)
	create := func(backend routing.BackendID, token string) {
		entry := begin(t, replicas[0].Ledger, createOnInstance(offeredBy(backend), named(token)))
		instance.move(backend)
		closeEntry(t, replicas[0].Ledger, entry, outcomeDone)
	}
	create("a", "t0")
	var over atomic.Bool
	var stayed atomic.Int64
	var reading sync.WaitGroup
	for n, reader := range replicas[1:] {
		reading.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 0))
			for !over.Load() || stayed.Load() == 0 {
				if random.IntN(20) == 0 {
					reader.store.deliver(random.IntN(10))
				}
				where, before := instance.at()
				status := reader.get(t, instance)
				if _, after := instance.at(); where == "" || before != after {
					continue
				}
				stayed.Add(1)
				if status != 200 {
					t.Errorf("a GET is answered %d while backend %s holds the instance", status, where)
				}
			}
		})
	}
	for n := range moves {
		entry := begin(t, replicas[0].Ledger, deleteInstance(named(fmt.Sprint("d", n))))
		instance.move("")
		closeEntry(t, replicas[0].Ledger, entry, outcomeDone)
		create([]routing.BackendID{"b", "a"}[n%2], fmt.Sprint("c", n))
		for range 50 {
			runtime.Gosched()
		}
	}
	over.Store(true)
	reading.Wait()
	outdated := uint64(0)
	for _, reader := range replicas[1:] {
		outdated += reader.CacheStatus().Outdated
	}
	t.Logf("%d GETs while the instance stayed where it was; %d answers were outdated", stayed.Load(), outdated)
	if outdated == 0 {
		t.Error("no answer was outdated, so nothing was tried")
	}
}
