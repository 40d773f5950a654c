package backend_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// Time that runs out, or a caller that leaves, once there is a connection.
func TestEndedWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, stage := range map[string]struct {
		before string // what the server sends before it falls silent
		status int
	}{
		"no answer":                {},
		"slow headers":             {before: "HTTP/1.1 201 Created\r\nX-A: b\r\n"},
		"slow informational":       {before: "HTTP/1.1 103 Early Hints\r\n\r\n"},
		"slow body with a length":  {before: "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n{}", status: 201},
		"slow body without length": {before: "HTTP/1.1 201 Created\r\n\r\n{}", status: 201},
	} {
		for _, method := range []string{"PUT", "GET"} {
			start := func(t *testing.T, end func()) (*backend.Backend, *rawServer) {
				t.Helper()
				server := serveRaw(t, func(_ *rawServer, c *rawConn) {
					c.ReadRequest()
					c.Send("%s", stage.before)
					if stage.status == 0 {
						end()
					}
					c.WaitClosed()
				})
				// Where a body is awaited, the end comes when the client has begun to read it.
				transport := newTransport(t)
				wrapped := roundTripFunc(func(r *http.Request) (*http.Response, error) {
					resp, err := transport.RoundTrip(r)
					if err == nil {
						resp.Body = &readHook{ReadCloser: resp.Body, first: end}
					}
					return resp, err
				})
				return newBackend(t, server.URL, withTransport(wrapped)), server
			}
			r := backend.Request{Method: method, Path: "/v2/service_instances/i"}
			t.Run(name+"/deadline/"+method, func(t *testing.T) {
				t.Parallel()
				ctx := newLateContext(t)
				b, server := start(t, ctx.Pass)
				resp, err := b.Do(ctx, r)
				checkFailure(t, resp, err, wantFailure{kind: backend.Timeout, status: stage.status, text: "deadline"})
				if got := len(server.Requests()); got != 1 {
					t.Errorf("requests: got %d, want 1", got)
				}
			})
			t.Run(name+"/cancelled/"+method, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(t.Context())
				b, server := start(t, cancel)
				resp, err := b.Do(ctx, r)
				checkFailure(t, resp, err, wantFailure{kind: backend.Failed, status: stage.status, text: "canceled"})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the error does not match context.Canceled: %v", err)
				}
				if got := len(server.Requests()); got != 1 {
					t.Errorf("requests: got %d, want 1", got)
				}
			})
		}
	}
}

// A transport may have limits of its own, such as response_header_timeout.
func TestTimeoutOfTheTransport(t *testing.T) {
	t.Parallel()
	server := serveRaw(t, func(_ *rawServer, c *rawConn) { c.ReadRequest(); c.WaitClosed() })
	transport := newTransport(t)
	transport.ResponseHeaderTimeout = 1 // nanosecond: over as soon as the request is written
	b := newBackend(t, server.URL, withTransport(transport))
	resp, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/v2/x"})
	checkFailure(t, resp, err, wantFailure{kind: backend.Timeout, text: "timeout awaiting response headers"})
}

// TLS 1.3 lets the server refuse a client certificate after the client has begun to send. That is not certain to be
// before the request was acted upon, so it counts as reached.
func TestClientCertificateRefusedLate(t *testing.T) {
	t.Parallel()
	server := quietTLSServer(t, http.NotFoundHandler(), func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	})
	b := newBackend(t, server.URL, withTransport(server.Client().Transport))
	resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Body: []byte("{}")})
	checkFailure(t, resp, err, wantFailure{kind: backend.Failed})
}

// A transport that reports nothing is believed only where the error speaks for itself.
func TestTransportWithoutTrace(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for name, test := range map[string]struct {
		err  error
		want backend.Kind
		// tries is how often it is tried: again and again while there is no connection, and otherwise once.
		tries int32
	}{
		"dial error":        {refused, backend.NotReached, 5},
		"DNS error":         {&net.DNSError{Err: "no such host", Name: "broker.invalid"}, backend.NotReached, 5},
		"certificate error": {&tls.CertificateVerificationError{Err: errors.New("expired")}, backend.NotReached, 1},
		"read error":        {&net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}, backend.Failed, 1},
		"any other":         {errors.New("something"), backend.Failed, 1},
		"timeout":           {&net.DNSError{Err: "timeout", IsTimeout: true}, backend.NotReached, 5},
		"deadline":          {context.DeadlineExceeded, backend.Timeout, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Trying again ends after a while, whatever keeps the machine busy: here the clock is the test's own.
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				b := newBackend(t, "http://broker.invalid", withTransport(roundTripFunc(
					func(*http.Request) (*http.Response, error) {
						calls.Add(1)
						return nil, test.err
					})))
				resp, err := b.Do(t.Context(), backend.Request{Method: "DELETE", Path: "/v2/x"})
				checkFailure(t, resp, err, wantFailure{kind: test.want})
				if !errors.Is(err, test.err) {
					t.Errorf("the error does not wrap its cause: %v", err)
				}
				if got := calls.Load(); got != test.tries {
					t.Errorf("round trips: got %d, want %d", got, test.tries)
				}
			})
		})
	}
}

// A GET that was lost and then finds nobody was delivered once all the same.
func TestLostGetThenRefused(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	b := newBackend(t, "http://broker.invalid", withTransport(roundTripFunc(
		func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		})))
	resp, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/v2/x"})
	checkFailure(t, resp, err, wantFailure{kind: backend.Failed, text: "unexpected EOF"})
	if got := calls.Load(); got != 2 {
		t.Errorf("round trips: got %d, want 2", got)
	}
}

func TestLostGetIsAnsweredTheSecondTime(t *testing.T) {
	t.Parallel()
	server := serveRaw(t, func(_ *rawServer, c *rawConn) {
		if c.ReadRequest(); c.Number > 1 {
			c.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	resp, err := newBackend(t, server.URL).Do(t.Context(), backend.Request{Method: "GET", Path: "/v2/x"})
	if err != nil || resp.Status != 200 || string(resp.Body) != "{}" {
		t.Errorf("got %+v, %v; want the second answer", resp, err)
	}
}
