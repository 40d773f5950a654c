package telemetry_test

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

func values(attributes []attribute.KeyValue) map[string]any {
	m := make(map[string]any, len(attributes))
	for _, kv := range attributes {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func TestServerAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request http.Request
		want    map[string]any
	}{
		{
			"https and HTTP/2 without a port",
			http.Request{
				Method: "GET", URL: &url.URL{Path: "/v2/catalog"}, Host: "h",
				TLS: &tls.ConnectionState{}, ProtoMajor: 2,
			},
			map[string]any{
				"http.request.method": "GET", "url.scheme": "https", "url.path": "/v2/catalog", "server.address": "h",
				"network.protocol.version": "2",
			},
		},
		{
			"bytes that are no text",
			http.Request{
				Method: "GET", URL: &url.URL{Path: "/\xff", RawPath: "/\xff"}, Header: http.Header{"User-Agent": {"a\xff\xfeb"}},
			},
			map[string]any{
				"http.request.method": "GET", "url.scheme": "http", "url.path": "/?", "user_agent.original": "a?b",
			},
		},
		{
			"IPv6 and HTTP/1.0",
			http.Request{Method: "PUT", URL: &url.URL{Path: "/"}, Host: "[::1]:8080", ProtoMajor: 1},
			map[string]any{
				"http.request.method": "PUT", "url.scheme": "http", "url.path": "/", "server.address": "::1",
				"server.port": int64(8080), "network.protocol.version": "1.0",
			},
		},
		{
			"IPv6 without a port, odd method, odd port",
			http.Request{Method: "BREW", URL: &url.URL{Path: "/"}, Host: "[::1]"},
			map[string]any{
				"http.request.method": "_OTHER", "http.request.method_original": "BREW",
				"url.scheme": "http", "url.path": "/", "server.address": "::1",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, values(telemetry.ServerAttributes(&test.request, ""))); diff != "" {
				t.Errorf("attributes differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		base, path, full, address string
		port                      int64
	}{
		{"http://b", "/v2/catalog", "http://b/v2/catalog", "b", 80},
		{"https://b/x%2Fy/", "/v2/catalog", "https://b/x%2Fy/v2/catalog", "b", 443},
		{"http://u:secret@[::1]:99?secret", "/a%2Fb:c", "http://[::1]:99/a%2Fb:c", "::1", 99},
	}
	for _, test := range tests {
		t.Run(test.base, func(t *testing.T) {
			t.Parallel()
			base, err := url.Parse(test.base)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"http.request.method": "GET", "url.full": test.full,
				"server.address": test.address, "server.port": test.port,
			}
			if diff := cmp.Diff(want, values(telemetry.ClientAttributes("GET", base, test.path))); diff != "" {
				t.Errorf("attributes differ (-want +got):\n%s", diff)
			}
		})
	}
}
