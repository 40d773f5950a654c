package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestReloadRenamesOnAnotherStore: a backend that gets another name and another store at once keeps its offerings in the
// catalog, though its broker is down and the new store has no copy.
func TestReloadRenamesOnAnotherStore(t *testing.T) {
	var down atomic.Bool
	serve := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if down.Load() && name == "two" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, catalogOf(offering(name, "small")))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	s := startServer(t)
	one, two := serve("one"), serve("two")
	s.mustLoad(t, s.config(fmt.Sprintf(platformBlock+"store memory\nbackend one %s\nbackend two %s\n", one, two)))
	shown := func() string { return s.call(t, http.StatusOK, "GET", "/v2/catalog", "") }
	await(t, "both offerings", func() bool { return strings.Contains(shown(), `"one"`) && strings.Contains(shown(), `"two"`) })
	down.Store(true)
	s.mustLoad(t, s.config(fmt.Sprintf(platformBlock+"store file %s\nbackend one %s\nbackend new %s {\n\tformerly two\n}\n",
		filepath.Join(t.TempDir(), "store"), one, two)))
	s.awaitLog(t, "fetching a backend's catalog; its last good one stays")
	if catalog := shown(); !strings.Contains(catalog, `"one"`) || !strings.Contains(catalog, `"two"`) {
		t.Errorf("the catalog is %s, want both offerings", catalog)
	}
}
