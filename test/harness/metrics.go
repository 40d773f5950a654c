package harness

import (
	"io"
	"net/http"
	"testing"
)

// Metrics returns what Caddy's metrics endpoint says, as text.
func (g *Gateway) Metrics(t testing.TB) string {
	t.Helper()
	response, err := http.Get(g.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("fetching the metrics: status %d, error %v", response.StatusCode, err)
	}
	return string(page)
}
