package backend_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// ok is an answer of a transport that is no network.
func ok(status int) *http.Response {
	return &http.Response{
		StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2,
	}
}

// A broker that is just starting again gets the call all the same, once.
func TestRedial(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PUT", "PATCH", "DELETE", "GET"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var arrived atomic.Int32
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				arrived.Add(1)
				_, _ = w.Write(body)
			})}
			t.Cleanup(func() { _ = server.Close() })
			transport := newTransport(t)
			var dials atomic.Int32
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials.Add(1) == 3 {
					go func() { _ = server.Serve(listener) }()
				} else if dials.Load() < 3 {
					return nil, errRefused
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			b := newBackend(t, "http://"+listener.Addr().String(), withTransport(transport))
			resp, err := b.Do(t.Context(), backend.Request{Method: method, Path: "/v2/x", Body: []byte(`{"a":1}`)})
			if err != nil {
				t.Fatal(err)
			}
			if string(resp.Body) != `{"a":1}` || arrived.Load() != 1 {
				t.Errorf("got %q, and the broker got it %d times; want the body, once", resp.Body, arrived.Load())
			}
		})
	}
}

// Dialling again ends with the deadline, and after a while without one.
func TestRedialEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dial, deadline time.Duration
		once           bool
		tries          int
	}{
		"once":               {deadline: time.Minute, once: true, tries: 1},
		"refused":            {dial: 0, deadline: time.Minute, tries: 5},
		"deadline":           {dial: 0, deadline: 200 * time.Millisecond, tries: 2},
		"slow dials":         {dial: 3 * time.Second, deadline: time.Minute, tries: 3},
		"no time for a dial": {dial: 3 * time.Second, deadline: time.Second, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				b := newBackend(t, "http://broker.invalid", withTransport(roundTripFunc(
					func(r *http.Request) (*http.Response, error) {
						tries++
						select {
						case <-r.Context().Done():
							return nil, &net.OpError{Op: "dial", Net: "tcp", Err: r.Context().Err()}
						case <-time.After(test.dial):
							return nil, errRefused
						}
					})))
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				resp, err := b.Do(ctx, backend.Request{Method: "PUT", Path: "/v2/x", Once: test.once})
				checkFailure(t, resp, err, wantFailure{kind: backend.NotReached})
				if tries != test.tries {
					t.Errorf("dialled %d times, want %d", tries, test.tries)
				}
			})
		})
	}
}

// A call that was sent on a connection which broke is not sent again because the next connection is refused.
func TestRedialNotAfterSending(t *testing.T) {
	t.Parallel()
	calls := 0
	b := newBackend(t, "http://broker.invalid", withTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		calls++
		if calls == 1 {
			return nil, errRefused
		}
		return nil, io.ErrUnexpectedEOF
	})))
	resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
	checkFailure(t, resp, err, wantFailure{kind: backend.Failed})
	if calls != 2 {
		t.Errorf("round trips: got %d, want 2", calls)
	}
}
