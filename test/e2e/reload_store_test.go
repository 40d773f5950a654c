package e2e_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestReloadToAnotherStore changes the store, and how the brokers are reached, while calls are at their brokers: some before
// the work, some after it. They end as they began, in the old store and over the old connections, and only then is the old
// store let go of.
func TestReloadToAnotherStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	created, updated, deleted, late := newGUID(), newGUID(), newGUID(), newGUID()
	w.expect(t, put(instancePath(updated), create(beta, small)), http.StatusCreated, beta)
	w.expect(t, put(instancePath(deleted), create(gamma, small)), http.StatusCreated, gamma)
	slowly := []*inFlight{
		w.sendHeld(t, put(instancePath(created), create(alpha, small)), alpha),
		w.sendHeld(t, patch(instancePath(updated), change(beta, small, large)), beta),
		w.sendHeld(t, del(instancePath(deleted)+ids(gamma, small)), gamma),
		w.sendHeldAfter(t, put(instancePath(late), create(beta, small)), beta),
	}

	before := w.options
	other := before
	other.Block = fileStore + "\n" + harness.Platform("cf", "") + w.backends("transport http {\n\tversions 1.1\n}")
	if err := w.Reload(t, other); err != nil {
		t.Fatal(err)
	}
	// The new configuration serves, on a store that knows nothing and is not the known one.
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	refused(t, w.expect(t, get(instancePath(updated)), http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	if len(clientIDs(t, server)) == 0 {
		t.Error("the store was let go of while calls need it")
	}
	for n, want := range []int{http.StatusCreated, http.StatusOK, http.StatusOK, http.StatusCreated} {
		slowly[n].hold.Release()
		if answer := slowly[n].answer(t); answer.Status != want {
			t.Errorf("%s that a reload overtook: got %d %s, want %d",
				slowly[n].request.Method, answer.Status, answer.Body, want)
		}
	}
	harness.Await(t, "the old store to be let go of", func() bool { return len(clientIDs(t, server)) == 0 })

	if err := w.Reload(t, before); err != nil {
		t.Fatal(err)
	}
	for id, broker := range map[string]string{created: alpha, late: beta} {
		w.expect(t, get(instancePath(id)), http.StatusOK, broker)
		w.expect(t, del(instancePath(id)+ids(broker, small)), http.StatusOK, broker)
	}
	w.expect(t, get(instancePath(updated)), http.StatusOK, beta)
	w.expect(t, put(instancePath(deleted), create(alpha, small)), http.StatusCreated, alpha)
}

// sendHeldAfter sends a call and waits until the broker has done it and holds its answer.
func (w *world) sendHeldAfter(t *testing.T, r harness.Request, broker string) *inFlight {
	t.Helper()
	return w.sendWith(t, r, w.brokers[broker].HoldAfter(t, r.Method, path(r)))
}
