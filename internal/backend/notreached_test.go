package backend_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// nobody listens there, and unlike a port that was free a moment ago no other test does by chance.
const nobody = "127.0.0.1:1"

// Failures to connect: nothing was delivered, whatever the method.
func TestNotReached(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		open func(t *testing.T) (address string, transport *http.Transport)
		text string
	}{
		"connection refused": {
			open: func(t *testing.T) (string, *http.Transport) {
				return "http://" + nobody, newTransport(t)
			},
			text: "connection refused",
		},
		"unknown host": {
			open: func(t *testing.T) (string, *http.Transport) {
				resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("no name server")
				}}
				transport := newTransport(t)
				transport.DialContext = (&net.Dialer{Resolver: resolver}).DialContext
				return "http://broker.invalid", transport
			},
			text: "lookup broker.invalid",
		},
		"unknown certificate authority": {
			open: func(t *testing.T) (string, *http.Transport) {
				return quietTLSServer(t, http.NotFoundHandler()).URL, newTransport(t)
			},
			text: "certificate",
		},
		"certificate of another host": {
			open: func(t *testing.T) (string, *http.Transport) {
				server := quietTLSServer(t, http.NotFoundHandler())
				transport := server.Client().Transport.(*http.Transport)
				transport.TLSClientConfig.ServerName = "other.invalid"
				return server.URL, transport
			},
			text: "other.invalid",
		},
		"client certificate missing in the handshake": {
			open: func(t *testing.T) (string, *http.Transport) {
				server := quietTLSServer(t, http.NotFoundHandler(), func(s *httptest.Server) {
					s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
				})
				return server.URL, server.Client().Transport.(*http.Transport)
			},
			text: "tls",
		},
		"http where https was expected": {
			open: func(t *testing.T) (string, *http.Transport) {
				address := serve(t, http.NotFound)
				return "https://" + strings.TrimPrefix(address, "http://"), newTransport(t)
			},
			text: "does not look like a TLS handshake",
		},
		"connection closed in the handshake": {
			open: func(t *testing.T) (string, *http.Transport) {
				server := serveRaw(t, func(_ *rawServer, c *rawConn) { _, _ = c.reader.ReadByte() })
				return "https://" + strings.TrimPrefix(server.URL, "http://"), newTransport(t)
			},
		},
		"proxy refused": {
			open: func(t *testing.T) (string, *http.Transport) {
				transport := newTransport(t)
				transport.Proxy = func(r *http.Request) (*url.URL, error) {
					u := *r.URL
					u.Host = nobody
					return &u, nil
				}
				return "http://broker.invalid", transport
			},
			text: "connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, transport := test.open(t)
			b := newBackend(t, address, withTransport(transport))
			for _, r := range []backend.Request{
				{Method: "PUT", Path: "/v2/service_instances/i", Body: []byte("{}")},
				{Method: "DELETE", Path: "/v2/service_instances/i"},
				{Method: "GET", Path: "/v2/service_instances/i"},
			} {
				resp, err := b.Do(t.Context(), r)
				checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: test.text})
			}
		})
	}
}

// Time that runs out before there is a connection is no "maybe delivered".
func TestDeadlineBeforeTheConnection(t *testing.T) {
	t.Parallel()
	r := backend.Request{Method: "PUT", Path: "/v2/service_instances/i", Body: []byte("{}")}

	t.Run("while dialling", func(t *testing.T) {
		t.Parallel()
		ctx := newLateContext(t)
		transport := newTransport(t)
		transport.DialContext = func(dial context.Context, _, _ string) (net.Conn, error) {
			ctx.Pass()
			<-dial.Done()
			return nil, dial.Err()
		}
		resp, err := newBackend(t, "http://broker.invalid", withTransport(transport)).Do(ctx, r)
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "deadline exceeded"})
	})
	t.Run("while waiting for a free connection", func(t *testing.T) {
		t.Parallel()
		arrived := make(chan struct{})
		server := serveRaw(t, func(_ *rawServer, c *rawConn) {
			c.ReadRequest()
			close(arrived) // the first request has the only connection
			c.WaitClosed()
		})
		transport := newTransport(t)
		transport.MaxConnsPerHost = 1
		b := newBackend(t, server.URL, withTransport(transport))
		first, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = b.Do(first, r)
		}()
		<-arrived
		second := newLateContext(t)
		ctx := httptrace.WithClientTrace(second, &httptrace.ClientTrace{GetConn: func(string) { second.Pass() }})
		resp, err := b.Do(ctx, r)
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "deadline exceeded"})
		cancel()
		<-ended
	})
	t.Run("before the call", func(t *testing.T) {
		t.Parallel()
		ctx := newLateContext(t)
		ctx.Pass()
		transport := roundTripFunc(func(*http.Request) (*http.Response, error) {
			t.Error("the transport was called")
			return nil, errors.New("called")
		})
		resp, err := newBackend(t, "http://broker.invalid", withTransport(transport)).Do(ctx, r)
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "deadline exceeded"})
	})
}
