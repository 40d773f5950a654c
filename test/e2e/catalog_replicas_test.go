package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// neverRefresh has no catalog fetched by itself once it is known, as far as a test can tell.
const neverRefresh = "\ncatalog {\n\trefresh 24h\n}\n"

// described is a broker's catalog with another description of its offering.
func described(broker, description string) []byte {
	return bytes.Replace(brokerCatalog(broker), []byte(`"description":"a service"`), []byte(`"description":"`+description+`"`), 1)
}

func setCatalog(t *testing.T, broker *harness.Broker, catalog []byte) {
	t.Helper()
	if err := broker.SetCatalog(catalog); err != nil {
		t.Fatal(err)
	}
}

// awaitShown waits until a gateway's catalog has a text.
func awaitShown(t *testing.T, gateway *harness.Gateway, text string) {
	t.Helper()
	harness.Await(t, "the catalog to have "+text, func() bool {
		return strings.Contains(gateway.Do(t, get("/v2/catalog")).Body, text)
	})
}

// TestT39RefreshReachesReplicas: what one process fetches is shown by the others, which ask no broker.
func TestT39RefreshReachesReplicas(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(redisStore(t)) + neverRefresh})
	second := w.secondGateway(t)
	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), second.Do(t, get("/v2/catalog")))
	// The processes may still be about to fetch for the first time.
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		operate(t, gateway, "refresh")
	}
	for _, broker := range brokerNames {
		w.brokers[broker].ForgetRequests()
	}
	setCatalog(t, w.brokers[beta], described(beta, "the second version"))
	wantText(t, "refreshing", operate(t, w.Gateway, "refresh", beta), "beta", "1", "changed")
	awaitShown(t, second, "the second version")
	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), second.Do(t, get("/v2/catalog")))
	for broker, want := range map[string]int{alpha: 0, beta: 1, gamma: 0} {
		if got := len(w.brokers[broker].Requests()); got != want {
			t.Errorf("%s was asked %d times, want %d", broker, got, want)
		}
	}
	// What is learned by a start, and by a restart, is the same.
	third := w.secondGateway(t)
	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), third.Do(t, get("/v2/catalog")))
}

// TestReplicaThatWasDeaf: a process that was not told of changes looks at what is stored when it can be told again.
func TestReplicaThatWasDeaf(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := redisStoreAt(server)
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(store) + neverRefresh})
	proxy := startDeafProxy(t, server.Addr)
	second := harness.Start(t, harness.Options{
		Block: w.block(strings.Replace(store, server.Addr, proxy.Addr, 1)) + neverRefresh,
	})
	isTold := func() bool { return adminStatus(t, second, "?census=false")[0].Cache.Ready }
	harness.Await(t, "the second process to be told of changes", isTold)
	operate(t, second, "refresh") // its first fetches are over
	proxy.deaf.Store(true)
	setCatalog(t, w.brokers[beta], described(beta, "the second version"))
	operate(t, w.Gateway, "refresh", beta)
	harness.Await(t, "the second process to notice that it is told nothing", func() bool { return !isTold() })
	if strings.Contains(second.Do(t, get("/v2/catalog")).Body, "the second version") {
		t.Error("the second process knows of what it was not told")
	}
	proxy.deaf.Store(false)
	awaitShown(t, second, "the second version")
	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), second.Do(t, get("/v2/catalog")))
}

// TestRefreshTellsOfEach: of a broker that is down the last good catalog stays, and the others are fetched.
func TestRefreshTellsOfEach(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore) + neverRefresh})
	setCatalog(t, w.brokers[alpha], described(alpha, "the second version"))
	w.brokers[gamma].Down(t)
	printed, said, code := command(t, "--address", strings.TrimPrefix(w.Admin, "http://"), "refresh")
	wantText(t, "refreshing", printed, "BACKEND", "alpha", "changed", "beta", "unchanged", "gamma", `failed: backend "gamma": not reached`)
	if code != 1 || !strings.Contains(said, "not all catalogs could be fetched") {
		t.Errorf("got the exit code %d and %q, want 1 and a reason", code, said)
	}
	catalog := w.Do(t, get("/v2/catalog")).Body
	wantText(t, "the catalog", catalog, "the second version", serviceID(beta), serviceID(gamma))
}

