package caddymodule

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// TestT38LastGoodStays: whatever a broker answers that is no catalog, its last good one stays as it is, in the store
// too, and the reason is told.
func TestT38LastGoodStays(t *testing.T) {
	good := `{"services":[` + offeringJSON("a", "a", 1) + `]}`
	var script atomic.Pointer[http.HandlerFunc]
	set := func(handler http.HandlerFunc) { script.Store(&handler) }
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	set(says(http.StatusOK, good))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*script.Load())(w, r) }))
	t.Cleanup(server.Close)
	rt := startGatewayOf(t, &CatalogConfig{Refresh: "365d"}, &BackendConfig{Name: "one", URL: server.URL, CatalogTimeout: "5m"})
	until(t, "the catalog", func() bool { return rt.catalogs.current().complete })
	before := rt.catalogs.current()
	filler := strings.Repeat(" ", 1<<20)
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"not found", says(http.StatusNotFound, `{"services":[]}`), "answered with 404"},
		{"an error", says(http.StatusInternalServerError, good), "answered with 500"},
		{"gone", says(http.StatusGone, "{}"), "answered with 410"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "302"},
		{"a web page", says(http.StatusOK, "<html>"), "not a catalog"},
		{"nothing", says(http.StatusOK, ""), "not a catalog"},
		{"no list", says(http.StatusOK, `{}`), "no services"},
		{"null", says(http.StatusOK, `{"services":null}`), "null"},
		{"an empty list", says(http.StatusOK, `{"services":[]}`), "caddy osb-gateway accept one"},
		{"only bad ones", says(http.StatusOK, `{"services":[{"id":"b"}]}`), "caddy osb-gateway accept one"},
		{"another broker's", says(http.StatusOK, `{"services":[`+offeringJSON("b", "b", 1)+`]}`), "caddy osb-gateway accept one"},
		{"unasked compression", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, good)
		}, "compresses"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)+1))
			_, _ = io.WriteString(w, good)
		}, "unexpected EOF"},
		{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"too large by its length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(maxCatalogBody+1))
			_, _ = io.WriteString(w, good)
		}, "larger than 33554432 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.TrimSuffix(good, "]}"))
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, filler); err != nil {
					return
				}
			}
		}, "larger than 33554432 bytes"},
	} {
		set(test.answer)
		got := rt.catalogs.refreshNow(t.Context(), rt.catalogs.entries[0])
		if got.Outcome != refreshFailed || !strings.Contains(got.Error, test.want) {
			t.Errorf("%s: got %s, %q; want it to have failed with %q", test.name, got.Outcome, got.Error, test.want)
		}
		if got.Offerings != 1 || rt.catalogs.current() != before {
			t.Errorf("%s: another catalog is shown: %s", test.name, rt.catalogs.current().Body)
		}
	}
	document, err := rt.store.store.ReadDocument(t.Context(), documentName("one"))
	if err != nil || document.Version != 1 {
		t.Errorf("the stored copy has version %d, %v; want what was written first", document.Version, err)
	}

	// A broken new version of the offering leaves the good one; the offering beside it is new.
	broken := strings.Replace(offeringJSON("a", "a", 2), `"name":"a",`, "", 1)
	set(says(http.StatusOK, `{"services":[`+broken+`,`+offeringJSON("b", "b", 2)+`]}`))
	if got := rt.catalogs.refreshNow(t.Context(), rt.catalogs.entries[0]); got.Outcome != refreshChanged {
		t.Errorf("a broken version beside a good one: got %+v", got)
	}
	body := string(rt.catalogs.current().Body)
	if !strings.Contains(body, offeringJSON("a", "a", 1)) || !strings.Contains(body, offeringJSON("b", "b", 2)) {
		t.Errorf("got %s, want the last good version and the new offering", body)
	}

	// As large as it may be.
	large := `{"services":[` + offeringJSON("a", "a", 3) + `]`
	large += strings.Repeat(" ", maxCatalogBody-len(large)-1) + "}"
	set(says(http.StatusOK, large))
	if got := rt.catalogs.refreshNow(t.Context(), rt.catalogs.entries[0]); got.Outcome != refreshChanged {
		t.Errorf("a catalog of 32 MiB: got %+v", got)
	}
}
