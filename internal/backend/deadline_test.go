package backend_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// The deadline of a request ends it wherever it is, and tells whether the broker can have seen it.
func TestRequestDeadline(t *testing.T) {
	t.Parallel()
	silent := serveRaw(t, func(_ *rawServer, c *rawConn) {
		c.ReadRequest()
		c.WaitClosed()
	})
	half := serveRaw(t, func(_ *rawServer, c *rawConn) {
		c.ReadRequest()
		c.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
		c.WaitClosed()
	})
	// Long enough to connect on a machine that is busy.
	const soon = 5 * time.Second
	for name, test := range map[string]struct {
		address string
		after   time.Duration
		want    wantFailure
	}{
		"no answer":   {silent.URL, soon, wantFailure{kind: backend.Timeout, text: "deadline exceeded"}},
		"half a body": {half.URL, soon, wantFailure{kind: backend.Timeout, status: 200, text: "deadline exceeded"}},
		"over before": {silent.URL, -time.Second, wantFailure{kind: backend.NotReached, text: "deadline exceeded"}},
		"refused":     {"http://" + nobody, soon, wantFailure{kind: backend.NotReached}},
	} {
		for _, method := range []string{"PUT", "GET"} {
			t.Run(name+" to "+method, func(t *testing.T) {
				t.Parallel()
				resp, err := newBackend(t, test.address).Do(t.Context(), backend.Request{
					Method: method, Path: "/v2/x", Deadline: time.Now().Add(test.after),
				})
				checkFailure(t, resp, err, test.want)
			})
		}
	}
}

// Neither a token nor another dial is waited for beyond it.
func TestRequestDeadlineBeforeSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := minted(t, &mint{wait: 5 * time.Second})
		began := time.Now()
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Deadline: began.Add(time.Second)})
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "deadline exceeded"})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t, "http://broker.invalid", withTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, errRefused
		})))
		began := time.Now()
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Deadline: began.Add(300 * time.Millisecond)})
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "refused"})
		if time.Since(began) > 300*time.Millisecond {
			t.Errorf("dialled until %v", time.Since(began))
		}
	})
}

// A broker that falls silent within a line is too slow, as one is that falls silent between two, though what has come of
// the line makes no sense.
func TestRequestDeadlineWithinALine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		said   string
		status int
	}{
		"status line": {said: "HTTP/1.1 20"},
		"header":      {said: "HTTP/1.1 200 OK\r\nContent-Le"},
		"size of a chunk": {
			said: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0", status: http.StatusOK,
		},
		"trailer": {
			said: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Su", status: http.StatusOK,
		},
	} {
		for _, method := range []string{"PUT", "GET"} {
			t.Run(name+" to "+method, func(t *testing.T) {
				t.Parallel()
				server := serveRaw(t, func(_ *rawServer, c *rawConn) {
					c.ReadRequest()
					c.Send("%s", test.said)
					c.WaitClosed()
				})
				resp, err := newBackend(t, server.URL).Do(t.Context(), backend.Request{
					Method: method, Path: "/v2/x", Deadline: time.Now().Add(5 * time.Second),
				})
				checkFailure(t, resp, err, wantFailure{kind: backend.Timeout, status: test.status, text: "deadline exceeded"})
				if got := len(server.Requests()); got != 1 {
					t.Errorf("the request arrived %d times, want once", got)
				}
			})
		}
	}
}