// TestT40MaintenanceConflict: a broker says that the catalog is old. It is fetched at once, though the next fetch is a
// day off and however many platforms hear of it, and the answer goes up as it came.
func TestT40MaintenanceConflict(t *testing.T) {
	t.Parallel()
	maintained := func(version string) []byte {
		return bytes.ReplaceAll(brokerCatalog(alpha), []byte(`"binding_rotatable":true,`),
			[]byte(`"binding_rotatable":true,"maintenance_info":{"version":"`+version+`"},`))
	}
	w := brokersOnly(t, nil)
	setCatalog(t, w.brokers[alpha], maintained("1.0.0"))
	w.start(t, harness.Options{Block: w.block(redisStore(t)) + neverRefresh})
	second := w.secondGateway(t)
	setCatalog(t, w.brokers[alpha], maintained("2.0.0"))
	old := strings.Replace(create(alpha, small), "{", `{"maintenance_info":{"version":"1.0.0"},`, 1)
	var platforms sync.WaitGroup
	for range 8 {
		platforms.Go(func() {
			answer := w.Do(t, put(instancePath(newGUID()), old))
			if answer.Status != http.StatusUnprocessableEntity || !strings.Contains(answer.Body, "MaintenanceInfoConflict") {
				t.Errorf("got %d %s, want the broker's own 422", answer.Status, answer.Body)
			}
		})
	}
	platforms.Wait()
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		awaitShown(t, gateway, "2.0.0")
	}
	w.expect(t, put(instancePath(newGUID()), strings.Replace(old, "1.0.0", "2.0.0", 1)), http.StatusCreated, alpha)
}

// TestIncompleteRefuse: no catalog is shown before each broker was seen good once, and from then on always.
func TestIncompleteRefuse(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.brokers[beta].Down(t)
	w.Gateway = harness.Launch(t, harness.Options{
		Block: w.block(fileStore) + "catalog {\n\tincomplete refuse\n}\n",
	})
	harness.Await(t, "the others to be known", func() bool {
		return w.tryCreate(t, alpha) && w.tryCreate(t, gamma)
	})
	awaitLog(t, w.Gateway, "fetching a backend's catalog")
	w.expectNotReady(t)
	w.brokers[beta].Up(t)
	w.AwaitReady(t)
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	w.brokers[beta].Down(t)
	w.Stop(t)
	w.Restart(t)
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
}

func (w *world) tryCreate(t *testing.T, broker string) bool {
	t.Helper()
	answer, err := w.Try(put(instancePath(newGUID()), create(broker, small)))
	return err == nil && answer.Status == http.StatusCreated
}

// TestWithdrawnOffering: an offering that its broker no longer lists leaves after withdraw_after, and is routed for ever.
func TestWithdrawnOffering(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	both := bytes.Replace(brokerCatalog(alpha), []byte(`{"services":[`), []byte(`{"services":[{"id":"extra-id","name":"extra",`+
		`"description":"d","bindable":true,"instances_retrievable":true,`+
		`"plans":[{"id":"extra-plan","name":"p","description":"d"}]},`), 1)
	setCatalog(t, w.brokers[alpha], both)
	w.start(t, harness.Options{Block: w.block(fileStore) + "catalog {\n\trefresh 100ms\n\twithdraw_after 1s\n}\n"})
	id := newGUID()
	w.expect(t, put(instancePath(id), `{"service_id":"extra-id","plan_id":"extra-plan","organization_guid":"o","space_guid":"s"}`),
		http.StatusCreated, alpha)
	setCatalog(t, w.brokers[alpha], brokerCatalog(alpha))
	harness.Await(t, "the offering to leave", func() bool {
		return !strings.Contains(w.Do(t, get("/v2/catalog")).Body, "extra-id")
	})
	w.Stop(t)
	w.Restart(t)
	w.expect(t, get(instancePath(newGUID())+"?service_id=extra-id&plan_id=extra-plan"), http.StatusNotFound, alpha)
	w.expect(t, del(instancePath(id)+"?service_id=extra-id&plan_id=extra-plan"), http.StatusOK, alpha)
}

// TestT24SuddenlyNothing: a broker whose catalog is empty all at once keeps what it offered, until somebody says that it
// is meant.
func TestT24SuddenlyNothing(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore) + "catalog {\n\trefresh 24h\n\twithdraw_after 1ns\n}\n"})
	operate(t, w.Gateway, "refresh") // the first fetches are over
	setCatalog(t, w.brokers[alpha], []byte(`{"services":[]}`))
	for range 3 {
		printed, _, code := command(t, "--address", strings.TrimPrefix(w.Admin, "http://"), "refresh", alpha)
		wantText(t, "refreshing", printed, "failed", "shares no offering with the last good one", "caddy osb-gateway accept alpha")
		if code != 1 {
			t.Errorf("got the exit code %d, want 1", code)
		}
	}
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	operate(t, w.Gateway, "accept", alpha)
	checkCatalog(t, w.Do(t, get("/v2/catalog")), beta, gamma)
}
