package backend_test

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// serveOnceThenKill answers the first request of a connection and closes the connection when it has read a second one:
// the case in which http.Transport sends again what it takes for idempotent.
func serveOnceThenKill(tb testing.TB) *rawServer {
	return serveRaw(tb, func(_ *rawServer, c *rawConn) {
		c.ReadRequest()
		c.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		c.ReadRequest()
	})
}

func TestMutatingCallsAreNotReplayed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, header, body string
	}{
		{"PUT", "Idempotency-Key", `{"service_id":"s"}`},
		{"PUT", "X-Idempotency-Key", `{"service_id":"s"}`},
		{"PUT", "Idempotency-Key", ""},
		{"DELETE", "Idempotency-Key", ""},
		{"DELETE", "X-Idempotency-Key", ""},
		{"DELETE", "idempotency-key", ""},
		{"DELETE", "Accept", ""},
		{"PATCH", "Idempotency-Key", ""},
	} {
		t.Run(test.method+" with "+test.header, func(t *testing.T) {
			t.Parallel()
			server := serveOnceThenKill(t)
			var sent http.Header
			transport := newTransport(t)
			b := newBackend(t, server.URL, withTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent = r.Header
				return transport.RoundTrip(r)
			})))
			if _, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/first"}); err != nil {
				t.Fatal(err)
			}
			resp, err := b.Do(t.Context(), backend.Request{
				Method: test.method, Path: "/second", Body: []byte(test.body), Header: http.Header{test.header: {"key"}},
			})
			checkFailure(t, resp, err, wantFailure{kind: backend.Failed, text: "EOF"})
			if got := count(server.Requests(), test.method); got != 1 {
				t.Errorf("the request arrived %d times, want once", got)
			}
			var values []string
			for name, v := range sent {
				if strings.EqualFold(name, test.header) {
					values = append(values, v...)
				}
			}
			if len(values) != 1 || values[0] != "key" {
				t.Errorf("%s: got %q, want that it is sent on", test.header, values)
			}
		})
	}
}

// The trap itself: if http.Transport no longer sends twice here, the tests above prove nothing.
func TestTransportAloneWouldReplay(t *testing.T) {
	t.Parallel()
	server := serveOnceThenKill(t)
	transport := newTransport(t)
	for _, path := range []string{"/first", "/second"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", "key")
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if got := count(server.Requests(), "DELETE /second"); got != 2 {
		t.Errorf("the request arrived %d times, want twice", got)
	}
}

// A GET that the transport has repeated by itself is not repeated again.
func TestGetIsSentTwiceAtMost(t *testing.T) {
	t.Parallel()
	server := serveRaw(t, func(_ *rawServer, c *rawConn) {
		c.ReadRequest()
		if c.Number == 1 {
			c.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			c.ReadRequest()
		}
	})
	b := newBackend(t, server.URL)
	if _, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/first"}); err != nil {
		t.Fatal(err)
	}
	resp, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/second"})
	checkFailure(t, resp, err, wantFailure{kind: backend.Failed, text: "EOF"})
	if got := count(server.Requests(), "GET /second"); got != 2 {
		t.Errorf("the request arrived %d times, want twice", got)
	}
}

func count(lines []string, prefix string) int {
	n := 0
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// HTTP/2 frames, as far as a server that refuses every stream needs them (RFC 9113, 4.1 and 6).
const (
	frameHeaders   = 1
	frameRSTStream = 3
	frameSettings  = 4
	frameGoAway    = 7
	flagAck        = 1

	codeProtocolError = 1
	codeRefusedStream = 7
)

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	frame := make([]byte, 9, 9+len(payload))
	binary.BigEndian.PutUint32(frame, uint32(len(payload))<<8|uint32(kind))
	frame[4] = flags
	binary.BigEndian.PutUint32(frame[5:], stream)
	_, _ = w.Write(append(frame, payload...))
}

// refuseStreams speaks HTTP/2 and ends every stream with refuse when its headers have come.
func refuseStreams(s *rawServer, c *rawConn, refuse func(w io.Writer, stream uint32)) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if _, err := io.CopyN(io.Discard, c.reader, int64(len(preface))); err != nil {
		return
	}
	writeFrame(c, frameSettings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c.reader, head[:]); err != nil {
			return
		}
		length := int64(binary.BigEndian.Uint32(head[:]) >> 8)
		if _, err := io.CopyN(io.Discard, c.reader, length); err != nil {
			return
		}
		switch {
		case head[3] == frameSettings && head[4]&flagAck == 0:
			writeFrame(c, frameSettings, flagAck, 0, nil)
		case head[3] == frameHeaders:
			s.mu.Lock()
			s.requests = append(s.requests, "HEADERS")
			s.mu.Unlock()
			refuse(c, binary.BigEndian.Uint32(head[5:]))
		}
	}
}

// Over HTTP/2 the transport repeats requests without a body that a server refused. A protocol error is taken for such a
// refusal as well, though the server may have acted on the request.
func TestMutatingCallsAreNotReplayedOverHTTP2(t *testing.T) {
	t.Parallel()
	reset := func(code uint32) func(io.Writer, uint32) {
		return func(w io.Writer, stream uint32) {
			writeFrame(w, frameRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, code))
		}
	}
	for name, refuse := range map[string]func(io.Writer, uint32){
		"protocol error": reset(codeProtocolError),
		"refused stream": reset(codeRefusedStream),
		"going away": func(w io.Writer, _ uint32) {
			writeFrame(w, frameGoAway, 0, 0, make([]byte, 8)) // last stream 0, no error: nothing was processed
		},
	} {
		for _, r := range []backend.Request{
			{Method: "DELETE", Path: "/v2/x"},
			{Method: "PUT", Path: "/v2/x"},
			{Method: "PUT", Path: "/v2/x", Body: []byte("{}")},
			{Method: "DELETE", Path: "/v2/x", Header: http.Header{"Idempotency-Key": {"key"}}},
		} {
			t.Run(name+"/"+r.Method, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				server := serveRaw(t, func(s *rawServer, c *rawConn) {
					refuseStreams(s, c, func(w io.Writer, stream uint32) {
						if len(s.Requests()) > 1 {
							cancel() // the test has failed; the transport would go on for long
						}
						refuse(w, stream)
					})
				})
				transport := newTransport(t)
				transport.Protocols = new(http.Protocols)
				transport.Protocols.SetUnencryptedHTTP2(true)
				resp, err := newBackend(t, server.URL, withTransport(transport)).Do(ctx, r)
				checkFailure(t, resp, err, wantFailure{kind: backend.Failed})
				if got := len(server.Requests()); got != 1 {
					t.Errorf("the request arrived %d times, want once", got)
				}
			})
		}
	}
}

// The same trap without the guard, to show that there is one.
func TestHTTP2TransportAloneWouldReplay(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := serveRaw(t, func(s *rawServer, c *rawConn) {
		refuseStreams(s, c, func(w io.Writer, stream uint32) {
			if len(s.Requests()) == 2 {
				close(done)
				return
			}
			writeFrame(w, frameRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, codeProtocolError))
		})
	})
	transport := newTransport(t)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	ctx := newLateContext(t)
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, server.URL+"/v2/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-done // the second one has arrived: that is all that was to be shown
		ctx.Pass()
	}()
	if resp, err := transport.RoundTrip(r); err == nil {
		_ = resp.Body.Close()
		t.Error("a server that never answers was heard")
	}
}
