package backend_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// TestMain has more tests run at once than there are processors, unless the command line says how many: most of them wait.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}

// newTransport returns a transport of the test's own, so that no connection outlives it.
func newTransport(tb testing.TB) *http.Transport {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}

// newBackend returns a backend at address; the edits change its configuration first.
func newBackend(tb testing.TB, address string, edits ...func(*backend.Config)) *backend.Backend {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	config := backend.Config{Name: "mysql", URL: u}
	for _, edit := range edits {
		edit(&config)
	}
	if config.Transport == nil {
		config.Transport = newTransport(tb)
		config.Direct = config.Direct || directly
	}
	b, err := backend.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	if config.Direct {
		tb.Cleanup(b.Close)
	}
	return b
}

func withTransport(transport http.RoundTripper) func(*backend.Config) {
	return func(c *backend.Config) { c.Transport = transport }
}

// serve starts an HTTP server for the test and returns its address.
func serve(tb testing.TB, handler http.HandlerFunc) string {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server.URL
}

// quietTLSServer starts an HTTPS server that does not log failed handshakes.
func quietTLSServer(tb testing.TB, handler http.Handler, edits ...func(*httptest.Server)) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	for _, edit := range edits {
		edit(server)
	}
	server.StartTLS()
	tb.Cleanup(server.Close)
	return server
}

// rawServer hands each connection to a function that speaks as it likes, for brokers that do not speak HTTP well.
type rawServer struct {
	URL      string
	mu       sync.Mutex
	requests []string // the request lines that were read
	conns    int
}

// serveRaw starts a rawServer. A connection is closed when talk returns; the number of the connection counts from 1.
func serveRaw(tb testing.TB, talk func(s *rawServer, c *rawConn)) *rawServer {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveRawOn(tb, listener, talk)
}

// serveRawOn is serveRaw on a listener of the test's own, which it closes.
func serveRawOn(tb testing.TB, listener net.Listener, talk func(s *rawServer, c *rawConn)) *rawServer {
	tb.Helper()
	s := &rawServer{URL: "http://" + listener.Addr().String()}
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			number := s.conns
			s.mu.Unlock()
			open.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				defer func() { _ = conn.Close() }()
				talk(s, &rawConn{TCPConn: conn.(*net.TCPConn), reader: bufio.NewReader(conn), server: s, Number: number})
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		cancel()
		open.Wait()
	})
	return s
}

// Requests returns the request lines that were read so far.
func (s *rawServer) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

type rawConn struct {
	*net.TCPConn
	reader *bufio.Reader
	server *rawServer
	Number int
}

// ReadRequest reads one request with its body, notes its request line and tells whether there was one.
func (c *rawConn) ReadRequest() bool {
	line, err := c.reader.Peek(1)
	if err != nil || len(line) == 0 {
		return false
	}
	text, err := c.reader.ReadString('\n')
	if err != nil {
		return false
	}
	c.server.mu.Lock()
	c.server.requests = append(c.server.requests, text[:len(text)-2])
	c.server.mu.Unlock()
	// The rest is read by net/http, as that of a request whose line does not matter.
	method, _, _ := strings.Cut(text, " ")
	rest := io.MultiReader(strings.NewReader(method+" / HTTP/1.1\r\n"), c.reader)
	req, err := http.ReadRequest(bufio.NewReader(rest))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// Send writes text; a broken connection shows in what the client reports.
func (c *rawConn) Send(format string, args ...any) {
	_, _ = fmt.Fprintf(c.TCPConn, format, args...)
}

// Reset closes the connection such that the other side sees a reset.
func (c *rawConn) Reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// WaitClosed blocks until the other side, or the end of the test, closes the connection.
func (c *rawConn) WaitClosed() { _, _ = io.Copy(io.Discard, c.reader) }

// lateContext is a context whose deadline passes when the test says so.
type lateContext struct {
	context.Context
	passed chan struct{}
	once   sync.Once
}

func newLateContext(tb testing.TB) *lateContext {
	tb.Helper()
	return &lateContext{Context: tb.Context(), passed: make(chan struct{})}
}

// Pass lets the deadline pass.
func (c *lateContext) Pass() { c.once.Do(func() { close(c.passed) }) }

func (c *lateContext) Done() <-chan struct{} { return c.passed }

func (c *lateContext) Err() error {
	select {
	case <-c.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// mustFail returns the *backend.Error that err must be.
func mustFail(tb testing.TB, resp *backend.Response, err error) *backend.Error {
	tb.Helper()
	var failure *backend.Error
	if !errors.As(err, &failure) {
		tb.Fatalf("got %+v, %v; want a *backend.Error", resp, err)
	}
	if resp != nil {
		tb.Errorf("got an answer along with the error: %+v", resp)
	}
	return failure
}

// wantFailure is what a failed exchange is to look like.
type wantFailure struct {
	kind   backend.Kind
	status int
	text   string // part of the error's text
}

func checkFailure(t *testing.T, resp *backend.Response, err error, want wantFailure) {
	t.Helper()
	failure := mustFail(t, resp, err)
	if failure.Kind != want.kind || failure.Status != want.status {
		t.Errorf("got kind %q, status %d; want %q, %d (%v)", failure.Kind, failure.Status, want.kind, want.status, err)
	}
	if failure.Backend != "mysql" || !strings.HasPrefix(err.Error(), `backend "mysql": `+want.kind.String()) {
		t.Errorf("the error %q does not say which backend and how", err)
	}
	if !strings.Contains(err.Error(), want.text) {
		t.Errorf("error: got %q, want %q in it", err, want.text)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// readHook calls first at the first Read.
type readHook struct {
	io.ReadCloser
	once  sync.Once
	first func()
}

func (h *readHook) Read(p []byte) (int, error) {
	h.once.Do(h.first)
	return h.ReadCloser.Read(p)
}
