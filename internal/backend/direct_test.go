package backend_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// directly: backends that have no transport of a test's own send without any.
var directly = os.Getenv("TEST_BACKEND_DIRECTLY") != ""

// TestDirectly has all tests done once more, with backends that send without a transport.
func TestDirectly(t *testing.T) {
	t.Parallel()
	if directly {
		return // it is being done
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=5m")
	command.Env = append(os.Environ(), "TEST_BACKEND_DIRECTLY=yes")
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// straight has a backend send without a transport.
func straight(c *backend.Config) { c.Direct = true }

// A broker that sends a body where there is none, and late, does not have it taken for the answer to the next call.
func TestDirectLateBody(t *testing.T) {
	t.Parallel()
	const late = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
	for name, header := range map[string]string{
		"with a length": "Content-Length: 42", "in chunks": "Transfer-Encoding: chunked",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveRaw(t, func(_ *rawServer, c *rawConn) {
				if c.Number > 1 {
					c.ReadRequest()
					c.Send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown")
					return
				}
				c.ReadRequest()
				c.Send("HTTP/1.1 204 No Content\r\n%s\r\n\r\n", header)
				if c.ReadRequest() { // the late body crosses it on the way
					c.Send(late)
				}
			})
			b := newBackend(t, server.URL, straight)
			for _, want := range []string{"", "own"} {
				resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
				if err != nil {
					t.Fatal(err)
				}
				if string(resp.Body) != want {
					t.Errorf("got %d %q, want %q", resp.Status, resp.Body, want)
				}
			}
		})
	}
}

// A header without end, or interim answers without end, are read up to a limit, which the error tells.
func TestDirectEndlessHeader(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ first, part string }{
		"lines":           {"HTTP/1.1 200 OK\r\n", "X-A: b\r\n"},
		"interim answers": {"", "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveRaw(t, func(_ *rawServer, c *rawConn) {
				c.ReadRequest()
				c.Send("%s", test.first)
				for {
					if _, err := c.Write(bytes.Repeat([]byte(test.part), 1000)); err != nil {
						return
					}
				}
			})
			resp, err := newBackend(t, server.URL, straight).Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
			checkFailure(t, resp, err, wantFailure{kind: backend.Failed, text: "the header of the answer is too large"})
		})
	}
}

// Connections are kept where nothing is left to come.
func TestDirectKeepsConnections(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"length":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: b\r\n\r\n",
		"no content": "HTTP/1.1 204 No Content\r\n\r\n",
		"length 0":   "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"interim":    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conns := make(chan int, 2)
			server := serveRaw(t, func(_ *rawServer, c *rawConn) {
				for c.ReadRequest() {
					conns <- c.Number
					c.Send("%s", answer)
				}
			})
			b := newBackend(t, server.URL, straight)
			for range 2 {
				if _, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"}); err != nil {
					t.Fatal(err)
				}
				if got := <-conns; got != 1 {
					t.Errorf("the call took connection %d, want the first one", got)
				}
			}
		})
	}
}

// A host name beyond ASCII is sent as the transport sends it.
func TestDirectHostName(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Host })
	for host, want := range map[string]string{
		"":                "",
		"broker.example":  "broker.example",
		"[2001:db8::1]:8": "[2001:db8::1]:8",
		"bücher.example":  "xn--bcher-kva.example",
	} {
		b := newBackend(t, address, straight, func(c *backend.Config) {
			if host != "" {
				c.Header = http.Header{"Host": {host}}
			}
		})
		if _, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/v2/x"}); err != nil {
			t.Fatalf("%q: %v", host, err)
		}
		if want == "" {
			want = strings.TrimPrefix(address, "http://")
		}
		select {
		case seen := <-got:
			if seen != want {
				t.Errorf("%q is sent as %q, want %q", host, seen, want)
			}
		default:
			t.Errorf("%q: the broker's server refused the request", host)
		}
	}
}
