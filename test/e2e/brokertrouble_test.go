package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestBrokerDown(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		held := newGUID()
		w.expect(t, put(instancePath(held), create(alpha, small)), http.StatusCreated, alpha)
		w.brokers[alpha].Down(t)

		id := newGUID()
		for _, r := range []harness.Request{
			put(instancePath(id), create(alpha, small)),
			get(instancePath(held)), get(instancePoll(held)), patch(instancePath(held), change(alpha, small, large)),
			put(bindingPath(held, newGUID()), bind(alpha, small)), del(instancePath(held) + ids(alpha, small)),
			get(statePath(held)), put(statePath(held), `{"enabled":false}`),
		} {
			refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "BackendUnavailable")
		}
		// The others do not notice.
		other := newGUID()
		w.expect(t, put(instancePath(other), create(beta, small)), http.StatusCreated, beta)

		w.brokers[alpha].Up(t)
		// Of the create that surely did not get there nothing is left, and nobody needs to be asked.
		for range 2 {
			if answer := w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusGone, ""); answer.Body != "{}" {
				t.Errorf("DELETE of what never was: got %q, want {}", answer.Body)
			}
		}
		w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
		// It was left alone, and is tried again by itself.
		harness.Await(t, "the broker to be tried again", func() bool {
			return w.Do(t, get(instancePath(held))).Status == http.StatusOK
		})
		w.expect(t, get(instancePath(held)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(held)+ids(alpha, small)), http.StatusOK, alpha)
	})
}

func TestBrokerCutsTheConnection(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		for name, action := range map[string]samplebroker.FaultAction{
			"without an answer": samplebroker.ActionClose, "within the answer": samplebroker.ActionTruncate,
		} {
			t.Run(name, func(t *testing.T) {
				id := newGUID()
				w.fault(t, beta, samplebroker.Fault{Method: http.MethodPut, Times: 1, Action: action})
				refused(t, w.expect(t, put(instancePath(id), create(beta, small)), http.StatusBadGateway, beta), "BackendFailed")
				if !holds(w.brokers[beta], id) {
					t.Fatal("the broker did not create the instance")
				}
				// Nobody else gets the id.
				refused(t, w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusConflict, ""), "Conflict")
				w.expect(t, get(instancePath(id)), http.StatusOK, beta)
				// The broker deletes it, but a create that is in doubt may still begin: the platform is to come again.
				answer := w.expect(t, del(instancePath(id)+ids(beta, small)), http.StatusUnprocessableEntity, beta)
				refused(t, answer, "ConcurrencyError")
				if holds(w.brokers[beta], id) {
					t.Error("the DELETE did not reach the broker")
				}
				// It asks for the instance again, and then everything is known.
				w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
				w.expect(t, get(instancePath(id)), http.StatusOK, beta)
			})
		}
	})
}

// fault has calls go wrong at a broker.
func (w *world) fault(t *testing.T, broker string, faults ...samplebroker.Fault) {
	t.Helper()
	if err := w.brokers[broker].SetFaults(faults); err != nil {
		t.Fatal(err)
	}
}

func TestBrokerTooSlow(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := brokersOnly(t, nil)
		patient := harness.Options{Block: w.block(store)}
		impatient := harness.Options{
			Block: store + "\n" + harness.Platform("cf", "") + w.backends("timeout 2s"),
		}
		w.start(t, impatient)

		id := newGUID()
		hold := w.brokers[gamma].HoldBefore(t, http.MethodPut, instancePath(id))
		// The call is recorded by the broker when it is looked at, which is later.
		refused(t, w.expect(t, put(instancePath(id), create(gamma, small)), http.StatusGatewayTimeout, ""), "BackendTimeout")
		hold.Await(t, 1)

		// What follows is not about time.
		if err := w.Reload(t, patient); err != nil {
			t.Fatal(err)
		}
		w.expect(t, get(instancePath(id)), http.StatusNotFound, gamma)
		answer := w.expect(t, del(instancePath(id)+ids(gamma, small)), http.StatusUnprocessableEntity, gamma)
		refused(t, answer, "ConcurrencyError")
		// The broker gets round to it after all. The instance is not lost.
		hold.Release()
		harness.Await(t, "the broker to do the work late", func() bool { return holds(w.brokers[gamma], id) })
		w.expect(t, get(instancePath(id)), http.StatusOK, gamma)
		w.expect(t, put(instancePath(id), create(gamma, small)), http.StatusOK, gamma)
		refused(t, w.expect(t, put(instancePath(id), create(beta, small)), http.StatusConflict, ""), "Conflict")
	})
}

// TestPlatformHangsUp has a platform give up calls in the middle. What they did is recorded all the same.
func TestPlatformHangsUp(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		created, deleted := newGUID(), newGUID()
		w.expect(t, put(instancePath(deleted), create(beta, small)), http.StatusCreated, beta)
		w.hangUp(t, put(instancePath(created), create(alpha, small)), alpha)
		w.hangUp(t, del(instancePath(deleted)+ids(beta, small)), beta)

		w.expect(t, get(instancePath(created)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(created)+ids(alpha, small)), http.StatusOK, alpha)
		w.expect(t, put(instancePath(deleted), create(gamma, small)), http.StatusCreated, gamma)
	})
}

// hangUp sends a call, hangs up while the broker is at it, and waits until the gateway is done with it.
func (w *world) hangUp(t *testing.T, r harness.Request, broker string) {
	t.Helper()
	marker := newGUID()
	r.Header = http.Header{requestIdentityHeader: {marker}}
	hold := w.brokers[broker].HoldBefore(t, r.Method, path(r))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := w.TryContext(ctx, r)
		gone <- err
	}()
	hold.Await(t, 1)
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("the call was answered before the platform hung up")
	}
	hold.Release()
	harness.Await(t, "the gateway to end the call", func() bool {
		for line := range strings.SplitSeq(w.Output(), "\n") {
			if strings.Contains(line, `"logger":"http.handlers.osb_gateway.audit"`) && strings.Contains(line, marker) {
				return true
			}
		}
		return false
	})
}
