package e2e_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestShutdownLetsCallsEnd ends the gateway as an operator does while a create and a deletion are on their way.
func TestShutdownLetsCallsEnd(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		created, deleted := newGUID(), newGUID()
		w.expect(t, put(instancePath(deleted), create(beta, small)), http.StatusCreated, beta)
		slowly := []*inFlight{
			w.sendHeld(t, put(instancePath(created), create(alpha, small)), alpha),
			w.sendHeld(t, del(instancePath(deleted)+ids(beta, small)), beta),
		}

		var stop sync.WaitGroup
		stop.Go(func() { w.Stop(t) })
		harness.Await(t, "the gateway to take no more calls", func() bool {
			_, err := w.Try(get("/healthz/live"))
			return err != nil
		})
		for n, want := range []int{http.StatusCreated, http.StatusOK} {
			slowly[n].hold.Release()
			if answer := slowly[n].answer(t); answer.Status != want {
				t.Errorf("%s during the shutdown: got %d %s, want %d",
					slowly[n].request.Method, answer.Status, answer.Body, want)
			}
		}
		stop.Wait()
		if code := w.AwaitEnd(t); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}

		w.Restart(t)
		w.expect(t, get(instancePath(created)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(created)+ids(alpha, small)), http.StatusOK, alpha)
		w.expect(t, put(instancePath(deleted), create(gamma, small)), http.StatusCreated, gamma)
	})
}

// TestKilledInTheMiddle ends the gateway at once while the broker is at a create. The broker has an instance whose answer
// nobody heard, and it is still reached.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		id := newGUID()
		lost := w.sendHeld(t, put(instancePath(id), create(gamma, small)), gamma)
		w.Kill(t)
		<-lost.answers
		if err := <-lost.errors; err == nil {
			t.Error("the call was answered by a gateway that was killed")
		}
		w.Restart(t)
		lost.hold.Release()
		harness.Await(t, "the broker to end its work", func() bool { return holds(w.brokers[gamma], id) })

		refused(t, w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusConflict, ""), "Conflict")
		w.expect(t, get(instancePath(id)), http.StatusOK, gamma)
		// As far as anybody knows the create may still be on its way to the broker.
		refused(t, w.expect(t, del(instancePath(id)+ids(gamma, small)), http.StatusUnprocessableEntity, gamma), "ConcurrencyError")
		if holds(w.brokers[gamma], id) {
			t.Error("the broker still has the instance")
		}
	})
}

// TestShutdownDelay keeps taking calls for a while after the signal, in which health checks say that others should be
// asked.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore), Global: "shutdown_delay 6s"})
	var stop sync.WaitGroup
	stop.Go(func() { w.Stop(t) })
	harness.Await(t, "the gateway to be not ready", func() bool {
		answer, err := w.Try(get("/healthz/ready"))
		if err != nil {
			t.Fatalf("the gateway takes no more calls before it said so: %v\n%s", err, w.Output())
		}
		return answer.Status == http.StatusServiceUnavailable
	})
	for target, want := range map[string]int{"/healthz/live": http.StatusOK, "/v2/catalog": http.StatusOK} {
		if answer := w.Do(t, get(target)); answer.Status != want {
			t.Errorf("%s before the end: got %d, want %d", target, answer.Status, want)
		}
	}
	stop.Wait()
	if strings.Contains(w.Output(), `"level":"error"`) {
		t.Errorf("the shutdown was not without errors:\n%s", w.Output())
	}
}
