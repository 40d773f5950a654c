package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// testGateway is a gateway whose broker does not exist.
const testGateway = `{
	"platforms": [{"name": "cf", "basic_auth": [
		{"user": "user", "hash": "$2a$04$.35sm89aO6ZNbUAq0.mcAOvG7m5Zo.66JFpJGZvewoIKwtMwhN81y"}
	]}],
	"backends": [{"name": "one", "url": "http://127.0.0.1:1"}]
}`

// newTestContext returns a context for modules, and what ends it as Caddy ends a configuration.
func newTestContext(t *testing.T) (caddy.Context, context.CancelFunc) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	ctx, err := caddy.ProvisionContext(&caddy.Config{Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output": "discard"}`)}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	inner, cancel := caddy.NewContext(ctx)
	t.Cleanup(cancel)
	return inner, cancel
}

func loadTestGateway(t *testing.T, ctx caddy.Context) (*Gateway, *App) {
	t.Helper()
	module, err := ctx.LoadModuleByID("http.handlers.osb_gateway", json.RawMessage(testGateway))
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App(appID)
	if err != nil {
		t.Fatal(err)
	}
	return module.(*Gateway), app.(*App)
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// unused tells whether the pools hold nothing.
func unused() bool {
	empty := true
	for _, pool := range []*caddy.UsagePool{stores, tracings} {
		pool.Range(func(_, _ any) bool { empty = false; return false })
	}
	return empty
}

// callEarly calls a gateway that was not started. The channel has whether it was, when the next handler was reached.
func callEarly(ctx context.Context, t *testing.T, g *Gateway) <-chan bool {
	t.Helper()
	reached := make(chan bool, 1)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		reached <- g.runtime.started.Load()
		return nil
	})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/elsewhere", http.NoBody)
	go func() { _ = g.ServeHTTP(httptest.NewRecorder(), r, next) }()
	until(t, "the call to come in", func() bool { return g.runtime.calls.calls.Load() == 1 || len(reached) == 1 })
	return reached
}

// TestCallsWaitForTheStart calls gateways before Caddy starts them, as it may when it starts the server first.
func TestCallsWaitForTheStart(t *testing.T) {
	t.Run("Started", func(t *testing.T) {
		ctx, cancel := newTestContext(t)
		g, app := loadTestGateway(t, ctx)
		reached := callEarly(t.Context(), t, g)
		if err := app.Start(); err != nil {
			t.Fatal(err)
		}
		if !<-reached {
			t.Error("the call did not wait for the start")
		}
		if err := app.Stop(); err != nil {
			t.Error(err)
		}
		cancel()
		until(t, "the end of the gateway", unused)
	})
	t.Run("NeverStarted", func(t *testing.T) {
		ctx, cancel := newTestContext(t)
		g, _ := loadTestGateway(t, ctx)
		reached := callEarly(t.Context(), t, g)
		cancel() // another app could not be provisioned or started
		if <-reached {
			t.Error("the gateway was started")
		}
		until(t, "the end of the gateway", unused)
	})
	t.Run("HungUp", func(t *testing.T) {
		ctx, cancel := newTestContext(t)
		g, _ := loadTestGateway(t, ctx)
		call, hangUp := context.WithCancel(t.Context())
		reached := callEarly(call, t, g)
		hangUp()
		<-reached
		cancel()
		until(t, "the end of the gateway", unused)
	})
}

// TestCleanupTwice lets go of what is shared only once.
func TestCleanupTwice(t *testing.T) {
	ctx, cancel := newTestContext(t)
	g, app := loadTestGateway(t, ctx)
	key := g.runtime.store.key
	other, err := takeStore(g.runtime)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
	}
	cancel()
	until(t, "the end of the gateway", func() bool { _, busy := tracings.References(tracingKey); return !busy })
	if references, _ := stores.References(key); references != 1 {
		t.Errorf("the store has %d references, want the 1 of somebody else", references)
	}
	if err := other.release(); err != nil {
		t.Error(err)
	}
	until(t, "the end of the store", unused)
}

// TestFailedStart starts two gateways of which the second cannot: neither runs after it.
func TestFailedStart(t *testing.T) {
	ctx, cancel := newTestContext(t)
	loadTestGateway(t, ctx)
	second := strings.Replace(testGateway, "{", `{"name": "second", "store": {"path": "/proc/none/owners.db"},`, 1)
	if _, err := ctx.LoadModuleByID("http.handlers.osb_gateway", json.RawMessage(second)); err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App(appID)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.(*App).Start(); err == nil || !strings.Contains(err.Error(), `osb_gateway "second": store file: `) {
		t.Errorf("got the error %v", err)
	}
	for _, name := range []string{"default", "second"} {
		if running.latest(name) != nil {
			t.Errorf("%s counts as running", name)
		}
	}
	cancel()
	until(t, "the end of both", unused)
}

