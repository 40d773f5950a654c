package backend_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

func TestRequestHeader(t *testing.T) {
	t.Parallel()
	platform := http.Header{
		"Accept":                            {"application/json"},
		"Accept-Encoding":                   {"gzip"},
		"Authorization":                     {"Basic cGxhdGZvcm06c2VjcmV0"},
		"Connection":                        {"close, X-Hop", "X-Broker-API-Originating-Identity , Content-Type"},
		"Content-Length":                    {"99"},
		"Content-Type":                      {"application/json; charset=utf-8"},
		"Cookie":                            {"a=b"},
		"Expect":                            {"100-continue"},
		"Forwarded":                         {"for=192.0.2.1"},
		"Host":                              {"other.example.com"},
		"Http2-Settings":                    {"AAMAAABkAAQAoAAAAAIAAAAA"},
		"Keep-Alive":                        {"timeout=5"},
		"Proxy-Authorization":               {"Basic eA=="},
		"Proxy-Connection":                  {"keep-alive"},
		"Proxy-Whatever":                    {"x"},
		"Te":                                {"trailers"},
		"Trailer":                           {"X-T"},
		"Transfer-Encoding":                 {"chunked"},
		"Upgrade":                           {"h2c"},
		"User-Agent":                        {"HTTPClient/1.0 (2.8.3)"},
		"Via":                               {"1.1 gorouter"},
		"X-Bluemix-Region":                  {"us-south"},
		"X-Broker-Api-Originating-Identity": {"cloudfoundry eyJ1c2VyX2lkIjoidSJ9"},
		"X-Broker-Api-Request-Identity":     {"req-1"},
		"X-Broker-Api-Version":              {"2.13"},
		"X-Forwarded-For":                   {"192.0.2.1"},
		"X-Forwarded-Host":                  {"gateway.example.com"},
		"X-Hop":                             {"1"},
		"X-Twice":                           {"one", "two"},
		"X-Http-Method-Override":            {"GET"},
		"X-Original-Url":                    {"/v2/service_instances/other"},
		"X-Rewrite-Url":                     {"/v2/service_instances/other"},
		"X_Broker_Api_Originating_Identity": {"cloudfoundry e30="},
		"X_Forwarded_For":                   {"192.0.2.1"},
		"X_Unknown_Name":                    {"1"},
		"authorization":                     {"Basic c25lYWtlZC1pbg=="},
		"x-unusual":                         {"spelling"},
	}
	kept := http.Header{
		"Accept":                            {"application/json"},
		"Accept-Encoding":                   {"gzip"},
		"Content-Type":                      {"application/json; charset=utf-8"},
		"User-Agent":                        {"HTTPClient/1.0 (2.8.3)"},
		"Via":                               {"1.1 gorouter"},
		"X-Bluemix-Region":                  {"us-south"},
		"X-Broker-Api-Originating-Identity": {"cloudfoundry eyJ1c2VyX2lkIjoidSJ9"},
		"X-Broker-Api-Request-Identity":     {"req-1"},
		"X-Broker-Api-Version":              {"2.13"},
		"X-Twice":                           {"one", "two"},
		"X-Unusual":                         {"spelling"},
		"X_unknown_name":                    {"1"},
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("gw:pa:ss"))
	with := func(edits map[string]string) http.Header {
		header := kept.Clone()
		for name, value := range edits {
			if value == "" {
				header.Del(name)
				continue
			}
			header.Set(name, value)
		}
		return header
	}
	for name, test := range map[string]struct {
		edit     func(*backend.Config)
		request  backend.Request
		want     http.Header
		wantHost string
	}{
		"without anything": {
			request: backend.Request{},
			want:    http.Header{"Accept-Encoding": {"identity"}},
		},
		"empty Accept-Encoding": {
			request: backend.Request{Header: http.Header{"Accept-Encoding": {"", "gzip"}}},
			want:    http.Header{"Accept-Encoding": {"identity"}},
		},
		"the platform's, filtered": {
			request: backend.Request{Header: platform},
			want:    kept,
		},
		"credentials": {
			edit:    func(c *backend.Config) { c.User, c.Password = "gw", "pa:ss" },
			request: backend.Request{Header: platform},
			want:    with(map[string]string{"Authorization": basic}),
		},
		"set by the gateway": {
			request: backend.Request{Header: platform, Set: []backend.Field{
				{Name: "traceparent", Values: []string{"00-1-2-01"}},
				{Name: "X-Broker-Api-Version", Values: []string{"2.14"}},
				{Name: "X-Twice"},
			}},
			want: with(map[string]string{
				"Traceparent": "00-1-2-01", "X-Broker-Api-Version": "2.14", "X-Twice": "",
			}),
		},
		"fixed, with a host": {
			edit: func(c *backend.Config) {
				c.Header = http.Header{
					"host": {"broker.example.com:8443"}, "x-api-key": {"k"}, "User-Agent": {"gw"}, "X-Twice": {"3"},
				}
			},
			request:  backend.Request{Header: platform},
			want:     with(map[string]string{"X-Api-Key": "k", "User-Agent": "gw", "X-Twice": "3"}),
			wantHost: "broker.example.com:8443",
		},
		"fixed, and the platform's in another spelling": {
			edit: func(c *backend.Config) { c.Header = http.Header{"X-Api-Key": {"k"}} },
			request: backend.Request{Header: http.Header{
				"X_Api_Key": {"mine"}, "x_api-key": {"mine"}, "Transfer_Encoding": {"chunked"}, "X_Api": {"1"},
			}},
			want: http.Header{"Accept-Encoding": {"identity"}, "X-Api-Key": {"k"}, "X_api": {"1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan http.Header, 1)
			hosts := make(chan string, 1)
			address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				got <- r.Header
				hosts <- r.Host
			})
			var edits []func(*backend.Config)
			if test.edit != nil {
				edits = append(edits, test.edit)
			}
			b := newBackend(t, address, edits...)
			test.request.Method, test.request.Path = "DELETE", "/v2/service_instances/i"
			before := test.request.Header.Clone()
			if _, err := b.Do(t.Context(), test.request); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, <-got); diff != "" {
				t.Errorf("header at the broker (-want +got):\n%s", diff)
			}
			wantHost := test.wantHost
			if wantHost == "" {
				wantHost = strings.TrimPrefix(address, "http://")
			}
			if got := <-hosts; got != wantHost {
				t.Errorf("host: got %q, want %q", got, wantHost)
			}
			if diff := cmp.Diff(before, test.request.Header); diff != "" {
				t.Errorf("the platform's header was modified (-before +after):\n%s", diff)
			}
		})
	}
}

