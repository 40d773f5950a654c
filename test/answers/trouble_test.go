package answers_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// sides are two brokers for gateways that come and go.
func sides(t *testing.T) (one, two *rawBroker) {
	t.Helper()
	return startRawBroker(t, catalogOf(offering("alpha-id", "alpha", "alpha-small"))),
		startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
}

// TestNotConfigured takes a backend and a platform out of the configuration.
func TestNotConfigured(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	one, two := sides(t)
	directory := t.TempDir()
	start := func(more ...string) *estate {
		g := start(t, harness.Options{Directory: directory, Global: "debug", Block: strings.Join(append(more,
			harness.Platform("main", "unknown_instances forward"), platform(rejectUser, "unknown_instances reject"),
			one.backend("one", ""),
		), "\n")})
		return &estate{Gateway: g, one: one, two: two}
	}
	removed := []string{platform(otherUser, "unknown_instances forward"), two.backend("two", "")}

	e := start(removed...)
	e.makeInstance(t, "kept", one)
	e.makeInstance(t, "orphan", two)
	e.relays(t, request{method: "PUT", target: instancePath("orphan", "/service_bindings/b"), body: "{}"}, two, 201)
	e.makeInstance(t, "buried", two)
	e.relays(t, request{method: "DELETE", target: instancePath("buried", "")}, two, 200)
	e.relays(t, provision("another's", one.offers()).as(otherUser), one, 201)
	e.Stop(t)

	e = start()
	t.Run("removed", func(t *testing.T) { testRemoved(t, e) })
	e.relays(t, request{method: "GET", target: instancePath("kept", "")}, one, 200)
	e.Stop(t)

	e = start(removed...)
	for _, c := range calls {
		if c.method == http.MethodGet {
			e.relays(t, c.on("orphan"), two, 200)
			e.relays(t, c.on("another's").as(otherUser), one, 200)
		}
	}
	e.relays(t, request{method: "DELETE", target: instancePath("orphan", "")}, two, 200)
}

// testRemoved looks at instances of a backend and of a platform that are not configured.
func testRemoved(t *testing.T, e *estate) {
	t.Helper()
	for id, owner := range map[string]string{"orphan": "two", "buried": "two", "another's": "one"} {
		for _, c := range calls {
			t.Run(c.name+" on "+id, func(t *testing.T) {
				t.Parallel()
				for _, user := range []string{"", rejectUser} {
					e.refuses(t, c.on(id).as(user), ownershipUnavailable)
					e.refuses(t, c.withHint(id, "alpha-id", "alpha-small").as(user), ownershipUnavailable)
					a := e.refuses(t, c.withHint(id, "gamma-id", "gamma-small").as(user), ownershipUnavailable)
					identity := a.header.Get("X-Broker-API-Request-Identity")
					harness.Await(t, "a word to the operator", func() bool {
						// Of all these calls the operator is told once at level error, and of each at level debug.
						return logged(e.Gateway, "does not name", identity, `"owner":"`+owner+`"`) &&
							logged(e.Gateway, `"level":"error"`, "does not name", `"owner":"`+owner+`"`)
					})
				}
			})
		}
	}
}

// TestStoreTrouble takes the store away.
func TestStoreTrouble(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	redis := redistest.Start(t)
	one, two := sides(t)
	g := start(t, harness.Options{Block: strings.Join([]string{
		"store redis {\n\taddress " + redis.Addr + "\n}",
		harness.Platform("main", "unknown_instances forward"), platform(rejectUser, "unknown_instances reject"),
		one.backend("one", ""), two.backend("two", ""),
	}, "\n")})
	e := &estate{Gateway: g, one: one, two: two}
	e.makeInstance(t, "there", one)
	e.relays(t, request{method: "PUT", target: instancePath("there", "/service_bindings/b"), body: "{}"}, one, 201)

	redis.Stop(t)
	t.Run("down", func(t *testing.T) {
		for _, c := range calls {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				for _, id := range []string{"there", "elsewhere", "crn:v1:a:b:alpha:c:d:e::"} {
					e.refuses(t, c.withHint(id, "alpha-id", "alpha-small"), ownershipUnavailable)
					if c.name != "provision" {
						e.refuses(t, c.on(id), ownershipUnavailable)
						e.refuses(t, c.on(id).as(rejectUser), ownershipUnavailable)
					}
				}
			})
		}
	})
	a, _ := do(t, g, request{method: "GET", target: "/v2/catalog"})
	if a.status != http.StatusOK || !strings.Contains(a.body, "alpha-id") || !strings.Contains(a.body, "gamma-id") {
		t.Errorf("got %d %q for the catalog, want it as it was", a.status, a.body)
	}

	redis.Restart(t)
	fetch := request{method: "GET", target: instancePath("there", "")}
	harness.Await(t, "the store to be found again", func() bool {
		a, err := exchange(g, fetch.method, fetch.text(host(g)))
		return err == nil && a.status == http.StatusOK
	})
	e.relays(t, fetch, one, 200)
	e.relays(t, request{method: "DELETE", target: instancePath("there", "")}, one, 200)
}