// TestFailedProvisionTakesNothing provisions what cannot run, and looks at what is left of it.
func TestFailedProvisionTakesNothing(t *testing.T) {
	for name, change := range map[string][2]string{
		"Unresolved": {`"cf"`, `"{env.OSB_TEST_UNSET}"`},
		"BackendURL": {"http://127.0.0.1:1", "ftp://127.0.0.1:1"},
		"Hash":       {"$2a$04$", "$2a$99$"},
		"Transport":  {`"url"`, `"transport": {"protocol": "none"}, "url"`},
		"Redis":      {`"backends"`, `"store": {"kind": "redis", "url": "http://host"}, "backends"`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, _ := newTestContext(t)
			broken := strings.Replace(testGateway, change[0], change[1], 1)
			if _, err := ctx.LoadModuleByID("http.handlers.osb_gateway", json.RawMessage(broken)); err == nil {
				t.Fatal("it was provisioned")
			}
			if !unused() {
				t.Error("something is left in the pools")
			}
		})
	}
}

// TestZeroValues cleans up and validates what was never provisioned.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	if err := new(App).Cleanup(); err != nil {
		t.Error(err)
	}
	if err := new(App).Stop(); err != nil {
		t.Error(err)
	}
	if err := new(Gateway).Validate(); err == nil {
		t.Error("a gateway that was not provisioned is valid")
	}
}

// TestStoreObserver hands the observation of a store on from configuration to configuration.
func TestStoreObserver(t *testing.T) {
	t.Parallel()
	first, second := new(runtime), new(runtime)
	var s sharedStore
	s.observer.Store(first) // it made the store
	check := func(when string, want *runtime) {
		t.Helper()
		if got := s.observer.Load(); got != want {
			t.Errorf("%s: another gateway observes the store", when)
		}
	}
	s.join(first)
	check("started", first)
	s.join(second)
	check("a reload", second)
	s.leave(second)
	check("a reload that failed", first)
	s.join(second)
	s.leave(first)
	check("after the reload", second)
	s.leave(second)
	check("stopped", second)
	s.leave(second)
	check("stopped twice", second)
}

// TestStoreKey tells settings apart, and does not show them.
func TestStoreKey(t *testing.T) {
	t.Parallel()
	base := storeSettings{Kind: "redis", Gateway: "a", Addresses: []string{"host:6379"}, Password: "s3cret"}
	seen := make(map[string]string)
	for name, change := range map[string]func(*storeSettings){
		"Base":       func(*storeSettings) {},
		"Kind":       func(s *storeSettings) { s.Kind = "file" },
		"Gateway":    func(s *storeSettings) { s.Gateway = "b" },
		"Path":       func(s *storeSettings) { s.Path = filepath.Join("a", "b") },
		"URL":        func(s *storeSettings) { s.URL = "redis://host" },
		"Cluster":    func(s *storeSettings) { s.Cluster = true },
		"Master":     func(s *storeSettings) { s.SentinelMaster = "m" },
		"Sentinel":   func(s *storeSettings) { s.SentinelUsername = "u" },
		"Password2":  func(s *storeSettings) { s.SentinelPassword = "p" },
		"Replicas":   func(s *storeSettings) { s.WaitReplicas = new(int) },
		"Wait":       func(s *storeSettings) { s.WaitTimeout = 1 },
		"Addresses":  func(s *storeSettings) { s.Addresses = []string{"other:6379"} },
		"Username":   func(s *storeSettings) { s.Username = "user" },
		"Password":   func(s *storeSettings) { s.Password = "other" },
		"DB":         func(s *storeSettings) { s.DB = 1 },
		"TLS":        func(s *storeSettings) { s.TLS = new(StoreTLSConfig) },
		"TLSContent": func(s *storeSettings) { s.TLSContent = "another certificate in the same file" },
		"KeyPrefix":  func(s *storeSettings) { s.KeyPrefix = "other" },
		"Timeout":    func(s *storeSettings) { s.Timeout = time.Second },
	} {
		changed := base
		change(&changed)
		key, err := changed.key()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have one key", name, other)
		}
		if strings.Contains(key, "s3cret") {
			t.Error("the key shows the password")
		}
		seen[key] = name
	}
}

// TestStoreTLSContent renews a certificate in its file.
func TestStoreTLSContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.pem")
	digest := func(content string) string {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s := storeSettings{TLS: &StoreTLSConfig{CA: path}}
		s.loadTLS(newResolver()) // that it is no certificate does not matter here
		return s.TLSContent
	}
	first, second, again := digest("one"), digest("two"), digest("one")
	if first == second || first == "" {
		t.Errorf("two contents have the digests %q and %q", first, second)
	}
	if first != again {
		t.Errorf("one content has the digests %q and %q", first, again)
	}
}
