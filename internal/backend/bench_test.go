package backend_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// The workload: a poll as Cloud Foundry sends it, and a create of 600 bytes, both answered at once by a server on the
// same machine. The reverse proxy of the standard library does the same beside it, and a bare transport is what both
// stand on.
var (
	benchmarkHeader = http.Header{
		"Accept":                            {"*/*"},
		"Authorization":                     {"Basic cGxhdGZvcm06c2VjcmV0"},
		"Content-Type":                      {"application/json"},
		"Date":                              {"Thu, 01 Jan 2026 00:00:00 GMT"},
		"User-Agent":                        {"HTTPClient/1.0 (2.8.3, ruby 3.2.2 (2023-03-30))"},
		"X-Broker-Api-Originating-Identity": {"cloudfoundry eyJ1c2VyX2lkIjoiNjgzZWE3NDgtMzA5Mi00ZmY0LWI2NTYtMzljYWNjNGQ1MzYwIn0="},
		"X-Broker-Api-Request-Identity":     {"683ea748-3092-4ff4-b656-39cacc4d5360"},
		"X-Broker-Api-Version":              {"2.15"},
		"X-Vcap-Request-Id":                 {"54f0c7a3-5c7d-4d4f-a6f0-3f9d8b7c2a11"},
	}
	benchmarkAnswer = []byte(`{"state":"in progress","description":"creating the database"}`)
)

const (
	guidPath  = "/v2/service_instances/683ea748-3092-4ff4-b656-39cacc4d5360/last_operation"
	crnPath   = "/v2/service_instances/crn%3Av1%3Abluemix%3Apublic%3Amysql%3Aus-south%3Aa%2F4ea%3A7d%3A%3A/last_operation"
	pollQuery = "service_id=mysql-id&plan_id=small-id&operation=create"
)

func benchmarkServer(b *testing.B) string {
	return serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(benchmarkAnswer)
	})
}

type benchmarkCall struct {
	name, method, path, query string
	body                      []byte
}

var benchmarkCalls = []benchmarkCall{
	{"poll", "GET", guidPath, pollQuery, nil},
	{"poll CRN", "GET", crnPath, pollQuery, nil},
	{"create", "PUT", guidPath, "accepts_incomplete=true", bytes.Repeat([]byte("x"), 600)},
}

func BenchmarkDo(b *testing.B) {
	for _, call := range benchmarkCalls {
		b.Run(call.name, func(b *testing.B) {
			be := newBackend(b, benchmarkServer(b), func(c *backend.Config) { c.User, c.Password = "gw", "secret" })
			b.ReportAllocs()
			for b.Loop() {
				resp, err := be.Do(b.Context(), backend.Request{
					Method: call.method, Path: call.path, Query: call.query, Header: benchmarkHeader, Body: call.body,
				})
				if err != nil || len(resp.Body) != len(benchmarkAnswer) {
					b.Fatal(resp, err)
				}
			}
		})
	}
}

func BenchmarkReverseProxy(b *testing.B) {
	for _, call := range benchmarkCalls {
		b.Run(call.name, func(b *testing.B) {
			target, err := url.Parse(benchmarkServer(b))
			if err != nil {
				b.Fatal(err)
			}
			proxy := &httputil.ReverseProxy{
				Transport: newTransport(b),
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(target)
					r.Out.SetBasicAuth("gw", "secret")
				},
			}
			b.ReportAllocs()
			for b.Loop() {
				u, err := url.ParseRequestURI(call.path + "?" + call.query)
				if err != nil {
					b.Fatal(err)
				}
				in := &http.Request{
					Method: call.method, URL: u, Header: benchmarkHeader, Host: "gateway", ProtoMajor: 1, ProtoMinor: 1,
					Body: io.NopCloser(bytes.NewReader(call.body)), ContentLength: int64(len(call.body)),
				}
				out := httptest.NewRecorder()
				proxy.ServeHTTP(out, in.WithContext(b.Context()))
				if out.Code != http.StatusOK || out.Body.Len() != len(benchmarkAnswer) {
					b.Fatal(out.Code, out.Body)
				}
			}
		})
	}
}

func BenchmarkBareTransport(b *testing.B) {
	for _, call := range benchmarkCalls {
		b.Run(call.name, func(b *testing.B) {
			address, transport := benchmarkServer(b), newTransport(b)
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), call.method, address+call.path+"?"+call.query,
					bytes.NewReader(call.body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header = benchmarkHeader
				resp, err := transport.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				if body, err := io.ReadAll(resp.Body); err != nil || len(body) != len(benchmarkAnswer) {
					b.Fatal(body, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
