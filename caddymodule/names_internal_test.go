package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// startTestGateway starts a gateway with its records in memory. Its backends, of these names, do not exist.
func startTestGateway(t *testing.T, backends ...string) *runtime {
	t.Helper()
	configured := make([]*BackendConfig, len(backends))
	for i, name := range backends {
		configured[i] = &BackendConfig{Name: name, URL: "http://127.0.0.1:1/" + name}
	}
	return startGatewayOf(t, nil, configured...)
}

// startGatewayOf starts a gateway with its records in memory.
func startGatewayOf(t *testing.T, catalog *CatalogConfig, backends ...*BackendConfig) *runtime {
	t.Helper()
	g := &Gateway{
		Store: &StoreConfig{Kind: "memory"}, Catalog: catalog, Backends: backends,
		Platforms: []*PlatformConfig{{Name: "cf", BasicAuth: []BasicAuthConfig{{
			User: "user", Hash: "$2a$04$.35sm89aO6ZNbUAq0.mcAOvG7m5Zo.66JFpJGZvewoIKwtMwhN81y",
		}}}},
	}
	return startGateway(t, g)
}

// startGateway starts a gateway, and ends it with the test.
func startGateway(t *testing.T, g *Gateway) *runtime {
	t.Helper()
	ctx, cancel := newTestContext(t)
	if err := g.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	module, err := ctx.App(appID)
	if err != nil {
		t.Fatal(err)
	}
	app := module.(*App)
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(); err != nil {
			t.Error(err)
		}
		cancel()
		until(t, "the end of the gateway", unused)
	})
	return g.runtime
}

// TestNamesOfYesterday: names that were last seen on another day are registered all the same, though that cannot be
// written down because a newer gateway wrote the registry.
func TestNamesOfYesterday(t *testing.T) {
	rt := startTestGateway(t, "one")
	yesterday := *rt.store.names.current()
	yesterday.Backends = maps.Clone(yesterday.Backends)
	one := yesterday.Backends["one"]
	one.FirstSeen, one.LastSeen = "2020-01-01", "2020-01-01"
	yesterday.Backends["one"] = one
	rt.store.names.keep(&yesterday)
	store := rt.store.store
	document, err := store.ReadDocument(t.Context(), routing.NamesDocument)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.SwapDocument(t.Context(), routing.NamesDocument, document.Version, []byte(`{"v": 99}`)); err != nil {
		t.Fatal(err)
	}
	if err := rt.nameAll(t.Context()); err != nil || !rt.registered.Load() {
		t.Errorf("the names are not registered any more: %v", err)
	}
}

// TestReloadOfABackendNeverSeen: a backend of which nothing good was ever seen is suspect after a reload until the store was
// asked once more. Another gateway may know better, and the URL be a wrong one.
func TestReloadOfABackendNeverSeen(t *testing.T) {
	rt := startTestGateway(t, "one")
	before := rt.catalogs
	until(t, "the catalog to be asked for", func() bool {
		before.mu.Lock()
		defer before.mu.Unlock()
		return before.entries[0].tried && before.entries[0].asked
	})
	if rt.brokers["one"].suspect.Load() {
		t.Error("a backend is suspect although there is nothing to compare with")
	}
	after := newCatalogs(rt)
	after.name(rt.named())
	after.inherit(before)
	after.doubt()
	if !rt.brokers["one"].suspect.Load() {
		t.Error("a backend is believed before the store was asked")
	}
	after.recall(t.Context(), after.entries[0])
	if rt.brokers["one"].suspect.Load() {
		t.Error("a backend is suspect although there is still nothing to compare with")
	}
}

// TestNamesThatChange: a call that comes while the names are resolved anew goes by what the catalog goes by.
func TestNamesThatChange(t *testing.T) {
	rt := startTestGateway(t, "x", "y")
	for _, entry := range rt.catalogs.entries {
		name := entry.broker.name
		body := fmt.Appendf(nil, `{"services": [{"id": "of-%[1]s", "name": "%[1]s", "description": "d", "bindable": true,
			"plans": [{"id": "plan-%[1]s", "name": "small", "description": "d"}]}]}`, name)
		good, err := catalogmerge.Refresh(nil, name, entry.broker.answered(body, "", time.Now(), defaultWithdrawAfter))
		if err != nil {
			t.Fatal(err)
		}
		rt.catalogs.mu.Lock()
		entry.take(good)
		rt.catalogs.publish()
		rt.catalogs.mu.Unlock()
	}
	other := rt.newNaming(routing.Naming{
		Backends: []routing.StableIDs{{"y"}, {"x"}}, Platforms: []routing.StableIDs{{"cf"}},
	})
	rt.catalogs.name(other) // what comes next is not here yet
	c := &call{
		rt: rt, r: httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", http.NoBody), platform: rt.platforms[0],
		path:   osb.Path{Operation: osb.Provision, Instance: "i"},
		fields: osb.Body{ServiceID: "of-x", PlanID: "plan-x"},
	}
	if err := c.begin(false); err != nil {
		t.Fatal(err)
	}
	if c.broker.name != "x" {
		t.Errorf("a create of what %q offers goes to %q", "x", c.broker.name)
	}
}
