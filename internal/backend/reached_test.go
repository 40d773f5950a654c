package backend_test

import (
	"io"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// Everything that can go wrong once there is a connection. A mutating call may have been acted upon and is sent once; a
// GET whose answer was lost is sent twice.
func TestReachedWithoutAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		talk func(c *rawConn)
		gets int // how often a GET is to arrive; 0 means that the server does not read it
		want wantFailure
	}{
		"reset before the request was read": {
			talk: func(c *rawConn) { _, _ = c.reader.Peek(1); c.Reset() }, // a reset any earlier may still fail the dial
			want: wantFailure{kind: backend.Failed},
		},
		"reset after the request was read": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Reset() },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "connection reset"},
		},
		"closed without an answer": {
			talk: func(c *rawConn) { c.ReadRequest() },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "EOF"},
		},
		"closed in the status line": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 20") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "malformed HTTP"},
		},
		"closed in the headers": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 201 Created\r\nX-A: ") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "EOF"},
		},
		"malformed status line": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("SSH-2.0-OpenSSH_9.7 topsecret\r\n\r\n") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "malformed HTTP"},
		},
		"malformed status": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 2oo topsecret\r\n\r\n") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "malformed HTTP status code"},
		},
		"malformed header": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 200 OK\r\nSet-Cookie topsecret\r\n\r\n") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "malformed header"},
		},
		"status below 200 as the last word": {
			talk: func(c *rawConn) {
				c.ReadRequest()
				c.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
				c.WaitClosed()
			},
			gets: 1,
			want: wantFailure{kind: backend.Failed, status: 101, text: "not an answer"},
		},
		"informational answers only": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 100 Continue\r\n\r\n") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "EOF"},
		},
		"body cut short": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{}") },
			gets: 2,
			want: wantFailure{kind: backend.Failed, status: 201, text: "body of a 201 answer: unexpected EOF"},
		},
		"chunked body cut short": {
			talk: func(c *rawConn) {
				c.ReadRequest()
				c.Send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
			},
			gets: 2,
			want: wantFailure{kind: backend.Failed, status: 201, text: "unexpected EOF"},
		},
		"malformed chunk": {
			talk: func(c *rawConn) {
				c.ReadRequest()
				c.Send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n")
			},
			gets: 2,
			want: wantFailure{kind: backend.Failed, status: 201, text: "chunk"},
		},
		"two lengths": {
			talk: func(c *rawConn) {
				c.ReadRequest()
				c.Send("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
			},
			gets: 2,
			want: wantFailure{kind: backend.Failed, text: "Content-Length"},
		},
		"body too large by its length": {
			talk: func(c *rawConn) { c.ReadRequest(); c.Send("HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n") },
			gets: 1,
			want: wantFailure{kind: backend.Failed, status: 200, text: "larger than 1024 bytes"},
		},
		"endless body": {
			talk: func(c *rawConn) {
				c.ReadRequest()
				c.Send("HTTP/1.1 200 OK\r\n\r\n")
				for {
					if _, err := io.WriteString(c, "0123456789abcdef"); err != nil {
						return
					}
				}
			},
			gets: 1,
			want: wantFailure{kind: backend.Failed, status: 200, text: "larger than 1024 bytes"},
		},
	} {
		for _, method := range []string{"PUT", "PATCH", "DELETE", "GET"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				server := serveRaw(t, func(_ *rawServer, c *rawConn) { test.talk(c) })
				b := newBackend(t, server.URL, func(c *backend.Config) { c.MaxResponseBytes = 1024 })
				r := backend.Request{Method: method, Path: "/v2/service_instances/i", Query: "topsecret=1"}
				if method != "GET" {
					r.Body = []byte("{}")
				}
				resp, err := b.Do(t.Context(), r)
				checkFailure(t, resp, err, test.want)
				if strings.Contains(err.Error(), "topsecret") {
					t.Errorf("the error quotes what was sent: %q", err)
				}
				want := min(test.gets, 1)
				if method == "GET" {
					want = test.gets
				}
				if got := len(server.Requests()); got != want {
					t.Errorf("requests: got %d, want %d", got, want)
				}
			})
		}
	}
}
