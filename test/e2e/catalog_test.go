package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// checkCatalog expects the offerings of these brokers, in this order, each as its broker wrote it.
func checkCatalog(t *testing.T, answer harness.Response, brokers ...string) {
	t.Helper()
	if answer.Status != http.StatusOK {
		t.Fatalf("catalog: got %d %s, want 200", answer.Status, answer.Body)
	}
	var merged struct {
		Services []json.RawMessage `json:"services"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &merged); err != nil {
		t.Fatalf("reading the catalog: %v", err)
	}
	got := make([]string, len(merged.Services))
	for n, offering := range merged.Services {
		got[n] = string(offering)
	}
	want := make([]string, len(brokers))
	for n, broker := range brokers {
		text := string(brokerCatalog(broker))
		want[n] = strings.TrimSuffix(strings.TrimPrefix(text, `{"services":[`), `]}`)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("catalog (-want +got):\n%s", diff)
	}
}

// checkSameCatalog expects the same bytes under the same entity tag.
func checkSameCatalog(t *testing.T, before, after harness.Response) {
	t.Helper()
	if diff := cmp.Diff(before.Body, after.Body); diff != "" || after.Status != http.StatusOK {
		t.Errorf("got %d, want the catalog as it was before (-before +after):\n%s", after.Status, diff)
	}
	if got, want := after.Header.Get("Etag"), before.Header.Get("Etag"); got != want || want == "" {
		t.Errorf("ETag: got %q, want %q", got, want)
	}
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	answer := w.expect(t, get("/v2/catalog"), http.StatusOK, "")
	checkCatalog(t, answer, brokerNames...)
	etag := answer.Header.Get("Etag")
	if !strings.HasPrefix(etag, `"`) {
		t.Fatalf("ETag: got %q, want one", etag)
	}
	for _, condition := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		r := get("/v2/catalog")
		r.Header = http.Header{"If-None-Match": {condition}}
		same := w.expect(t, r, http.StatusNotModified, "")
		if same.Body != "" || same.Header.Get("Etag") != etag {
			t.Errorf("If-None-Match %s: got ETag %q and body %q, want %q and none",
				condition, same.Header.Get("Etag"), same.Body, etag)
		}
	}
	r := get("/v2/catalog")
	r.Header = http.Header{"If-None-Match": {`"other"`}}
	if again := w.expect(t, r, http.StatusOK, ""); again.Body != answer.Body {
		t.Error("the catalog changed although nothing did")
	}
}

// TestBeforeTheFirstCatalogs holds the fetches of a new gateway.
func TestBeforeTheFirstCatalogs(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := brokersOnly(t, nil)
		var holds []*harness.Hold
		for _, broker := range brokerNames {
			holds = append(holds, w.brokers[broker].HoldBefore(t, http.MethodGet, "^/v2/catalog$"))
		}
		w.Gateway = harness.Launch(t, harness.Options{
			Block: store + "\n" + harness.Platform("cf", "") + w.backends("catalog_timeout 10m"),
		})
		for _, hold := range holds {
			hold.Await(t, 1)
		}
		w.AwaitLive(t)
		w.expectNotReady(t)
		holds[0].Release()
		holds[1].Release()
		for _, broker := range []string{alpha, beta} {
			harness.Await(t, "an offering to be known", func() bool {
				return w.Do(t, put(instancePath(newGUID()), create(broker, small))).Status == http.StatusCreated
			})
		}
		// Two of three are no catalog.
		w.expectNotReady(t)
		// Whether an instance of the third one may be made is not known, which is no reason to deny it.
		refused(t, w.expect(t, put(instancePath(newGUID()), create(gamma, small)), http.StatusServiceUnavailable, ""),
			"OwnershipUnavailable")
		refused(t, w.expect(t, get(instancePath(newGUID())+ids(gamma, small)), http.StatusServiceUnavailable, ""),
			"OwnershipUnavailable")
		holds[2].Release()
		w.AwaitReady(t)
		checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	})
}

func (w *world) expectNotReady(t *testing.T) {
	t.Helper()
	refused(t, w.expect(t, get("/v2/catalog"), http.StatusServiceUnavailable, ""), "BackendUnavailable")
	for check, want := range map[string]int{"live": http.StatusOK, "ready": http.StatusServiceUnavailable} {
		r := get("/healthz/" + check)
		r.User = "-"
		answer := w.Do(t, r)
		if answer.Status != want || answer.Body != "" {
			t.Errorf("%s: got %d %q, want %d and no details", check, answer.Status, answer.Body, want)
		}
	}
}

// TestBrokerNeverSeen has a broker that was down from the beginning hold up nobody but its own offerings.
func TestBrokerNeverSeen(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.brokers[beta].Down(t)
	w.start(t, harness.Options{Block: w.block(fileStore)})
	checkCatalog(t, w.Do(t, get("/v2/catalog")), alpha, gamma)
	refused(t, w.expect(t, put(instancePath(newGUID()), create(beta, small)), http.StatusServiceUnavailable, ""),
		"OwnershipUnavailable")
	w.brokers[beta].Up(t)
	harness.Await(t, "the broker's offerings", func() bool {
		return strings.Contains(w.Do(t, get("/v2/catalog")).Body, serviceID(beta))
	})
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	w.expect(t, put(instancePath(newGUID()), create(beta, small)), http.StatusCreated, beta)
}

// TestCatalogOutlivesItsBroker takes brokers away, first under a gateway and then before one starts on the same store.
func TestCatalogOutlivesItsBroker(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := brokersOnly(t, nil)
		w.start(t, harness.Options{Block: w.block(store) + "catalog {\n\trefresh 100ms\n}\n"})
		before := w.Do(t, get("/v2/catalog"))
		checkCatalog(t, before, brokerNames...)
		held := newGUID()
		w.expect(t, put(instancePath(held), create(gamma, small)), http.StatusCreated, gamma)

		w.brokers[beta].Down(t)
		harness.Await(t, "the gateway to notice", func() bool {
			return strings.Contains(w.Output(), "its last good one stays")
		})
		checkSameCatalog(t, before, w.Do(t, get("/v2/catalog")))
		if ready := w.Do(t, get("/healthz/ready")); ready.Status != http.StatusOK {
			t.Errorf("ready with a broker down: got %d, want 200", ready.Status)
		}

		// Another process knows no catalog but those of the store: one broker is down, the other two do not answer.
		w.Stop(t)
		for _, broker := range []string{alpha, gamma} {
			w.brokers[broker].HoldBefore(t, http.MethodGet, "^/v2/catalog$")
		}
		w.Restart(t)
		checkSameCatalog(t, before, w.Do(t, get("/v2/catalog")))
		w.expect(t, get(instancePath(held)), http.StatusOK, gamma)
		w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
	})
}

// TestNewReplicaServesTheCatalog starts another process, with a home of its own, on the Redis of the first.
func TestNewReplicaServesTheCatalog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	before := w.Do(t, get("/v2/catalog"))
	for _, broker := range brokerNames {
		w.brokers[broker].HoldBefore(t, http.MethodGet, "^/v2/catalog$")
	}
	second := w.secondGateway(t)
	checkSameCatalog(t, before, second.Do(t, get("/v2/catalog")))
}
