package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestReloadThatUncoversAClash: of two backends whose offerings have one id as soon as it is published as it is, the one
// listed first has it from the first moment, whichever is asked or answers first.
func TestReloadThatUncoversAClash(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restarts), func(t *testing.T) { uncoverAClash(t, restarts) })
	}
}

func uncoverAClash(t *testing.T, restarts bool) {
	t.Helper()
	var held atomic.Bool
	release := make(chan struct{})
	serve := func(name string) string {
		catalog := catalogOf(strings.Replace(offering("same", "small"), "an offering", "that of "+name, 1))
		if name == "two" {
			catalog = strings.Replace(catalog, `"name": "same"`, `"name": "other"`, 1)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if name == "one" && held.Load() {
				<-release
			}
			_, _ = io.WriteString(w, catalog)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	urls := []any{serve("one"), serve("two")}
	s := startServer(t)
	a := startAdmin(t)
	const backends = platformBlock + "backend one %s {\n\tPOLICY\n}\nbackend two %s {\n\tPOLICY\n}\n"
	block := fmt.Sprintf(backends, urls...)
	s.mustLoad(t, s.config(strings.ReplaceAll(block, "POLICY", "namespace_ids")))
	fetched := func(i int) any {
		answer, _ := a.ask(t, http.StatusOK, "GET", "/osb_gateway/backends")
		return at(t, answer, "backends", i, "catalog", "fetched_at")
	}
	shown := func() string { return s.call(t, http.StatusOK, "GET", "/v2/catalog", "") }
	await(t, "both offerings", func() bool {
		catalog := shown()
		return strings.Contains(catalog, "that of one") && strings.Contains(catalog, "that of two")
	})

	before := []any{fetched(0), fetched(1)}
	held.Store(true)
	if restarts {
		s.stop(t)
	}
	s.mustLoad(t, s.config(strings.ReplaceAll(block, "POLICY", "")))
	want := func(when string) {
		t.Helper()
		if catalog := shown(); !strings.Contains(catalog, "that of one") || strings.Contains(catalog, "that of two") {
			t.Errorf("%s the catalog is %s", when, catalog)
		}
	}
	want("before either has answered")
	await(t, "the second one's answer", func() bool { return fetched(1) != before[1] })
	want("when the second one has answered")
	close(release)
	await(t, "the first one's answer", func() bool { return fetched(0) != before[0] })
	want("when both have answered")
}
