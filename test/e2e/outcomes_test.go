package e2e_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// settling are lines of a backend after which a lost create need not be waited for long.
const settling = "timeout 4s\nsettle 1s"

// loseOutcomes has the brokers of so many creates answer when Redis went away. It returns the ids, which are on alpha.
func (w *world) loseOutcomes(t *testing.T, goAway func(testing.TB), calls int) []string {
	t.Helper()
	hold := w.brokers[alpha].HoldAfter(t, http.MethodPut, "/v2/service_instances/")
	var created []string
	var all sync.WaitGroup
	for range calls {
		id := newGUID()
		created = append(created, id)
		all.Go(func() {
			answer, err := w.Try(put(instancePath(id), create(alpha, small)))
			if err != nil || answer.Status != http.StatusCreated {
				t.Errorf("PUT while Redis went away: got %d %s, %v, want 201", answer.Status, answer.Body, err)
			}
		})
	}
	hold.Await(t, calls)
	goAway(t)
	hold.Release()
	all.Wait()
	return created
}

// TestOutcomesWait has Redis go away while brokers work. Their answers reach the platform as they are; the outcomes wait,
// which is counted, and are written when Redis is back.
func TestOutcomesWait(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	const calls = 12
	created := w.loseOutcomes(t, server.Stop, calls)
	harness.Await(t, "attempts to be counted", func() bool { return commitRetries(t, w.Gateway) > 0 })

	server.Restart(t)
	for _, id := range created {
		// As long as the outcome is not recorded, a create may be on its way as far as anybody knows.
		harness.Await(t, "the creation to be recorded", func() bool {
			answer := w.Do(t, del(instancePath(id)+ids(alpha, small)))
			return answer.Status == http.StatusOK || answer.Status == http.StatusGone
		})
		if holds(w.brokers[alpha], id) {
			t.Errorf("alpha still has %s", id)
		}
	}
	if got := commitRetries(t, w.Gateway); got < calls {
		t.Errorf("%d attempts were counted, want at least %d", got, calls)
	}
}

// commitRetries reads the counter.
func commitRetries(t *testing.T, g *harness.Gateway) int {
	t.Helper()
	match := regexp.MustCompile(`(?m)^caddy_osb_gateway_store_commit_retries_total\{.*\} (\d+)$`).FindStringSubmatch(g.Metrics(t))
	if match == nil {
		return 0
	}
	count, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// TestOutcomesAreWrittenAtTheEnd stops a gateway whose outcomes wait: they are written when Redis comes back in time.
func TestOutcomesAreWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	created := w.loseOutcomes(t, server.Stop, 5)
	var stop sync.WaitGroup
	stop.Go(func() { w.Stop(t) })
	harness.Await(t, "the gateway to take no more calls", func() bool {
		_, err := w.Try(get("/healthz/live"))
		return err != nil
	})
	server.Restart(t)
	stop.Wait()
	if code := w.AwaitEnd(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	w.Restart(t)
	for _, id := range created {
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	}
}

// TestOutcomesAreLostAtTheEnd stops a gateway while Redis stays away, or takes all and answers nothing. It ends all the same
// and says how much it could not write; later calls settle that.
func TestOutcomesAreLostAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		away, comeBack func(*redistest.Server, testing.TB)
	}{
		{"Stopped", (*redistest.Server).Stop, (*redistest.Server).Restart},
		{"Frozen", (*redistest.Server).Freeze, (*redistest.Server).Thaw},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			w := brokersOnly(t, nil)
			w.start(t, harness.Options{
				Block: redisStoreAt(server) + "\n" + harness.Platform("cf", "") + w.backends(settling),
			})
			const calls = 5
			created := w.loseOutcomes(t, func(t testing.TB) { test.away(server, t) }, calls)
			w.Stop(t) // fails if it takes for ever
			if !strings.Contains(w.Output(), "5 outcomes were not written") {
				t.Errorf("the gateway does not say that %d outcomes are lost:\n%s", calls, w.Output())
			}
			test.comeBack(server, t)
			w.Restart(t)
			for _, id := range created {
				w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
				refused(t, w.expect(t, put(instancePath(id), create(beta, small)), http.StatusConflict, ""), "Conflict")
				w.deleteInTheEnd(t, id, alpha)
			}
		})
	}
}

// deleteInTheEnd deletes an instance whose creation may still be on its way as far as anybody knows: until that is over
// the platform is asked to come again.
func (w *world) deleteInTheEnd(t *testing.T, id, broker string) {
	t.Helper()
	turns := time.NewTicker(100 * time.Millisecond)
	defer turns.Stop()
	harness.Await(t, "the instance to be deleted", func() bool {
		answer := w.Do(t, del(instancePath(id)+ids(broker, small)))
		switch answer.Status {
		case http.StatusOK, http.StatusGone:
			return true
		case http.StatusUnprocessableEntity:
			refused(t, answer, "ConcurrencyError")
		default:
			t.Fatalf("DELETE of %s: got %d %s, want 200, 410 or ConcurrencyError", id, answer.Status, answer.Body)
		}
		<-turns.C
		return false
	})
	if holds(w.brokers[broker], id) {
		t.Errorf("%s still has %s", broker, id)
	}
	w.expect(t, put(instancePath(id), create(gamma, small)), http.StatusCreated, gamma)
}

// TestGracePeriodCutsCallsOff ends a gateway whose period of grace is shorter than its calls. What they did is settled by
// later calls.
func TestGracePeriodCutsCallsOff(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := brokersOnly(t, nil)
		w.start(t, harness.Options{
			Global: "grace_period 1s",
			Block:  store + "\n" + harness.Platform("cf", "") + w.backends("timeout 10s\nsettle 1s"),
		})
		created, deleted := newGUID(), newGUID()
		w.expect(t, put(instancePath(deleted), create(beta, small)), http.StatusCreated, beta)
		cut := []*inFlight{
			w.sendHeld(t, put(instancePath(created), create(alpha, small)), alpha),
			w.sendHeld(t, del(instancePath(deleted)+ids(beta, small)), beta),
		}
		w.Stop(t)
		for _, call := range cut {
			if answer, err := <-call.answers, <-call.errors; err == nil && answer.Status < http.StatusInternalServerError {
				t.Errorf("%s: got %d %s from a gateway that ended before its broker answered",
					call.request.Method, answer.Status, answer.Body)
			}
			call.hold.Release()
			call.hold.AwaitDone(t, 1)
		}
		w.Restart(t)
		w.expect(t, get(instancePath(created)), http.StatusOK, alpha)
		refused(t, w.expect(t, put(instancePath(created), create(gamma, small)), http.StatusConflict, ""), "Conflict")
		w.expect(t, put(instancePath(created), create(alpha, small)), http.StatusOK, alpha)
		w.deleteInTheEnd(t, created, alpha)
		// A deletion needs no waiting: no create was on its way.
		w.expect(t, del(instancePath(deleted)+ids(beta, small)), http.StatusGone, beta)
		w.expect(t, put(instancePath(deleted), create(gamma, small)), http.StatusCreated, gamma)
	})
}
