package answers_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

var getCatalog = request{method: "GET", target: "/v2/catalog"}

// oddOfferings are good offerings whose bytes a reader of JSON might be tempted to change.
var oddOfferings = []string{
	`{ "zeta" : 1, "plans" :[
		{"free":false , "name":"a","id":"odd-plan-a","description":"d", "x-cost":{"amount":12345678901234567890.10,
		"small":-0.00000000000000000001,"exponent":1E+2},"schemas":{}}
	], "bindable":false,	"name":"odd-a" , "id":"odd-id-a","description":"<b>&amp;\u003c\u00fc\ud83d\ude00\/ ü 😀",
	"null":null,	"empty":{},"list":[ ],"metadata":{"a":1,"A":2,"displayName":"x","huge":18446744073709551616}, "tags":[]}`,
	"{\"id\":\"odd-id-b\",\"name\":\"odd-b\",\"description\":\"d\",\"bindable\":true,\"plan_updatable\":true," +
		"\"plans\":[{\"id\":\"odd-plan-b\",\"name\":\"b\",\"description\":\"d\",\"metadata\":{\"text\":\"" +
		strings.Repeat("x", 5000) + "\"}}],\"\u2028\":\"\u2029\"}",
}

// TestCatalog covers the merged catalog as platforms get it.
func TestCatalog(t *testing.T) {
	t.Parallel()
	t.Run("bytes", testCatalogBytes)
	t.Run("bad offerings", testBadOfferings)
	t.Run("secrets", testCatalogSecrets)
	t.Run("what plans may", testT41PlansDecide)
	t.Run("order", testCatalogOrder)
	t.Run("refresh", testCatalogRefresh)
}

// startCatalogs starts a gateway with a backend for each broker, in their order.
func startCatalogs(t *testing.T, lines string, brokers ...*rawBroker) *harness.Gateway {
	t.Helper()
	block := []string{"store memory", lines, harness.Platform("main", "")}
	for i, b := range brokers {
		block = append(block, b.backend("b"+strconv.Itoa(i), ""))
	}
	return start(t, harness.Options{Block: strings.Join(block, "\n")})
}

func testCatalogBytes(t *testing.T) {
	t.Parallel()
	one := startRawBroker(t, ` { "x": 1, "services" : [ `+oddOfferings[0]+" ,\n"+oddOfferings[1]+` ], "y":[] } `)
	two := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	empty := startRawBroker(t, catalogOf())
	g := startCatalogs(t, "", one, empty, two)
	e := &estate{Gateway: g, one: one, two: two}

	want := catalogOf(oddOfferings[0], oddOfferings[1], offering("gamma-id", "gamma", "gamma-small"))
	a, identity := do(t, g, getCatalog)
	if a.status != http.StatusOK || a.body != want {
		t.Errorf("got %d %q, want %q", a.status, a.body, want)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Content-Length": strconv.Itoa(len(want)), "Cache-Control": "",
		"X-Broker-API-Request-Identity": identity, "Transfer-Encoding": "",
	} {
		if got := a.header.Get(name); got != value {
			t.Errorf("got %s %q, want %q", name, got, value)
		}
	}
	etag := a.header.Get("ETag")
	if len(etag) < 10 || !strings.HasPrefix(etag, `"`) || !strings.HasSuffix(etag, `"`) {
		t.Fatalf("got ETag %q, want a strong one", etag)
	}
	for name, header := range map[string]string{
		"the same": etag, "weak": "W/" + etag, "any": "*", "in a list": `"a", ` + etag + `,"b"`,
		"in a second line": "\"a\"\nIf-None-Match: " + etag,
	} {
		t.Run(name, func(t *testing.T) {
			r := getCatalog
			r.header = "If-None-Match: " + header
			a, identity := do(t, g, r)
			if a.status != http.StatusNotModified || a.body != "" {
				t.Errorf("got %d %q, want 304 without a body", a.status, a.body)
			}
			if got := a.header.Get("ETag"); got != etag {
				t.Errorf("got ETag %q, want %q", got, etag)
			}
			for _, name := range []string{"Content-Type", "Content-Length"} {
				if got := a.header.Get(name); got != "" {
					t.Errorf("got %s %q with 304", name, got)
				}
			}
			if got := a.header.Get("X-Broker-API-Request-Identity"); got != identity {
				t.Errorf("got request identity %q, want %q", got, identity)
			}
			e.refuses(t, r.as("-"), unauthorized)
		})
	}
	for name, header := range map[string]string{
		"another": `"other"`, "without quotes": strings.Trim(etag, `"`), "a part": etag[:9] + `"`, "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			r := getCatalog
			r.target += "?whatever=1"
			r.header = "If-None-Match: " + header
			if a, _ := do(t, g, r); a.status != http.StatusOK || a.body != want || a.header.Get("ETag") != etag {
				t.Errorf("got %d with ETag %q, want all of the catalog", a.status, a.header.Get("ETag"))
			}
		})
	}
	t.Run("the call to the broker", func(t *testing.T) { checkCatalogFetch(t, one.got("/v2/catalog")) })
	if a, _ := do(t, g, getCatalog); a.header.Get("ETag") != etag {
		t.Errorf("got ETag %q of the same catalog, want %q", a.header.Get("ETag"), etag)
	}
}

