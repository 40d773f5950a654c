//go:build unix

package backend_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// serveEarly answers each connection when its first byte has come, reads no more of it, and can hold little of it unread.
func serveEarly(t *testing.T) (address string) {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failure error
		err := c.Control(func(fd uintptr) {
			// Segments as on an Ethernet, so that the sender's kernel holds no more either than it does there.
			if failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460); failure == nil {
				failure = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
			}
		})
		if err == nil {
			err = failure
		}
		return err
	}}
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRawOn(t, listener, func(_ *rawServer, c *rawConn) {
		_, _ = io.ReadFull(c.TCPConn, make([]byte, 1))
		c.Send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		<-t.Context().Done()
	}).URL
}

// A broker that answers before it has read everything is heard, whatever makes the request large.
func TestDirectEarlyAnswer(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 40<<10)
	for name, test := range map[string]struct {
		request backend.Request
		secrets backend.Secrets
	}{
		"body":         {request: backend.Request{Body: []byte(large)}},
		"query":        {request: backend.Request{Query: large}},
		"header":       {request: backend.Request{Header: http.Header{"X-A": {large}}}},
		"set header":   {request: backend.Request{Set: []backend.Field{{Name: "X-A", Values: []string{large}}}}},
		"fixed header": {secrets: backend.Secrets{Header: http.Header{"X-A": {large}}}},
		"token":        {secrets: backend.Secrets{Bearer: large}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, serveEarly(t), straight, func(c *backend.Config) { c.Secrets = test.secrets })
			r := test.request
			r.Method, r.Path, r.Deadline = "PUT", "/v2/x", time.Now().Add(30*time.Second)
			resp, err := b.Do(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d %q, want the answer of the broker", resp.Status, resp.Body)
			}
		})
	}
}
