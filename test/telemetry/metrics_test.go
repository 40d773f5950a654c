package telemetry_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// metricLabels are all samples of the gateway and the labels that each has.
var metricLabels = map[string]string{
	"requests_total":                          "backend code gateway operation platform",
	"request_duration_seconds_bucket":         "backend code gateway le operation platform",
	"request_duration_seconds_sum":            "backend code gateway operation platform",
	"request_duration_seconds_count":          "backend code gateway operation platform",
	"backend_requests_total":                  "backend code gateway operation",
	"backend_request_duration_seconds_bucket": "backend code gateway le operation",
	"backend_request_duration_seconds_sum":    "backend code gateway operation",
	"backend_request_duration_seconds_count":  "backend code gateway operation",
	"backend_up":                              "backend gateway",
	"backend_in_flight":                       "backend gateway",
	"breaker_open":                            "backend gateway",
	"catalog_age_seconds":                     "backend gateway",
	"catalog_offerings":                       "gateway status",
	"store_operations_total":                  "gateway operation result store",
	"store_operation_duration_seconds_bucket": "gateway le operation store",
	"store_operation_duration_seconds_sum":    "gateway operation store",
	"store_operation_duration_seconds_count":  "gateway operation store",
	"store_commit_retries_total":              "gateway",
	"operations_in_progress":                  "backend gateway operation",
	"operations_oldest_age_seconds":           "backend gateway operation",
}

// TestMetrics makes known calls and looks for their traces in the metrics, at both places where they can be had.
func TestMetrics(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	broker, twin, down := startBroker(t, "db"), startBroker(t, "db"), startBroker(t, "down")
	down.Down(t)
	gateway := harness.Start(t, harness.Options{
		Block: "name main\n" + block(redisStoreAt(redis.Addr, "metrics"), broker.Backend("pg", ""), twin.Backend("twin", ""),
			down.Backend("down", "")) + "catalog {\n\trefresh 1h\n}\n", // fetched once, however long it takes
		Site: "metrics /metrics",
	})
	if err := broker.SetFaults([]samplebroker.Fault{{
		Path: "/closes$", Action: samplebroker.ActionClose, BeforeWork: true,
	}}); err != nil {
		t.Fatal(err)
	}
	refused := provision("refused", "db", "sync")
	refused.User, refused.status = "-", http.StatusUnauthorized
	closes := provision("closes", "db", "sync")
	closes.status = http.StatusBadGateway
	malformed := provision("malformed", "db", "sync")
	malformed.Body, malformed.status = "{", http.StatusBadRequest
	catalogCall := newCall("catalog", http.MethodGet, "/v2/catalog", nil, http.StatusOK)
	for _, c := range []call{
		catalogCall, provision("one", "db", "sync"), provision("two", "db", "async"), poll("two"), fetch("one"), fetch("one"),
		deprovision("one", "db", "sync"), refused, closes, malformed,
	} {
		c.do(t, gateway)
	}
	inFlight(t, gateway, broker)
	commitRetry(t, gateway, broker, redis)

	// A call is counted when it was answered, a moment after the platform has the answer.
	harness.Await(t, "the last call to be counted", func() bool {
		return scrape(t, gateway).value(t, "requests_total", "operation", "provision", "code", "400") == 1
	})
	harness.Await(t, "the operation in progress to be counted", func() bool {
		return scrape(t, gateway).value(t, "operations_in_progress", "backend", "pg", "operation", "provision") == 1
	})
	for place, list := range map[string]samples{"admin": scrape(t, gateway), "site": scrapeSite(t, gateway)} {
		checkLabels(t, place, list)
		checkRequests(t, place, list)
		checkBackends(t, place, list)
		checkStore(t, place, list)
	}
}

// inFlight looks at the metrics while a call waits at the broker.
func inFlight(t *testing.T, g *harness.Gateway, broker *harness.Broker) {
	t.Helper()
	hold := broker.HoldBefore(t, http.MethodPut, "/held$")
	var running sync.WaitGroup
	running.Go(func() { provision("held", "db", "sync").do(t, g) })
	hold.Await(t, 1)
	if got := scrape(t, g).value(t, "backend_in_flight", "backend", "pg"); got != 1 {
		t.Errorf("backend_in_flight: got %v while one call is under way, want 1", got)
	}
	hold.Release()
	running.Wait()
}

// commitRetry lets the store be away when an outcome is to be recorded.
func commitRetry(t *testing.T, g *harness.Gateway, broker *harness.Broker, redis *redistest.Server) {
	t.Helper()
	hold := broker.HoldAfter(t, http.MethodPut, "/away$")
	var running sync.WaitGroup
	running.Go(func() { provision("away", "db", "sync").do(t, g) })
	hold.Await(t, 1)
	redis.Stop(t)
	hold.Release()
	running.Wait()
	harness.Await(t, "the outcome to be written again", func() bool {
		return scrape(t, g).value(t, "store_commit_retries_total", "gateway", "main") > 0
	})
	redis.Restart(t)
	harness.Await(t, "the store to answer", func() bool {
		response := g.Do(t, fetch("away").Request)
		return response.Status == http.StatusOK
	})
}