// A header value appended by the transport, or by Inject, must not end up in the platform's header.
func TestPlatformHeaderSharesNoRoom(t *testing.T) {
	t.Parallel()
	address := serve(t, func(http.ResponseWriter, *http.Request) {})
	values := append(make([]string, 0, 4), "one")
	b := newBackend(t, address, func(c *backend.Config) {
		c.Inject = func(_ context.Context, header http.Header) { header.Add("X-Shared", "two") }
	})
	r := backend.Request{Method: "GET", Path: "/v2", Header: http.Header{"X-Shared": values}}
	if _, err := b.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := values[:2][1]; got != "" {
		t.Errorf("written into the platform's array: %q", got)
	}
}

func TestInjectComesBeforeCredentials(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	type key struct{}
	b := newBackend(t, address, func(c *backend.Config) {
		c.User = "gw"
		c.Header = http.Header{"X-Fixed": {"f"}}
		c.Inject = func(ctx context.Context, header http.Header) {
			header.Set("Traceparent", ctx.Value(key{}).(string))
			header.Set("Authorization", "stray")
			header.Set("X-Fixed", "stray")
		}
	})
	if _, _, _, err := b.Catalog(context.WithValue(t.Context(), key{}, "00-1-2-01"), ""); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "Authorization": {"Basic Z3c6"},
		"Traceparent": {"00-1-2-01"}, "X-Broker-Api-Version": {"2.17"}, "X-Fixed": {"f"},
	}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Errorf("header at the broker (-want +got):\n%s", diff)
	}
}
