package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestFileServesOneProcess starts a second process on the file of the first.
func TestFileServesOneProcess(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	file := filepath.Join(t.TempDir(), "ownership.db")
	w.start(t, harness.Options{Block: w.block("store file " + file)})
	all := w.populate(t)

	options := w.options
	options.Directory = t.TempDir()
	second := harness.Launch(t, options)
	if code := second.AwaitEnd(t); code == 0 {
		t.Error("the second process: got exit code 0, want another")
	}
	var complaint string
	for line := range strings.SplitSeq(second.Output(), "\n") {
		if strings.Contains(line, file) && strings.Contains(line, "another process") {
			complaint = line
		}
	}
	if complaint == "" {
		t.Errorf("the second process names neither the file nor the reason; it said:\n%s", second.Output())
	}
	w.findAll(t, w.Gateway, all)

	// When the first one ends, another may take its place.
	w.Stop(t)
	third := harness.Start(t, options)
	w.findAll(t, third, all)
}

// TestKillDuringCreates kills the process under a storm of creates. Nothing that was acknowledged is lost, and nothing that
// a broker made is out of reach.
func TestKillDuringCreates(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		for range 5 {
			acknowledged := w.createUntilKilled(t)
			w.Restart(t)
			for id, broker := range acknowledged {
				w.expect(t, get(instancePath(id)), http.StatusOK, broker)
				w.expect(t, del(instancePath(id)+ids(broker, small)), http.StatusOK, broker)
			}
			for _, broker := range brokerNames {
				for _, id := range w.brokers[broker].Instances() {
					w.expect(t, get(instancePath(id)), http.StatusOK, broker)
					w.removeUnacknowledged(t, id, broker)
				}
			}
			if t.Failed() {
				return
			}
		}
	})
}

// removeUnacknowledged deletes an instance whose creation the platform heard nothing of. If its outcome was not recorded
// either, it is open for as long as it may take, and the platform is to come again.
func (w *world) removeUnacknowledged(t *testing.T, id, broker string) {
	t.Helper()
	answer := w.Do(t, del(instancePath(id)+ids(broker, small)))
	switch answer.Status {
	case http.StatusOK:
	case http.StatusUnprocessableEntity:
		refused(t, answer, "ConcurrencyError")
	default:
		t.Errorf("DELETE of %s: got %d %s, want 200 or 422", id, answer.Status, answer.Body)
	}
	if holds(w.brokers[broker], id) {
		t.Errorf("%s still has %s", broker, id)
	}
}

// createUntilKilled returns the instances that were acknowledged, and their brokers.
func (w *world) createUntilKilled(t *testing.T) map[string]string {
	t.Helper()
	var mu sync.Mutex
	acknowledged := make(map[string]string)
	var storm sync.WaitGroup
	for n := range 9 {
		broker := brokerNames[n%len(brokerNames)]
		storm.Go(func() {
			for {
				id := newGUID()
				answer, err := w.Try(put(instancePath(id), create(broker, small)))
				if err != nil {
					return // killed
				}
				if answer.Status != http.StatusCreated {
					t.Errorf("PUT: got %d %s, want 201", answer.Status, answer.Body)
					return
				}
				mu.Lock()
				acknowledged[id] = broker
				mu.Unlock()
			}
		})
	}
	harness.Await(t, "instances to be created", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return t.Failed() || len(acknowledged) >= 60
	})
	w.Kill(t)
	storm.Wait()
	return acknowledged
}
