package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// exchange is a URL at which one broker answers, and then another one.
type exchange struct {
	url       string
	answering atomic.Pointer[harness.Broker]
	fetches   atomic.Int64
}

func newExchange(t *testing.T, first *harness.Broker) *exchange {
	t.Helper()
	x := new(exchange)
	x.answering.Store(first)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/catalog" {
			x.fetches.Add(1)
		}
		x.answering.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	x.url = server.URL
	return x
}

// awaitNoted waits until a gateway has written down what it thinks of who answers: it does before it fetches again. A fetch
// that is under way now may be of the time before.
func (x *exchange) awaitNoted(t *testing.T) {
	t.Helper()
	before := x.fetches.Load()
	harness.Await(t, "two more fetches of the catalog", func() bool { return x.fetches.Load() >= before+2 })
}

// restartHeld kills a gateway and starts it again while the first catalog does not come.
func (x *exchange) restartHeld(t *testing.T, gateway *harness.Gateway) *harness.Hold {
	t.Helper()
	gateway.Kill(t)
	gateway.AwaitEnd(t)
	hold := x.answering.Load().HoldBefore(t, http.MethodGet, "/v2/catalog")
	gateway.Restart(t)
	hold.Await(t, 1)
	return hold
}

// TestExchangedBroker has another broker, which knows nothing, answer at the URL. A restart does not make it the right one,
// not even for the moment until its catalog has come; the operator's command does.
func TestExchangedBroker(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	empty := harness.StartBroker(t, samplebroker.Options{Catalog: brokerCatalog("other")})
	x := newExchange(t, w.brokers[alpha])
	w.start(t, harness.Options{
		Block: strings.Replace(w.block(redisStore(t)), w.brokers[alpha].URL, x.url, 1) + fastRefresh,
	})
	id := newGUID()
	poll, remove := get(instancePath(id)+"/last_operation"), del(instancePath(id)+ids(alpha, small))
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	suspect := func() bool { return w.Do(t, poll).Status == http.StatusServiceUnavailable }

	x.answering.Store(empty)
	harness.Await(t, "polls to be refused", suspect)
	w.expectSuspect(t, id)
	wantText(t, "the status", operate(t, w.Gateway, "status"), "SUSPECT", "caddy osb-gateway accept alpha")
	x.awaitNoted(t)
	hold := x.restartHeld(t, w.Gateway)
	w.expectSuspect(t, id)
	wantText(t, "the status", operate(t, w.Gateway, "status"), "SUSPECT", "no catalog of its own came from its URL yet")
	second := w.secondGateway(t) // which never saw the right broker
	hold.Await(t, 2)
	refused(t, w.expectThrough(t, second, remove, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	hold.Release()
	w.expectSuspect(t, id)

	// The right one is back, and believed at once after a restart.
	x.answering.Store(w.brokers[alpha])
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		awaitStatus(t, gateway, poll, http.StatusOK)
	}
	second.Stop(t)
	second.AwaitEnd(t)
	x.awaitNoted(t)
	hold = x.restartHeld(t, w.Gateway)
	w.expect(t, poll, http.StatusOK, alpha)
	hold.Release()

	// The other one is meant.
	second.Restart(t)
	x.answering.Store(empty)
	harness.Await(t, "polls to be refused", suspect)
	wantText(t, "accepting", operate(t, w.Gateway, "accept", alpha), "The catalog of backend alpha is accepted")
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		awaitOther(t, gateway)
		w.expectThrough(t, gateway, put(instancePath(newGUID()), create("other", small)), http.StatusCreated, "")
		awaitStatus(t, gateway, remove, http.StatusGone)
	}
	if status := operate(t, w.Gateway, "status"); strings.Contains(status, "SUSPECT") {
		t.Errorf("the backend is suspect although it was accepted:\n%s", status)
	}
	if got := w.brokers[alpha].Instances(); len(got) != 1 || got[0] != id {
		t.Errorf("the right broker holds %q, want the instance", got)
	}
}