// checkCatalogFetch looks at the gateway's own request for a catalog; those of platforms go no further.
func checkCatalogFetch(t *testing.T, requests []rawRequest) {
	t.Helper()
	if len(requests) != 1 {
		t.Fatalf("the broker was asked %d times for its catalog, want once", len(requests))
	}
	checkMark(t, requests[0].Header)
	for name, want := range map[string]string{
		"X-Broker-API-Version": "2.17", "Accept": "application/json", "If-None-Match": "", "Accept-Encoding": "identity",
		"Authorization": basic("gateway", harness.BrokerPassword), "X-Broker-API-Originating-Identity": "",
	} {
		if got := requests[0].Header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
}

// Each bad offering is left out alone, and its operator is told why.
func testBadOfferings(t *testing.T) {
	t.Parallel()
	const plan = `"plans":[{"id":"p","name":"p","description":"d"}]`
	bad := map[string]string{
		"no-id":           `{"name":"no-id","description":"d","bindable":true,` + plan + `}`,
		"no-name":         `{"id":"no-name","description":"d","bindable":true,` + plan + `}`,
		"no-description":  `{"id":"no-description","name":"b3","bindable":true,` + plan + `}`,
		"no-bindable":     `{"id":"no-bindable","name":"b4","description":"d",` + plan + `}`,
		"bindable-text":   `{"id":"bindable-text","name":"b5","description":"d","bindable":"true",` + plan + `}`,
		"no-plans":        `{"id":"no-plans","name":"b6","description":"d","bindable":true}`,
		"empty-plans":     `{"id":"empty-plans","name":"b7","description":"d","bindable":true,"plans":[]}`,
		"plan-without-id": `{"id":"plan-without-id","name":"b8","description":"d","bindable":true,"plans":[{"name":"p"}]}`,
		"blank-name":      `{"id":"blank-name","name":" ","description":"d","bindable":true,` + plan + `}`,
		"id-number":       `{"id":5,"name":"id-number","description":"d","bindable":true,` + plan + `}`,
		"id-twice":        `{"id":"id-twice","id":"x","name":"id-twice","description":"d","bindable":true,` + plan + `}`,
		"names-alike": `{"id":"names-alike","name":"b9","description":"d","bindable":true,"plans":[` +
			`{"id":"p1","name":"p","description":"d"},{"id":"p2","name":"p","description":"d"}]}`,
	}
	services := []string{offering("good-id", "good", "good-plan")}
	for _, text := range bad {
		services = append(services, text)
	}
	services = append(services, offering("fine-id", "fine", "fine-plan"), "7", "null")
	one := startRawBroker(t, catalogOf(services...))
	two := startRawBroker(t, catalogOf(
		offering("good-id", "other", "other-plan"),     // an id that is taken
		offering("name-id", "good", "name-plan"),       // a name that is taken
		offering("plan-id", "plan-taken", "fine-plan"), // a plan that is taken
		offering("gamma-id", "gamma", "gamma-small")))
	g := startCatalogs(t, "", one, two)
	e := &estate{Gateway: g, one: one, two: two}
	a, _ := do(t, g, getCatalog)
	want := catalogOf(offering("good-id", "good", "good-plan"), offering("fine-id", "fine", "fine-plan"),
		offering("gamma-id", "gamma", "gamma-small"))
	if a.status != http.StatusOK || a.body != want {
		t.Errorf("got %d %q, want %q", a.status, a.body, want)
	}
	told := func(backend, label string) {
		harness.Await(t, "a word about "+label, func() bool {
			return logged(g, `"level":"warn"`, "not published", `"backend":"`+backend+`"`, label)
		})
	}
	for label := range bad {
		told("b0", label)
	}
	for _, label := range []string{"good-id", "name-id", "plan-id"} {
		told("b1", label)
	}
	e.refuses(t, provision("new", `"service_id":"no-description","plan_id":"p"`), badRequest)
	e.refuses(t, provision("new", `"service_id":"name-id","plan_id":"name-plan"`), badRequest)
	e.relays(t, provision("new", `"service_id":"good-id","plan_id":"good-plan"`), one, 201)
	// What is not published still tells the way to instances that there may be.
	e.relays(t, request{method: "DELETE", target: instancePath("old", "?service_id=name-id")}, two, 200)
	e.relays(t, request{method: "DELETE", target: instancePath("older", "?service_id=no-description")}, one, 200)
	e.refuses(t, request{method: "DELETE", target: instancePath("odd", "?service_id=good-id")}, ownershipUnavailable)
}

func testCatalogSecrets(t *testing.T) {
	t.Parallel()
	secret := strings.TrimSuffix(offering("secret-id", "secret", "secret-plan"), "}") +
		`,"dashboard_client":{"id":"client","secret":"dashboard-secret","redirect_uri":"https://example.com"}}`
	one := startRawBroker(t, catalogOf(secret))
	two := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	g := startCatalogs(t, "", one, two)
	a, _ := do(t, g, getCatalog)
	if a.status != http.StatusOK || !strings.Contains(a.body, "dashboard-secret") {
		t.Errorf("got %d %q, want the catalog with its secret", a.status, a.body)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	r := getCatalog
	r.header = "If-None-Match: " + a.header.Get("ETag")
	if a, _ := do(t, g, r); a.status != http.StatusNotModified || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d with Cache-Control %q, want 304 and no-store", a.status, a.header.Get("Cache-Control"))
	}
	if strings.Contains(g.Output(), "dashboard-secret") {
		t.Error("the secret is in the log")
	}
}

// Of two backends that claim one offering from the beginning, the one listed first has it, even if it answers last.
func testCatalogOrder(t *testing.T) {
	t.Parallel()
	one := startRawBroker(t, catalogOf(offering("shared-id", "first", "shared-plan")))
	two := startRawBroker(t, catalogOf(offering("shared-id", "second", "shared-plan"), offering("gamma-id", "gamma", "g")))
	known := make(chan struct{})
	one.on("/v2/catalog", func(c *net.TCPConn, _ rawRequest) bool {
		select {
		case <-known:
		case <-one.done.Done():
		}
		return write(c, reply("200 OK", jsonType, one.catalog))
	})
	block := []string{
		"store memory", harness.Platform("main", ""), one.backend("b0", "catalog_timeout 1m"), two.backend("b1", ""),
	}
	g := startUnready(t, harness.Options{Block: strings.Join(block, "\n")})
	harness.Await(t, "the other broker's catalog", func() bool {
		return strings.Contains(g.Metrics(t), `backend_up{backend="b1",gateway="default"} 1`)
	})
	close(known)
	g.AwaitReady(t)
	a, _ := do(t, g, getCatalog)
	want := catalogOf(offering("shared-id", "first", "shared-plan"), offering("gamma-id", "gamma", "g"))
	if a.body != want {
		t.Errorf("got %q, want %q", a.body, want)
	}
}

// A catalog is fetched again under the broker's own ETag, and stays when the broker has no good one.
func testCatalogRefresh(t *testing.T) {
	t.Parallel()
	one := startRawBroker(t, "")
	two := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	catalog := func(name string) string { return catalogOf(offering("alpha-id", name, "alpha-small")) }
	serve := func(name, etag string) {
		one.on("/v2/catalog", func(c *net.TCPConn, r rawRequest) bool {
			if r.Header.Get("If-None-Match") == etag {
				return write(c, reply("304 Not Modified", "ETag: "+etag, ""))
			}
			return write(c, reply("200 OK", jsonType+"\nETag: "+etag, catalog(name)))
		})
	}
	serve("first", `"v1"`)
	g := startCatalogs(t, "catalog {\n\trefresh 50ms\n}", one, two)
	gamma := offering("gamma-id", "gamma", "gamma-small")
	shows := func(name string) bool {
		a, err := exchange(g, "GET", getCatalog.text(host(g)))
		return err == nil && a.status == http.StatusOK &&
			a.body == catalogOf(offering("alpha-id", name, "alpha-small"), gamma)
	}
	// asked waits for so many more fetches.
	asked := func(more int) {
		want := len(one.got("/v2/catalog")) + more
		harness.Await(t, fmt.Sprintf("%d fetches", more), func() bool { return len(one.got("/v2/catalog")) >= want })
	}
	if !shows("first") {
		t.Error("the first catalog is not shown")
	}
	asked(3)
	fetches := one.got("/v2/catalog")
	if got := fetches[len(fetches)-1].Header.Get("If-None-Match"); got != `"v1"` {
		t.Errorf("got If-None-Match %q, want the broker's ETag", got)
	}
	if !shows("first") {
		t.Error("after a 304 the catalog is another")
	}
	serve("second", `"v2"`)
	harness.Await(t, "the new catalog", func() bool { return shows("second") })
	for name, s := range map[string]script{
		"500":  says(reply("500 Internal Server Error", "", "")),
		"HTML": says(reply("200 OK", "Content-Type: text/html", html)),
		"401":  says(reply("401 Unauthorized", "", "")), "404": says(reply("404 Not Found", jsonType, "{}")),
		"302": says(reply("302 Found", "Location: /", "")), "204": says(reply("204 No Content", "", "")),
		"empty": says(reply("200 OK", "", "")), "cut": saysAndCloses("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
		"no services": says(reply("200 OK", jsonType, "{}")), "null": says(reply("200 OK", jsonType, `{"services":null}`)),
		"gzip":  says(reply("200 OK", jsonType+"\nContent-Encoding: gzip", gzipped(catalog("third")))),
		"reset": func(c *net.TCPConn, _ rawRequest) bool { _ = c.SetLinger(0); return false },
		"bad":   says(reply("200 OK", jsonType, strings.Replace(catalog("third"), `"bindable":true,`, "", 1))),
	} {
		one.on("/v2/catalog", s)
		asked(3)
		if !shows("second") {
			t.Errorf("after %s the last good catalog is gone", name)
		}
	}
	serve("fourth", `"v4"`)
	harness.Await(t, "the next good catalog", func() bool { return shows("fourth") })
}

// testT41PlansDecide: what an offering and its plans say of binding, updating and fetching is for platforms to read. Which
// of the two counts their broker knows, and every call goes there.
func testT41PlansDecide(t *testing.T) {
	t.Parallel()
	const plans = `"plans":[{"id":"%[1]s-yes","name":"yes","description":"d","bindable":true,"plan_updateable":true},` +
		`{"id":"%[1]s-no","name":"no","description":"d","bindable":false,"plan_updateable":false}]}`
	able := fmt.Sprintf(`{"id":"able","name":"able","description":"d","bindable":true,"plan_updateable":true,`+
		`"instances_retrievable":true,"bindings_retrievable":true,`+plans, "able")
	unable := fmt.Sprintf(`{"id":"unable","name":"unable","description":"d","bindable":false,"plan_updateable":false,`+plans, "unable")
	one := startRawBroker(t, catalogOf(able, unable))
	two := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	e := &estate{Gateway: startCatalogs(t, "", one, two), one: one, two: two}
	for _, service := range []string{"able", "unable"} {
		for _, plan := range []string{"yes", "no"} {
			id := service + "-" + plan
			ids := fmt.Sprintf(`"service_id":%q,"plan_id":%q`, service, id)
			e.relays(t, provision(id, ids), one, 201)
			e.relays(t, request{method: "GET", target: instancePath(id, "")}, one, 200)
			e.relays(t, request{
				method: "PUT", target: instancePath(id, "/service_bindings/b"), body: "{" + ids + "}",
			}, one, 201)
			e.relays(t, request{method: "GET", target: instancePath(id, "/service_bindings/b")}, one, 200)
			other := fmt.Sprintf(`{"service_id":%q,"plan_id":"%s-yes"}`, service, service)
			e.relays(t, request{method: "PATCH", target: instancePath(id, ""), body: other}, one, 200)
		}
	}
}
