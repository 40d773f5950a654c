package answers_test

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// unreached are backends whose URL leads nowhere for a while.
var unreached = []string{"refused", "unresolved", "untrusted", "misnamed", "unencrypted", "broken"}

// TestNotReached takes brokers away for one run of the gateway, and looks at what is remembered of it.
func TestNotReached(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	brokers := make(map[string]*rawBroker)
	good := make(map[string]string)
	for _, name := range unreached {
		brokers[name] = startRawBroker(t, catalogOf(offering(name+"-id", name, name+"-small")))
		good[name] = brokers[name].URL
	}
	directory := t.TempDir()
	start := func(addresses map[string]string, lines map[string]string) map[string]*estate {
		block := []string{"catalog {\n\trefresh 1h\n}", harness.Platform("main", "")}
		for _, name := range unreached {
			block = append(block, "backend "+name+" "+addresses[name]+" {\n\t"+lines[name]+"\n}")
		}
		g := start(t, harness.Options{Block: strings.Join(block, "\n"), Directory: directory})
		estates := make(map[string]*estate)
		for name, broker := range brokers {
			estates[name] = &estate{Gateway: g, one: broker, two: broker}
		}
		return estates
	}

	estates := start(good, nil)
	for _, name := range unreached {
		estates[name].makeInstance(t, name+"-there", brokers[name])
		binding := request{method: "PUT", target: instancePath(name+"-there", "/service_bindings/b"), body: "{}"}
		a, _ := do(t, estates[name].Gateway, binding)
		if a.status != http.StatusCreated {
			t.Fatalf("got status %d for a binding, want 201", a.status)
		}
	}
	estates["refused"].Stop(t)

	estates = start(bad(t))
	for _, name := range unreached {
		t.Run(name, func(t *testing.T) { testUnreached(t, estates[name], name) })
	}
	estates["refused"].Stop(t)

	estates = start(good, nil)
	for _, name := range unreached {
		t.Run(name+" comes back", func(t *testing.T) { testReachedAgain(t, estates[name], name) })
	}
}

// bad are the addresses that lead nowhere, and what their backend blocks have inside.
func bad(t *testing.T) (addresses, lines map[string]string) {
	t.Helper()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	_, port, err := net.SplitHostPort(secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := startTalker(t, saysAndCloses("HTTP/1.1 400 Bad Request\r\n\r\n"))
	broken := startTalker(t, func(c *net.TCPConn, _ rawRequest) bool {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
		return false
	})
	addresses = map[string]string{
		"refused":     "http://127.0.0.1:1",                             // a port of a service that is long dead
		"unresolved":  "http://" + strings.Repeat("n", 64) + ".invalid", // no name has such a long part
		"untrusted":   "https://127.0.0.1:" + port,
		"misnamed":    "https://localhost:" + port, // which the certificate is not for
		"unencrypted": "https://" + plain,
		"broken":      "http://" + broken,
	}
	lines = map[string]string{
		"misnamed": "transport http {\n\ttls_trust_pool file " + authority + "\n}",
	}
	return addresses, lines
}

// startTalker starts a listener that talks before it read a request, and returns its address.
func startTalker(t *testing.T, s script) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				s(conn.(*net.TCPConn), rawRequest{})
			}()
		}
	}()
	return listener.Addr().String()
}

func testUnreached(t *testing.T, e *estate, name string) {
	t.Helper()
	unreached := backendUnavailable
	if name == "broken" {
		unreached = backendFailed
	}
	// No catalog ever came from the address, so another broker may be there: its word that nothing exists would end the
	// records, and it is not asked.
	want := func(c call) own {
		if c.deletes || c.poll {
			return ownershipUnavailable
		}
		return unreached
	}
	for _, c := range calls {
		if c.name == "provision" && name == "broken" {
			continue // it would leave the instance in doubt
		}
		t.Run(c.name, func(t *testing.T) {
			e.refuses(t, c.on(name+"-there"), want(c))
			e.refuses(t, c.withHint(name+"-there", name+"-id", name+"-small"), want(c))
		})
	}
	t.Run("unknown instance", func(t *testing.T) {
		for _, c := range calls {
			if c.name != "provision" {
				e.refuses(t, c.withHint(name+"-unknown-"+c.name, name+"-id", name+"-small"), want(c))
			}
		}
	})
	t.Run("new instance", func(t *testing.T) {
		id := name + "-new"
		for range 2 {
			e.refuses(t, provision(id, e.one.offers()), unreached)
		}
		e.refuses(t, request{method: "GET", target: instancePath(id, "")}, unreached)
		e.refuses(t, request{method: "GET", target: instancePath(id, "/last_operation")}, ownershipUnavailable)
		remove := request{method: "DELETE", target: instancePath(id, "?service_id="+name+"-id&plan_id="+name+"-small")}
		for range 2 {
			if name == "broken" {
				e.refuses(t, remove, ownershipUnavailable)
				continue
			}
			// Nobody can have made it: the gateway itself says that it is gone.
			gone(t, e, remove)
		}
	})
}

// gone expects 410 and an empty object, without a broker's help.
func gone(t *testing.T, e *estate, r request) {
	t.Helper()
	a, identity := do(t, e.Gateway, r)
	if a.status != http.StatusGone || a.body != "{}" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %q of type %q, want 410 {} of application/json", a.status, a.body, a.header.Get("Content-Type"))
	}
	if got := a.header.Get("X-Broker-API-Request-Identity"); got != identity {
		t.Errorf("got request identity %q, want %q", got, identity)
	}
	if got := e.one.gotIdentity(identity); len(got) > 0 {
		t.Errorf("the broker got it: %q", got[0].Head)
	}
}

func testReachedAgain(t *testing.T, e *estate, name string) {
	t.Helper()
	for _, c := range calls {
		if c.method == http.MethodGet {
			e.relays(t, c.on(name+"-there"), e.one, http.StatusOK)
		}
	}
	e.relays(t, request{method: "DELETE", target: instancePath(name+"-there", "")}, e.one, http.StatusOK)

	id := name + "-new"
	e.relays(t, request{method: "GET", target: instancePath(id, "")}, e.one, http.StatusOK)
	remove := request{method: "DELETE", target: instancePath(id, "")}
	if name == "broken" {
		// What became of the create, nobody knows.
		a, identity := do(t, e.Gateway, remove)
		concurrencyError.check(t, a, identity)
		if got := len(e.one.gotIdentity(identity)); got != 1 {
			t.Errorf("the delete reached the broker %d times, want once", got)
		}
		return
	}
	gone(t, e, remove)
	e.makeInstance(t, id, e.one)
	e.relays(t, remove, e.one, http.StatusOK)
}
