package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const fastRefresh = "\ncatalog {\n\trefresh 200ms\n}\n"

// expectSuspect wants deletes and polls to be refused before any broker hears of them.
func (w *world) expectSuspect(t *testing.T, id string) {
	t.Helper()
	query := ids(alpha, small)
	for _, r := range []harness.Request{
		del(instancePath(id) + query), get(instancePath(id) + "/last_operation" + query),
		del(bindingPath(id, "b") + query), get(bindingPath(id, "b") + "/last_operation" + query),
	} {
		refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	}
}

// awaitOther waits until a gateway shows the other broker's catalog in place of alpha's.
func awaitOther(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	harness.Await(t, "the new catalog", func() bool {
		catalog := gateway.Do(t, get("/v2/catalog")).Body
		return strings.Contains(catalog, serviceID("other")) && !strings.Contains(catalog, serviceID(alpha))
	})
}

// TestWrongURL leads a backend to another broker by a reload. Its word that nothing exists ends no record.
func TestWrongURL(t *testing.T) {
	t.Parallel()
	store := redisStore(t)
	w := newWorld(t, store)
	second := w.secondGateway(t)
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	w.expect(t, put(bindingPath(id, "b"), bind(alpha, small)), http.StatusCreated, alpha)
	empty := harness.StartBroker(t, samplebroker.Options{Catalog: brokerCatalog("other")})
	wrong := store + "\n" + harness.Platform("cf", "") + empty.Backend(alpha, "") + w.brokers[beta].Backend(beta, "") + fastRefresh
	right := w.options.Block

	w.reload(t, wrong)
	w.expectSuspect(t, id)
	awaitLog(t, w.Gateway, "a backend's catalog is that of another broker", "caddy osb-gateway accept alpha")
	w.expectSuspect(t, id)
	if catalog := w.Do(t, get("/v2/catalog")); !strings.Contains(catalog.Body, serviceID(alpha)) {
		t.Errorf("the last good catalog has gone: %s", catalog.Body)
	}
	w.reload(t, wrong)
	w.expectSuspect(t, id)

	w.reload(t, right)
	awaitStatus(t, w.Gateway, get(instancePath(id)+"/last_operation"), http.StatusOK)
	if got := w.brokers[alpha].Instances(); !slices.Equal(got, []string{id}) {
		t.Errorf("the broker holds %q, want the instance", got)
	}

	// It is meant.
	w.reload(t, wrong)
	if err := second.Reload(t, harness.Options{Block: wrong}); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, second, "a backend's catalog is that of another broker")
	w.expectSuspect(t, id)
	ask(t, w.Gateway, http.MethodPost, "/osb_gateway/backends/alpha/accept")
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		awaitOther(t, gateway)
		awaitStatus(t, gateway, del(instancePath(id)+ids(alpha, small)), http.StatusGone)
	}
}

// TestSwappedBroker has another broker, and then one without offerings, answer at the URL for a while.
func TestSwappedBroker(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore) + fastRefresh})
	id := newGUID()
	poll, remove := get(instancePath(id)+"/last_operation"), del(instancePath(id)+ids(alpha, small))
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	for _, other := range []string{string(brokerCatalog("other")), `{"services":[]}`} {
		if err := w.brokers[alpha].SetCatalog([]byte(other)); err != nil {
			t.Fatal(err)
		}
		harness.Await(t, "polls to be refused", func() bool { return w.Do(t, poll).Status == http.StatusServiceUnavailable })
		w.expectSuspect(t, id)
		if err := w.brokers[alpha].SetCatalog(brokerCatalog(alpha)); err != nil {
			t.Fatal(err)
		}
		awaitStatus(t, w.Gateway, poll, http.StatusOK)
	}
	w.expect(t, remove, http.StatusOK, alpha)
}

// TestMovedBroker gives a broker another URL: its first catalog from there ends the suspicion.
func TestMovedBroker(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		id := newGUID()
		w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
		moved := httptest.NewServer(w.brokers[alpha])
		t.Cleanup(moved.Close)
		w.reload(t, strings.Replace(w.options.Block, w.brokers[alpha].URL, moved.URL, 1))
		w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
		awaitStatus(t, w.Gateway, get(instancePath(id)+"/last_operation"), http.StatusOK)
		w.Kill(t)
		w.Restart(t)
		// The process may have died before it noted the URL.
		awaitStatus(t, w.Gateway, get(instancePath(id)+"/last_operation"), http.StatusOK)
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	})
}
