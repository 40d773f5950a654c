package backend_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

func TestCatalogRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		Line   string
		Header http.Header
	}
	got := make(chan seen, 1)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- seen{r.Method + " " + r.RequestURI, r.Header}
		w.Header().Set("ETag", `"2"`)
		w.WriteHeader(http.StatusNotModified)
	})
	b := newBackend(t, address+"/my%2Fbroker/", func(c *backend.Config) {
		c.User, c.Password, c.CatalogVersion = "gw", "secret", "2.15"
		c.Header = http.Header{"X-Api-Key": {"k"}}
	})
	_, etag, notModified, err := b.Catalog(t.Context(), `W/"1"`)
	if err != nil || etag != `"2"` || !notModified {
		t.Errorf("got etag %q, not modified %t, %v; want the new etag of an unmodified catalog", etag, notModified, err)
	}
	want := seen{"GET /my%2Fbroker/v2/catalog", http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "Authorization": {"Basic Z3c6c2VjcmV0"},
		"If-None-Match": {`W/"1"`}, "X-Api-Key": {"k"}, "X-Broker-Api-Version": {"2.15"},
	}}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// TestCatalogOfThisGateway: the mark goes down, and a catalog that comes with it is refused, whatever its status. The
// gateways that others came from are remembered.
func TestCatalogOfThisGateway(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status  int
		header  string
		want    []string
		refused bool
	}{
		"a broker":                    {status: 200},
		"another gateway":             {status: 200, header: "g-2, g-3", want: []string{"g-2", "g-3"}},
		"another gateway, unmodified": {status: 304, header: "g-2", want: []string{"g-2"}},
		"itself":                      {status: 400, header: "g-1", refused: true},
		"another gateway with this one behind it": {status: 200, header: "g-2, g-1", refused: true},
		"the same, unmodified":                    {status: 304, header: "g-2, g-1", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header["X-Osb-Gateway-Path"]; len(got) != 1 || got[0] != "g-1" {
					t.Errorf("got the marks %q, want the own one", got)
				}
				w.Header().Set("X-Osb-Gateway-Path", test.header)
				w.WriteHeader(test.status)
				if test.status == http.StatusOK {
					_, _ = io.WriteString(w, "{}")
				}
			})
			b := newBackend(t, address, func(c *backend.Config) { c.Mark = func() string { return "g-1" } })
			_, _, _, err := b.Catalog(t.Context(), `"1"`)
			if test.refused {
				checkFailure(t, nil, err, wantFailure{backend.Failed, test.status, "it is this gateway's own"})
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.Gateways()); diff != "" {
				t.Errorf("gateways (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCatalogAnswers(t *testing.T) {
	t.Parallel()
	type answer struct {
		Body, ETag  string
		NotModified bool
	}
	for name, test := range map[string]struct {
		etag    string
		status  int
		header  map[string]string
		body    string
		want    answer
		failure wantFailure
	}{
		"without an etag": {status: 200, body: `{"services":[]}`, want: answer{Body: `{"services":[]}`}},
		"weak etag": {
			status: 200, header: map[string]string{"ETag": `W/"a"`}, body: "{}", want: answer{Body: "{}", ETag: `W/"a"`},
		},
		"changed": {
			etag: `"a"`, status: 200, header: map[string]string{"ETag": `"b"`}, body: "{}",
			want: answer{Body: "{}", ETag: `"b"`},
		},
		"not modified, etag not repeated": {etag: `"a"`, status: 304, want: answer{ETag: `"a"`, NotModified: true}},
		"not modified unasked": {
			status: 304, failure: wantFailure{backend.Failed, 304, "304: nothing was asked"},
		},
		"credentials": {
			status: 401, body: "topsecret", failure: wantFailure{backend.Failed, 401, "401: check the backend's credentials"},
		},
		"forbidden": {status: 403, failure: wantFailure{backend.Failed, 403, "403: check the backend's credentials"}},
		"proxy":     {status: 407, failure: wantFailure{backend.Failed, 407, "407: a proxy"}},
		"path":      {status: 404, failure: wantFailure{backend.Failed, 404, "404: check the path"}},
		"version":   {status: 412, failure: wantFailure{backend.Failed, 412, "412: the broker does not serve"}},
		"too often": {status: 429, failure: wantFailure{backend.Failed, 429, "429: the broker limits"}},
		"redirect": {
			status: 301, header: map[string]string{"Location": "/topsecret"},
			failure: wantFailure{backend.Failed, 301, "301: redirects are not followed"},
		},
		"trouble":   {status: 500, failure: wantFailure{backend.Failed, 500, "500: the broker is in trouble"}},
		"other 2xx": {status: 202, body: "{}", failure: wantFailure{backend.Failed, 202, "202: 200 was expected"}},
		"compressed": {
			status: 200, header: map[string]string{"Content-Encoding": "gzip"}, body: "x",
			failure: wantFailure{backend.Failed, 200, "compresses"},
		},
		"too large": {
			status: 200, body: strings.Repeat("x", 4097), failure: wantFailure{backend.Failed, 200, "larger than 4096 bytes"},
		},
		"larger than other answers may be": {
			status: 200, body: strings.Repeat("x", 4096), want: answer{Body: strings.Repeat("x", 4096)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/catalog" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				for key, value := range test.header {
					w.Header().Set(key, value)
				}
				w.WriteHeader(test.status)
				if test.status != http.StatusNotModified {
					_, _ = io.WriteString(w, test.body)
				}
			})
			b := newBackend(t, address, func(c *backend.Config) { c.MaxResponseBytes, c.MaxCatalogBytes = 16, 4096 })
			body, etag, notModified, err := b.Catalog(t.Context(), test.etag)
			if test.failure.kind != 0 {
				if body != nil || etag != "" || notModified {
					t.Errorf("got %q, %q, %t along with an error", body, etag, notModified)
				}
				checkFailure(t, nil, err, test.failure)
				if strings.Contains(err.Error(), "topsecret") {
					t.Errorf("the error quotes the answer: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, answer{string(body), etag, notModified}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCatalogOfNobody(t *testing.T) {
	t.Parallel()
	server := serveRaw(t, func(_ *rawServer, c *rawConn) { c.ReadRequest() })
	b := newBackend(t, server.URL)
	_, _, _, err := b.Catalog(t.Context(), "")
	checkFailure(t, nil, err, wantFailure{kind: backend.Failed, text: "EOF"})
	if got := len(server.Requests()); got != 2 {
		t.Errorf("requests: got %d, want 2", got)
	}
}
