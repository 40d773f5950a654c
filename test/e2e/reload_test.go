package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestReload loads new configurations while a create, an update and a deletion are on their way, and while others call
// without pause. No call fails, and what the slow ones did is known afterwards.
func TestReload(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		created, updated, deleted := newGUID(), newGUID(), newGUID()
		w.expect(t, put(instancePath(updated), create(beta, small)), http.StatusCreated, beta)
		w.expect(t, put(instancePath(deleted), create(gamma, small)), http.StatusCreated, gamma)

		slowly := []*inFlight{
			w.sendHeld(t, put(instancePath(created), create(alpha, small)), alpha),
			w.sendHeld(t, patch(instancePath(updated), change(beta, small, large)), beta),
			w.sendHeld(t, del(instancePath(deleted)+ids(gamma, small)), gamma),
		}
		load := w.startLoad(t)
		for n := range 4 {
			load.awaitProgress(t)
			options := w.options
			options.Block += fmt.Sprintf("catalog {\n\trefresh %ds\n}\n", 100+n)
			if err := w.Reload(t, options); err != nil {
				t.Fatalf("reload %d: %v", n, err)
			}
		}
		load.awaitProgress(t)
		for n, want := range []int{http.StatusCreated, http.StatusOK, http.StatusOK} {
			slowly[n].hold.Release()
			if answer := slowly[n].answer(t); answer.Status != want {
				t.Errorf("%s that four reloads overtook: got %d %s, want %d",
					slowly[n].request.Method, answer.Status, answer.Body, want)
			}
		}
		load.awaitProgress(t)
		load.stop()

		// A create that is known to have ended may be deleted; one that is not gets 422.
		w.expect(t, get(instancePath(created)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(created)+ids(alpha, small)), http.StatusOK, alpha)
		if got := field(t, w.expect(t, get(instancePath(updated)), http.StatusOK, beta).Body, "plan_id"); got != planID(beta, large) {
			t.Errorf("plan after the update: got %q, want %q", got, planID(beta, large))
		}
		// An id that is known to be free may go to another broker; one that is not is taken.
		w.expect(t, put(instancePath(deleted), create(alpha, small)), http.StatusCreated, alpha)
	})
}

// inFlight is a call that waits at a broker.
type inFlight struct {
	request harness.Request
	hold    *harness.Hold
	answers chan harness.Response
	errors  chan error
}

// sendHeld sends a call and waits until the broker holds it.
func (w *world) sendHeld(t *testing.T, r harness.Request, broker string) *inFlight {
	t.Helper()
	return w.sendWith(t, r, w.brokers[broker].HoldBefore(t, r.Method, path(r)))
}

// sendWith sends a call and waits until it is held.
func (w *world) sendWith(t *testing.T, r harness.Request, hold *harness.Hold) *inFlight {
	t.Helper()
	f := &inFlight{r, hold, make(chan harness.Response, 1), make(chan error, 1)}
	go func() {
		answer, err := w.Try(r)
		f.answers <- answer
		f.errors <- err
	}()
	f.hold.Await(t, 1)
	return f
}

// answer waits for the answer.
func (f *inFlight) answer(t *testing.T) harness.Response {
	t.Helper()
	answer := <-f.answers
	if err := <-f.errors; err != nil {
		t.Errorf("%s %s: %v", f.request.Method, f.request.Target, err)
	}
	return answer
}

// load is platforms that call without pause.
type load struct {
	ended   chan struct{}
	callers sync.WaitGroup
	rounds  atomic.Int64
}

// startLoad starts callers, each with instances of its own.
func (w *world) startLoad(t *testing.T) *load {
	t.Helper()
	l := &load{ended: make(chan struct{})}
	for n := range 6 {
		broker := brokerNames[n%len(brokerNames)]
		l.callers.Go(func() {
			for l.running() && w.round(t, broker) {
				l.rounds.Add(1)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// round is a whole short life. It returns false after the first call that fails.
func (w *world) round(t *testing.T, broker string) bool {
	id, binding := newGUID(), newGUID()
	for _, step := range []struct {
		r    harness.Request
		want int
	}{
		{put(instancePath(id)+asynchronous, create(broker, slow)), http.StatusAccepted},
		{get(instancePath(id) + "/last_operation"), http.StatusOK},
		{get(instancePath(id) + "/last_operation"), http.StatusOK},
		{patch(instancePath(id), change(broker, slow, small)), http.StatusOK},
		{put(bindingPath(id, binding), bind(broker, small)), http.StatusCreated},
		{get(bindingPath(id, binding)), http.StatusOK},
		{get("/v2/catalog"), http.StatusOK},
		{del(bindingPath(id, binding) + ids(broker, small)), http.StatusOK},
		{del(instancePath(id) + ids(broker, small)), http.StatusOK},
		{get(instancePath(id)), http.StatusNotFound},
	} {
		answer, err := w.tryUntilTaken(step.r, broker)
		if err != nil || answer.Status != step.want {
			t.Errorf("under load: %s %s: got %d %s, %v, want %d",
				step.r.Method, step.r.Target, answer.Status, answer.Body, err, step.want)
			return false
		}
	}
	return true
}

// tryUntilTaken sends a call, and again when the connection ends before anybody took the call: a server that is about to
// stop closes connections that it has accepted, and the kernel those that it has not. Such a call has reached no broker; one
// that has must be answered. The catalog is the gateway's own, and reading it twice harms nobody.
func (w *world) tryUntilTaken(r harness.Request, broker string) (answer harness.Response, err error) {
	for range 20 {
		requestIdentity := newGUID()
		r.Header = http.Header{requestIdentityHeader: {requestIdentity}}
		answer, err = w.Try(r)
		if err == nil || slices.ContainsFunc(w.brokers[broker].Requests(), func(arrived samplebroker.RecordedRequest) bool {
			return arrived.Header.Get(requestIdentityHeader) == requestIdentity
		}) {
			break
		}
	}
	return answer, err
}

func (l *load) running() bool {
	select {
	case <-l.ended:
		return false
	default:
		return true
	}
}

// awaitProgress waits until every caller is likely to have made a round, so that calls are on their way when this returns.
func (l *load) awaitProgress(t *testing.T) {
	t.Helper()
	reached := l.rounds.Load() + 12
	harness.Await(t, "the load to go on", func() bool { return t.Failed() || l.rounds.Load() >= reached })
}

func (l *load) stop() {
	if l.running() {
		close(l.ended)
	}
	l.callers.Wait()
}
