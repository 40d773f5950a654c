package telemetry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestMetricsOverReloads: what was counted stays, also when the configuration changed, until a backend is gone from it.
func TestMetricsOverReloads(t *testing.T) {
	t.Parallel()
	pg, queue := startBroker(t, "db"), startBroker(t, "queue")
	options := harness.Options{
		Block: block("store file", pg.Backend("pg", ""), queue.Backend("queue", "")), Site: "metrics /metrics",
	}
	gateway := harness.Start(t, options)
	provision("one", "db", "sync").do(t, gateway)
	provision("two", "queue", "sync").do(t, gateway)
	created := []string{"requests_total", "backend", "pg", "operation", "provision", "code", "201"}
	expect := func(when string, want float64) {
		t.Helper()
		// A call is counted a moment after the platform has its answer.
		harness.Await(t, fmt.Sprintf("%v creates to be counted %s", want, when), func() bool {
			return scrape(t, gateway).value(t, created[0], created[1:]...) == want
		})
		for place, list := range map[string]samples{"admin": scrape(t, gateway), "site": scrapeSite(t, gateway)} {
			if got := list.value(t, created[0], created[1:]...); got != want {
				t.Errorf("%s: %s: got %v creates, want %v", when, place, got, want)
			}
			if list.count("backend_up") == 0 || list.value(t, "backend_up", "backend", "pg") != 1 {
				t.Errorf("%s: %s: backend_up of pg is not 1", when, place)
			}
			if list.value(t, "catalog_offerings", "status", "published") == 0 {
				t.Errorf("%s: %s: no offering is published", when, place)
			}
		}
	}
	expect("before", 1)

	if err := gateway.Reload(t, options); err != nil {
		t.Fatal(err)
	}
	expect("after a reload", 1)

	changed := options
	changed.Block = "max_request_body 2MiB\n" +
		block("store file", pg.Backend("pg", "timeout 40s"), queue.Backend("queue", ""))
	if err := gateway.Reload(t, changed); err != nil {
		t.Fatal(err)
	}
	expect("after a change", 1)
	provision("three", "db", "sync").with("Connection", "close").do(t, gateway)
	expect("after another call", 2)

	broken := options
	broken.Block = "max_request_body nonsense\n" + options.Block
	if err := gateway.Reload(t, broken); err == nil {
		t.Error("a configuration with a mistake was taken")
	}
	if got := scrapeSite(t, gateway).value(t, created[0], created[1:]...); got != 2 {
		t.Errorf("after a reload that failed: got %v creates, want 2", got)
	}

	without := options
	without.Block = block("store file", pg.Backend("pg", ""))
	if err := gateway.Reload(t, without); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the series of the removed backend to go", func() bool {
		return scrape(t, gateway).count("", "backend", "queue") == 0
	})
	expect("after a backend was removed", 2)
}

// TestTwoGateways of one configuration count apart, and a removed one takes its series with it.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	pg, queue := startBroker(t, "db"), startBroker(t, "queue")
	main := "name first\n" + block("store memory", pg.Backend("pg", ""))
	other := "name second\nbase_path /other\nhealth_path /other/healthz\n" +
		block("store memory", queue.Backend("queue", ""))
	options := harness.Options{
		Block: main,
		Site:  "metrics /metrics\nhandle /other/* {\n\tosb_gateway {\n" + other + "}\n}\n",
	}
	gateway := harness.Start(t, options)
	harness.Await(t, "the second gateway to be ready", func() bool {
		response, err := http.Get(gateway.URL + "/other/healthz/ready")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	provision("one", "db", "sync").do(t, gateway)
	for _, instance := range []string{"one", "two"} {
		c := provision(instance, "queue", "sync")
		c.Target = "/other" + c.Target
		c.do(t, gateway)
	}
	harness.Await(t, "the last call to be counted", func() bool {
		return scrape(t, gateway).value(t, "requests_total", "gateway", "second", "operation", "provision") == 2
	})
	for place, list := range map[string]samples{"admin": scrape(t, gateway), "site": scrapeSite(t, gateway)} {
		for name, want := range map[string]float64{"first": 1, "second": 2} {
			got := list.value(t, "requests_total", "gateway", name, "operation", "provision", "code", "201")
			if got != want {
				t.Errorf("%s: gateway %s: got %v creates, want %v", place, name, got, want)
			}
			if list.count("catalog_offerings", "gateway", name) != 3 ||
				list.count("store_operations_total", "gateway", name) == 0 {
				t.Errorf("%s: gateway %s has not all of its series", place, name)
			}
		}
		if crossed := list.count("", "gateway", "first", "backend", "queue"); crossed != 0 {
			t.Errorf("%s: %d series are of one gateway and the other's backend", place, crossed)
		}
	}
	if err := gateway.Reload(t, harness.Options{Block: main, Site: "metrics /metrics"}); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the series of the removed gateway to go", func() bool {
		return scrape(t, gateway).count("", "gateway", "second") == 0
	})
	if got := scrape(t, gateway).value(t, "requests_total", "gateway", "first", "operation", "provision"); got != 1 {
		t.Errorf("got %v creates of the gateway that stayed, want 1", got)
	}
}

