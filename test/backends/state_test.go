package backends_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestStateResponse: what becomes of the answers to IBM Cloud's enable and disable, by what is configured.
func TestStateResponse(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	relaying, telling := startGuarded(t, "relaying", nil), startGuarded(t, "telling", nil)
	g := harness.Start(t, harness.Options{Block: strings.Join([]string{
		"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", ""),
		fmt.Sprintf("backend relaying %s {\n\tstate_response relay\n}", relaying.URL),
		fmt.Sprintf("backend telling %s {\n\tstate_response synthesize\n}", telling.URL),
	}, "\n")})
	for _, service := range []string{"relaying", "telling"} {
		if got := g.Do(t, provision(service, service)); got.Status != http.StatusCreated {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
	}
	answers := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Custom", "kept")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	const on, off = `{"enabled":true,"active":true}`, `{"enabled":false,"active":false}`
	for name, test := range map[string]struct {
		service, body string
		encoding      string
		behaves       func(http.ResponseWriter, *http.Request) bool
		status        int
		want          string
	}{
		"relayed":         {service: "relaying", body: `{"enabled":true}`, status: 204},
		"enabled":         {service: "telling", body: `{"enabled":true,"initiator_id":"null"}`, status: 200, want: on},
		"disabled":        {service: "telling", body: `{"enabled" : false,"reason_code":"X"}`, status: 200, want: off},
		"in gzip":         {service: "telling", body: zipped(`{"enabled":true}`), encoding: "gzip", status: 200, want: on},
		"empty 200":       {service: "telling", body: `{"enabled":true}`, behaves: answers(200, ""), status: 200, want: on},
		"its own answer":  {service: "telling", body: `{"enabled":true}`, behaves: answers(200, off), status: 200, want: off},
		"an error":        {service: "telling", body: `{"enabled":true}`, behaves: answers(422, `{"error":"X"}`), status: 422, want: `{"error":"X"}`},
		"not said":        {service: "telling", body: `{"reason_code":"X"}`, status: 204},
		"no truth value":  {service: "telling", body: `{"enabled":"true"}`, status: 204},
		"another letter":  {service: "telling", body: `{"Enabled":true}`, status: 204},
		"not for a fetch": {service: "telling", behaves: answers(204, ""), status: 204},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they change the broker
			broker := map[string]*guarded{"relaying": relaying, "telling": telling}[test.service]
			broker.set(func(b *guarded) { b.behaves = test.behaves })
			r := harness.Request{Method: "PUT", Target: "/bluemix_v1/service_instances/" + test.service, Body: test.body}
			if test.body == "" {
				r.Method = "GET"
			}
			if test.encoding != "" {
				r.Header = http.Header{"Content-Encoding": {test.encoding}}
			}
			got := g.Do(t, r)
			if got.Status != test.status || got.Body != test.want {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Body, test.status, test.want)
			}
			if test.want != "" && got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got Content-Type %q", got.Header.Get("Content-Type"))
			}
			if test.behaves != nil && got.Header.Get("X-Custom") != "kept" {
				t.Error("a header of the broker's is lost")
			}
		})
	}
}

// TestClientCertificate: a broker of a private authority that wants a certificate, by Caddy's own transport, over
// HTTP/1.1 and HTTP/2.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := func(name string, blocks ...*pem.Block) string {
		path := filepath.Join(directory, name)
		var content bytes.Buffer
		for _, block := range blocks {
			if err := pem.Encode(&content, block); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The test server's own certificate does for both sides: it is its own authority.
	spare := httptest.NewTLSServer(http.NotFoundHandler())
	spare.Close()
	own := spare.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	authority := file("ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	certificate := file("cert.pem", &pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	private := file("key.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	brokers := make(map[string]*guarded)
	protocols := make(map[string]chan string)
	block := []string{"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", "")}
	for name, versions := range map[string]string{"old": "1.1", "new": "1.1 2"} {
		protocols[name] = make(chan string, 16)
		brokers[name] = startGuarded(t, name, nil, func(s *httptest.Server) {
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.EnableHTTP2 = true
			s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
			s.StartTLS()
		})
		brokers[name].behaves = func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case protocols[name] <- r.Proto:
			default:
			}
			return false
		}
		block = append(block, fmt.Sprintf(`backend %s %s {
			transport http {
				tls_trust_pool file %s
				tls_client_auth %s %s
				tls_server_name example.com
				versions %s
			}
		}`, name, brokers[name].URL, authority, certificate, private, versions))
	}
	block = append(block, fmt.Sprintf("backend without %s {\n\ttransport http {\n\t\ttls_trust_pool file %s\n\t}\n}",
		brokers["old"].URL, authority))
	g := harness.Start(t, harness.Options{Block: strings.Join(block, "\n")})
	for name, want := range map[string]string{"old": "HTTP/1.1", "new": "HTTP/2.0"} {
		harness.Await(t, "the catalog", func() bool {
			return strings.Contains(g.Do(t, harness.Request{Method: "GET", Target: "/v2/catalog"}).Body, name+"-id")
		})
		for _, r := range []harness.Request{
			provision(name, name), {Method: "GET", Target: "/v2/service_instances/" + name}, deprovision(name, name),
		} {
			if got := g.Do(t, r); got.Status/100 != 2 {
				t.Errorf("%s %s: got %d %s", name, r.Method, got.Status, got.Body)
			}
		}
		if got := <-protocols[name]; got != want {
			t.Errorf("%s: the broker was spoken to in %s, want %s", name, got, want)
		}
	}
	harness.Await(t, "the gateway to say that a broker wants a certificate", func() bool {
		return strings.Contains(g.Output(), `"backend":"without"`)
	})
}
