package e2e_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// secondGateway starts another process on the same store.
func (w *world) secondGateway(t *testing.T) *harness.Gateway {
	t.Helper()
	options := w.options
	options.Directory = t.TempDir()
	return harness.Start(t, options)
}

func TestSecondProcessKnowsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	before := w.populate(t)
	second := w.secondGateway(t)
	w.findAll(t, second, before)
	after := w.populate(t)
	w.findAll(t, second, after)

	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), second.Do(t, get("/v2/catalog")))

	// What one deletes is gone for the other.
	w.removeAll(t, second, before)
	for _, o := range before {
		w.expect(t, del(instancePath(o.instance)+ids(o.broker, small)), http.StatusGone, o.broker)
	}
	second.Kill(t)
	w.findAll(t, w.Gateway, after)
	w.removeAll(t, w.Gateway, after)
}

// TestRacingCreates asks for the same id on two brokers through two processes, many times.
func TestRacingCreates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	second := w.secondGateway(t)
	const races, atOnce = 150, 10
	ids := make(chan string, races)
	for range races {
		ids <- newGUID()
	}
	close(ids)
	var racers sync.WaitGroup
	winners := make([]map[string]string, atOnce)
	for n := range atOnce {
		winners[n] = make(map[string]string)
		racers.Go(func() {
			for id := range ids {
				winners[n][id] = race(t, id, w.Gateway, second)
			}
		})
	}
	racers.Wait()

	won := make(map[string]int)
	for n := range winners {
		for id, winner := range winners[n] {
			won[winner]++
			for _, broker := range []string{alpha, beta} {
				if got, want := holds(w.brokers[broker], id), broker == winner; got != want {
					t.Errorf("%s was won by %s: %s has it: got %v, want %v", id, winner, broker, got, want)
				}
			}
			w.expect(t, get(instancePath(id)), http.StatusOK, winner)
			w.expectThrough(t, second, get(instancePath(id)), http.StatusOK, winner)
			if t.Failed() {
				return
			}
		}
	}
	if got := won[alpha] + won[beta]; got != races {
		t.Errorf("got %d winners, want %d", got, races)
	}
}

// race creates an instance on alpha through one process and on beta through another, at the same time, and returns the
// broker that won. The loser is told that the id is taken.
func race(t *testing.T, id string, gateways ...*harness.Gateway) (winner string) {
	brokers := []string{alpha, beta}
	statuses := make([]int, len(gateways))
	start := make(chan struct{})
	var both sync.WaitGroup
	for n, gateway := range gateways {
		both.Go(func() {
			<-start
			answer, err := gateway.Try(put(instancePath(id), create(brokers[n], small)))
			if err != nil {
				t.Errorf("PUT of %s: %v", id, err)
			}
			statuses[n] = answer.Status
		})
	}
	close(start)
	both.Wait()
	switch {
	case statuses[0] == http.StatusCreated && statuses[1] == http.StatusConflict:
		return brokers[0]
	case statuses[1] == http.StatusCreated && statuses[0] == http.StatusConflict:
		return brokers[1]
	}
	t.Errorf("%s: got %v, want one 201 and one 409", id, statuses)
	return ""
}

// TestRacingRepeats sends the same PUT through two processes: both are told that the instance is there.
func TestRacingRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	second := w.secondGateway(t)
	for range 30 {
		id := newGUID()
		var both sync.WaitGroup
		for _, gateway := range []*harness.Gateway{w.Gateway, second} {
			both.Go(func() {
				answer, err := gateway.Try(put(instancePath(id), create(alpha, small)))
				if err != nil || answer.Status != http.StatusCreated && answer.Status != http.StatusOK {
					t.Errorf("PUT of %s: got %d %s, %v, want 201 or 200", id, answer.Status, answer.Body, err)
				}
			})
		}
		both.Wait()
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	}
}
