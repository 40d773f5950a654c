package harness

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// transport keeps enough connections for a gateway under load.
var transport = func() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 64
	return transport
}()

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Request is a call to the gateway.
type Request struct {
	// Method and Target are the request line; Target goes out byte for byte.
	Method, Target string
	Body           string
	// Header is added to the defaults. Names are taken as they would be written canonically. A name without values
	// takes the default away.
	Header http.Header
	// User and Password default to those of this package; "-" sends none.
	User, Password string
}

// Do sends a call. The target is not parsed, so that it arrives as it is written.
func (g *Gateway) Do(t testing.TB, r Request) Response {
	t.Helper()
	response, err := g.Try(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return response
}

// Try is Do for callers that are not the test's own goroutine, or expect failures.
func (g *Gateway) Try(r Request) (Response, error) { return g.TryContext(context.Background(), r) }

// TryContext is Try for callers that hang up when ctx ends.
func (g *Gateway) TryContext(ctx context.Context, r Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, g.URL, body)
	if err != nil {
		return Response{}, err
	}
	request.URL.Opaque = strings.TrimPrefix(g.URL, "http:") + r.Target
	request.Header.Set("X-Broker-API-Version", "2.17")
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	switch r.User {
	case "-":
	case "":
		request.SetBasicAuth(User, Password)
	default:
		request.SetBasicAuth(r.User, r.Password)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: string(content)}, err
}