// checkLabels compares the names of all samples and of their labels.
func checkLabels(t *testing.T, place string, list samples) {
	t.Helper()
	got := make(map[string]string)
	for _, s := range list {
		got[s.name] = s.labelNames()
		if s.labels["gateway"] != "main" {
			t.Errorf("%s: %s has the gateway %q, want main", place, s.name, s.labels["gateway"])
		}
	}
	if diff := cmp.Diff(metricLabels, got); diff != "" {
		t.Errorf("%s: names and labels differ (-want +got):\n%s", place, diff)
	}
}

// checkRequests compares what was counted of the platforms' calls and of the requests to the brokers.
func checkRequests(t *testing.T, place string, list samples) {
	t.Helper()
	requests := map[string]float64{
		"cf catalog none 200":          1,
		"cf provision pg 201":          3, // one, held, away
		"cf provision pg 202":          1,
		"cf provision pg 502":          1,
		"none provision none 401":      1,
		"cf poll_instance pg 200":      1,
		"cf deprovision pg 200":        1,
		"cf provision none 400":        1,
		"cf fetch_instance pg 200":     0, // and those that waited for the store
		"cf fetch_instance pg 404":     0,
		"cf deprovision none 200":      0,
		"none fetch_instance none 401": 0,
	}
	got := make(map[string]float64, len(requests))
	for key := range requests {
		labels := strings.Fields(key)
		got[key] = list.value(t, "requests_total", "platform", labels[0], "operation", labels[1], "backend", labels[2],
			"code", labels[3])
		timed := list.value(t, "request_duration_seconds_count", "platform", labels[0], "operation", labels[1],
			"backend", labels[2], "code", labels[3])
		if timed != got[key] {
			t.Errorf("%s: %s: %v calls were timed and %v counted", place, key, timed, got[key])
		}
	}
	// How often the test asked while the store was away is not known.
	if got["cf fetch_instance pg 200"] < 3 {
		t.Errorf("%s: got %v fetches, want at least 3", place, got["cf fetch_instance pg 200"])
	}
	delete(got, "cf fetch_instance pg 200")
	delete(requests, "cf fetch_instance pg 200")
	if diff := cmp.Diff(requests, got); diff != "" {
		t.Errorf("%s: requests_total differs (-want +got):\n%s", place, diff)
	}

	sendings := map[string]float64{
		"pg provision 201": 3, "pg provision 202": 1, "pg provision other": 1, "pg poll_instance 200": 1,
		"pg deprovision 200": 1, "pg catalog 200": 1, "twin catalog 200": 1, "twin provision 201": 0,
	}
	sent := make(map[string]float64, len(sendings))
	for key := range sendings {
		labels := strings.Fields(key)
		where := []string{"backend", labels[0], "operation", labels[1], "code", labels[2]}
		sent[key] = list.value(t, "backend_requests_total", where...)
		if timed := list.value(t, "backend_request_duration_seconds_count", where...); timed != sent[key] {
			t.Errorf("%s: %s: %v sendings were timed and %v counted", place, key, timed, sent[key])
		}
	}
	if diff := cmp.Diff(sendings, sent); diff != "" {
		t.Errorf("%s: backend_requests_total differs (-want +got):\n%s", place, diff)
	}
}

// checkBackends compares the gauges.
func checkBackends(t *testing.T, place string, list samples) {
	t.Helper()
	for backend, up := range map[string]float64{"pg": 1, "twin": 1, "down": 0} {
		if got := list.value(t, "backend_up", "backend", backend); got != up {
			t.Errorf("%s: backend_up of %s: got %v, want %v", place, backend, got, up)
		}
		if got := list.value(t, "backend_in_flight", "backend", backend); got != 0 {
			t.Errorf("%s: backend_in_flight of %s: got %v, want 0", place, backend, got)
		}
		// A backend never seen good has no age.
		ages := list.count("catalog_age_seconds", "backend", backend)
		age := list.value(t, "catalog_age_seconds", "backend", backend)
		if ages != int(up) || age < 0 || age > 3600 {
			t.Errorf("%s: catalog_age_seconds of %s: got %d samples, %v; want %v, up to an hour", place, backend, ages, age, up)
		}
	}
	// The twin publishes what pg has published.
	for status, want := range map[string]float64{"published": 1, "quarantined": 1, "warned": 0} {
		if got := list.value(t, "catalog_offerings", "status", status); got != want {
			t.Errorf("%s: catalog_offerings %s: got %v, want %v", place, status, got, want)
		}
	}
}

// checkStore looks for the round trips, the failed ones too.
func checkStore(t *testing.T, place string, list samples) {
	t.Helper()
	for operation, least := range map[string]float64{"read": 1, "swap": 10, "read_document": 2, "swap_document": 2} {
		good := list.value(t, "store_operations_total", "operation", operation, "result", "ok", "store", "redis")
		bad := list.value(t, "store_operations_total", "operation", operation, "result", "error", "store", "redis")
		timed := list.value(t, "store_operation_duration_seconds_count", "operation", operation, "store", "redis")
		if good < least || timed != good+bad {
			t.Errorf("%s: %s: got %v good, %v failed, %v timed; want at least %v good, and all timed",
				place, operation, good, bad, timed, least)
		}
	}
	if bad := list.value(t, "store_operations_total", "operation", "swap", "result", "error"); bad == 0 {
		t.Errorf("%s: no swap failed, though the store was away", place)
	}
}
