package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// healthy is a gateway as far as its health checks look at it.
func healthy(started, servable bool) *runtime {
	rt := &runtime{settings: &settings{healthPath: "/healthz"}, catalogs: new(catalogs)}
	rt.started.Store(started)
	rt.catalogs.published.Store(&publication{Catalog: catalogmerge.Merge(nil, nil), servable: servable})
	return rt
}

func TestHealth(t *testing.T) {
	t.Parallel()
	shutting := caddy.NewReplacer()
	shutting.Set("http.shutting_down", true)
	for _, test := range []struct {
		name         string
		rt           *runtime
		method, path string
		replacer     *caddy.Replacer
		// want is the status; 0 for a request that is for somebody else.
		want int
	}{
		{"Live", healthy(true, true), "GET", "/healthz/live", nil, 200},
		{"LiveBeforeTheCatalog", healthy(true, false), "GET", "/healthz/live", nil, 200},
		{"LiveBeforeTheStart", healthy(false, false), "GET", "/healthz/live", nil, 200},
		{"LiveWhileShuttingDown", healthy(true, true), "GET", "/healthz/live", shutting, 200},
		{"Ready", healthy(true, true), "GET", "/healthz/ready", nil, 200},
		{"ReadyHead", healthy(true, true), "HEAD", "/healthz/ready", nil, 200},
		{"ReadyWithReplacer", healthy(true, true), "GET", "/healthz/ready", caddy.NewReplacer(), 200},
		{"NotReadyBeforeTheCatalog", healthy(true, false), "GET", "/healthz/ready", nil, 503},
		{"NotReadyBeforeTheStart", healthy(false, true), "GET", "/healthz/ready", nil, 503},
		{"NotReadyWhileShuttingDown", healthy(true, true), "GET", "/healthz/ready", shutting, 503},
		{"Post", healthy(true, true), "POST", "/healthz/live", nil, 405},
		{"Delete", healthy(false, false), "DELETE", "/healthz/ready", nil, 405},
		{"OtherCheck", healthy(true, true), "GET", "/healthz/started", nil, 0},
		{"Beneath", healthy(true, true), "GET", "/healthz/live/", nil, 0},
		{"Alone", healthy(true, true), "GET", "/healthz", nil, 0},
		{"OtherPath", healthy(true, true), "GET", "/v2/catalog", nil, 0},
		{"Longer", healthy(true, true), "GET", "/healthzlive", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if test.replacer != nil {
				ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, test.replacer)
			}
			recorder := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(ctx, test.method, test.path, http.NoBody)
			if answered := test.rt.serveHealth(recorder, r, test.path); answered != (test.want != 0) {
				t.Fatalf("answered: %t", answered)
			}
			if test.want == 0 {
				return
			}
			response := recorder.Result()
			if response.StatusCode != test.want || recorder.Body.Len() > 0 {
				t.Errorf("got %d with %d bytes, want %d and none", response.StatusCode, recorder.Body.Len(), test.want)
			}
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			if got := response.Header.Get("Allow"); (got != "") != (test.want == http.StatusMethodNotAllowed) {
				t.Errorf("Allow is %q", got)
			}
		})
	}
}
