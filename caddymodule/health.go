package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// serveHealth answers the health checks. `live` says that the process runs; `ready` that the gateway may get calls: it
// was started, its catalog can be served, and Caddy is not about to stop. Once a catalog is known, trouble with the
// store or the backends changes neither: an answer of the gateway's own, in JSON, is better for a platform than a load
// balancer's page.
func (rt *runtime) serveHealth(w http.ResponseWriter, r *http.Request, escaped string) bool {
	check, ok := strings.CutPrefix(escaped, rt.healthPath)
	if !ok || check != "/live" && check != "/ready" {
		return false
	}
	status := http.StatusOK
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		status = http.StatusMethodNotAllowed
	case check == "/ready" && (!rt.ready() || shuttingDown(r)):
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	return true
}

// shuttingDown tells whether Caddy waits out its shutdown_delay, in which load balancers are to find other gateways.
func shuttingDown(r *http.Request) bool {
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	value, _ := replacer.Get("http.shutting_down")
	down, _ := value.(bool)
	return down
}

// ready tells whether the gateway was started and the catalog can be served.
func (rt *runtime) ready() bool {
	return rt.started.Load() && rt.catalogs.current().servable
}