// TestHostileCallsMakeNoSeries sends 500 calls with odd ids, identities, methods and paths, each with its own texts.
func TestHostileCallsMakeNoSeries(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		// A second fetch of the catalog would be answered with another status, which is another series.
		Block: block("store memory", broker.Backend("pg", "")) + "catalog {\n\trefresh 1h\n}\n",
	})
	for n := range oddKinds {
		sendOdd(t, gateway, n)
	}
	before := awaitSettled(t, gateway, oddKinds)
	for n := oddKinds; n < oddKinds+500; n++ {
		sendOdd(t, gateway, n)
	}
	after := awaitSettled(t, gateway, oddKinds+500)
	if len(after) != len(before) {
		t.Errorf("got %d series after 500 odd calls, want %d as before", len(after), len(before))
	}
	for _, s := range after {
		for name, value := range s.labels {
			if strings.Contains(value, "odd") {
				t.Errorf("%s has the label %s=%q, which came with a call", s.name, name, value)
			}
		}
	}
}

// oddKinds is how many kinds of odd calls there are.
const oddKinds = 12

// sendOdd makes the nth odd call. Every text in it is its own.
func sendOdd(t *testing.T, g *harness.Gateway, n int) {
	t.Helper()
	id := fmt.Sprintf("odd%d", n)
	var c call
	switch n % oddKinds {
	case 0:
		c = provision(id+"%2F..%00", "db", "sync")
	case 1:
		c = provision(id+"%C3%A9%22%5C{}", "db", "sync")
	case 2:
		c = newCall(id, id, instancePath(id), nil, 0)
	case 3:
		c = newCall(id, http.MethodGet, "/v2/"+id, nil, 0)
	case 4:
		c = provision(id, id, "sync")
	case 5:
		c = fetch(id)
		c.User, c.Password = id, id
	case 6:
		c = newCall(id, http.MethodPut, bindingPath(id, id+"%0A"), members{"service_id": []string{id}}, 0)
	case 7:
		c = fetch(id).with("X-Broker-API-Version", id)
	case 8:
		c = newCall(id, http.MethodGet, statePath("crn%3A"+id), nil, 0)
	case 9:
		c = poll(id).with("X-Broker-API-Originating-Identity", originatingIdentity(id, members{"user_id": id}))
	case 10:
		c = fetch(id).with("Traceparent", id).with("B3", id).with("Baggage", id+"="+id)
	default:
		c = newCall(id, http.MethodGet, "/v2/catalog?"+id+"="+id, nil, 0).with("X-Broker-API-Request-Identity", id)
	}
	g.Do(t, c.Request)
}

// awaitSettled waits until so many calls were counted, and the gateway has done what it does by itself, which has series
// too: operations are counted and looked after a moment after the start. It returns the scrape.
func awaitSettled(t *testing.T, g *harness.Gateway, calls int) samples {
	t.Helper()
	var list samples
	harness.Await(t, "all calls to be counted", func() bool {
		list = scrape(t, g)
		counted := 0.0
		for _, s := range list {
			if s.name == "requests_total" {
				counted += s.value
			}
		}
		return int(counted) == calls && list.count("operations_in_progress") > 0 &&
			list.count("store_operations_total", "operation", "unfinished") > 0 &&
			list.count("store_operations_total", "operation", "in_progress") > 0
	})
	return list
}