// startUnready starts a gateway and waits until it answers.
func startUnready(t *testing.T, options harness.Options) *harness.Gateway {
	t.Helper()
	g := harness.Launch(t, options)
	g.AwaitLive(t)
	return g
}

// TestUnready has a gateway whose store or whose brokers do not answer at its start.
func TestUnready(t *testing.T) {
	t.Parallel()
	catalog := request{method: "GET", target: "/v2/catalog"}
	ready := request{method: "GET", target: "/healthz/ready", user: "-"}
	notReady := func(t *testing.T, e *estate) {
		t.Helper()
		e.refuses(t, catalog, backendUnavailable)
		e.refuses(t, catalog.as("-"), unauthorized)
		if a, _ := do(t, e.Gateway, ready); a.status != http.StatusServiceUnavailable {
			t.Errorf("got %d from the health check, want 503", a.status)
		}
	}
	t.Run("store", func(t *testing.T) {
		t.Parallel()
		one, two := sides(t)
		listener := startTalker(t, func(c *net.TCPConn, _ rawRequest) bool {
			for {
				if _, err := c.Read(make([]byte, 1024)); err != nil {
					return false
				}
			}
		})
		g := start(t, harness.Options{Block: strings.Join([]string{
			"store redis {\n\taddress " + listener + "\n\ttimeout 50ms\n}",
			harness.Platform("main", ""), one.backend("one", ""), two.backend("two", ""),
		}, "\n")})
		e := &estate{Gateway: g, one: one, two: two}
		if a, _ := do(t, g, catalog); a.status != http.StatusOK || !strings.Contains(a.body, "gamma-id") {
			t.Errorf("got %d %q for the catalog, want that of the brokers", a.status, a.body)
		}
		for _, c := range calls {
			e.refuses(t, c.withHint("any", "alpha-id", "alpha-small"), ownershipUnavailable)
		}
	})
	t.Run("broker", func(t *testing.T) {
		t.Parallel()
		one, two := sides(t)
		speaks := make(chan struct{})
		two.on("/v2/catalog", func(*net.TCPConn, rawRequest) bool { // says nothing
			select {
			case <-speaks:
			case <-two.done.Done():
			}
			return false
		})
		g := startUnready(t, harness.Options{Block: strings.Join([]string{
			"store memory", harness.Platform("main", ""), one.backend("one", ""),
			two.backend("two", "catalog_timeout 10m"),
		}, "\n")})
		e := &estate{Gateway: g, one: one, two: two}
		notReady(t, e)
		// An offering that is not known yet may be the silent broker's.
		for _, c := range calls {
			e.refuses(t, c.withHint("new", "gamma-id", "gamma-small"), ownershipUnavailable)
		}
		two.off("/v2/catalog")
		close(speaks)
		g.AwaitReady(t)
		harness.Await(t, "both offerings", func() bool {
			a, err := exchange(g, "GET", catalog.text(host(g)))
			return err == nil && strings.Contains(a.body, "alpha-id") && strings.Contains(a.body, "gamma-id")
		})
		e.makeInstance(t, "new", two)
	})
	t.Run("one broker down", func(t *testing.T) {
		t.Parallel()
		one, two := sides(t)
		two.on("/v2/catalog", says(reply("503 Service Unavailable", "", "")))
		g := start(t, harness.Options{Block: strings.Join([]string{
			"store memory", harness.Platform("main", ""), one.backend("one", ""), two.backend("two", ""),
		}, "\n")})
		e := &estate{Gateway: g, one: one, two: two}
		a, _ := do(t, g, catalog)
		if want := catalogOf(offering("alpha-id", "alpha", "alpha-small")); a.status != 200 || a.body != want {
			t.Errorf("got %d %q for the catalog, want that of the other broker", a.status, a.body)
		}
		for _, c := range calls {
			e.refuses(t, c.withHint("elsewhere", "gamma-id", "gamma-small"), ownershipUnavailable)
		}
		e.makeInstance(t, "here", one)
	})
	t.Run("all brokers down", func(t *testing.T) {
		t.Parallel()
		one, two := sides(t)
		one.on("/v2/catalog", says(reply("200 OK", "Content-Type: text/html", html)))
		two.on("/v2/catalog", says(reply("401 Unauthorized", "", "")))
		g := startUnready(t, harness.Options{Block: strings.Join([]string{
			"store memory", harness.Platform("main", ""), one.backend("one", ""), two.backend("two", ""),
		}, "\n")})
		harness.Await(t, "word of both brokers", func() bool {
			return logged(g, `"level":"error"`, "fetching", `"one"`) && logged(g, `"level":"error"`, "fetching", `"two"`)
		})
		notReady(t, &estate{Gateway: g, one: one, two: two})
	})
}
