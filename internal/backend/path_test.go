package backend_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// paths and queries as platforms send them, some of which net/url would write otherwise.
var (
	awkwardPaths = []string{
		"/v2/catalog",
		"/v2/service_instances/crn%3Av1%3Abluemix%3Apublic%3Amysql%3Aus-south%3Aa%2F4ea%3A7d%3A%3A",
		"/v2/service_instances/crn%3av1%3aa%2f4ea%3A%3a",
		"/v2/service_instances/crn:v1:bluemix:public:mysql:us-south:a%2F4ea:7d::",
		"/v2/service_instances/i/service_bindings/b/",
		"/v2/service_instances/%7Binstance_id%7D",
		"/v2/service_instances/{instance_id}",
		"/v2/service_instances/a|b%7Cc",
		"/v2/service_instances/a//b",
		"/v2/service_instances/%2E%2E",
		"/v2/service_instances/%zz",
		"/v2/service_instances/100%",
		"/v2/service_instances/caf\xc3\xa9%20%C3%A9",
		"/v2/service_instances/a\"b<c>^`\\[d]#e",
		"/v2/service_instances/%25%32%46+~!$&'()*,;=:@",
		"/v2/service_instances/%00%0d%0A",
	}
	awkwardQueries = []string{
		"",
		"a%2Fb&c;d&x=%zz",
		"service_id=a&plan_id=b&accepts_incomplete=true&operation=%20+%2B%26%3d",
		"&&=&a=?/b",
		"operation={\"a\"|b}#c",
		"plan_id=caf\xc3\xa9",
	}
)

func TestPathAndQueryGoDownByteForByte(t *testing.T) {
	t.Parallel()
	server := serveRaw(t, func(_ *rawServer, c *rawConn) {
		for c.ReadRequest() {
			c.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	var want []string
	for _, base := range []string{"", "/", "/broker", "/broker/", "/a%2Fb/%7Ec|d/", "/%zz"} {
		u := &url.URL{Path: base} // no escape that url.Parse would take: the URL writes it as %25zz
		if base != "/%zz" {
			u.Path, u.RawPath = mustUnescape(t, base), base
		}
		escaped := strings.TrimSuffix(u.EscapedPath(), "/")
		b := newBackend(t, server.URL, func(c *backend.Config) { c.URL.Path, c.URL.RawPath = u.Path, u.RawPath })
		for _, path := range awkwardPaths {
			for _, query := range awkwardQueries {
				resp, err := b.Do(t.Context(), backend.Request{Method: "DELETE", Path: path, Query: query})
				if err != nil || resp.Status != http.StatusOK {
					t.Fatalf("DELETE %s?%s: got %+v, %v; want 200", path, query, resp, err)
				}
				line := "DELETE " + escaped + path
				if query != "" {
					line += "?" + query
				}
				want = append(want, line+" HTTP/1.1")
			}
		}
	}
	if diff := cmp.Diff(want, server.Requests()); diff != "" {
		t.Errorf("request lines (-want +got):\n%s", diff)
	}
}

func mustUnescape(t *testing.T, path string) string {
	t.Helper()
	plain, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestPathAndQueryGoDownByteForByteOverHTTP2(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	server := quietTLSServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Proto + " " + r.RequestURI
	}), func(s *httptest.Server) { s.EnableHTTP2 = true })
	b := newBackend(t, server.URL+"/base/", withTransport(server.Client().Transport))
	for _, path := range awkwardPaths {
		if strings.ContainsAny(path, "#") || strings.Contains(path, "%zz") || strings.HasSuffix(path, "%") {
			continue // the server of net/http does not take these
		}
		query := "a%2Fb&c;d&x=%zz"
		if _, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: path, Query: query}); err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		if got, want := <-got, "HTTP/2.0 /base"+path+"?"+query; got != want {
			t.Errorf("request line: got %q, want %q", got, want)
		}
	}
}

func TestUnsendableRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("reached by %s", r.RequestURI) })
	b := newBackend(t, address)
	for name, r := range map[string]backend.Request{
		"no path":         {Method: "GET"},
		"relative path":   {Method: "GET", Path: "v2/catalog"},
		"host in path":    {Method: "GET", Path: "//example.com/v2/catalog"},
		"split by path":   {Method: "GET", Path: "/v2 HTTP/1.1\r\nX: y"},
		"space in path":   {Method: "GET", Path: "/v2/a b"},
		"DEL in path":     {Method: "GET", Path: "/v2/a\x7f"},
		"query in path":   {Method: "GET", Path: "/v2/a?b"},
		"split by query":  {Method: "GET", Path: "/v2", Query: "a HTTP/1.1\r\nX: y"},
		"NUL in query":    {Method: "GET", Path: "/v2", Query: "a\x00"},
		"split by method": {Method: "GET /x HTTP/1.1\r\n", Path: "/v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := b.Do(t.Context(), r)
			failure := mustFail(t, resp, err)
			if failure.Kind != backend.NotReached {
				t.Errorf("kind: got %s, want not reached", failure.Kind)
			}
		})
	}
}

func TestHeaderOfTwoRowsIsNotSent(t *testing.T) {
	t.Parallel()
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("reached with %v", r.Header) })
	r := backend.Request{Method: "GET", Path: "/v2", Header: http.Header{"X-A": {"b\r\nC: d"}}}
	resp, err := newBackend(t, address).Do(t.Context(), r)
	_ = mustFail(t, resp, err)
}
