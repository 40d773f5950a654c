package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// drainTimeout bounds how long an old configuration waits for its last call before it lets go of the store. Where a
	// call may take longer, so does the wait.
	drainTimeout = 15 * time.Minute
	// exitTimeout takes its place when Caddy exits: its grace period is over then, and a call that it cut off is
	// settled by later ones.
	exitTimeout = 2 * time.Second
)

// runtime is a gateway of one configuration at work. Handlers of one name share it.
type runtime struct {
	*settings
	logger, audit *zap.Logger
	authenticator *platform.Authenticator
	// refusals logs what is wrong with credentials, and challenges are what who has none is told.
	refusals   refusalLog
	challenges []string
	callers    map[string]*platformSettings
	// brokers are the backends by name. What the store calls them is found in naming.
	brokers map[string]*broker
	naming  atomic.Pointer[naming]
	// namingLock is held while the names are registered.
	namingLock sync.Mutex
	// registered: the store's registry has the names.
	registered atomic.Bool
	// resolved is closed when the names are known.
	resolved chan struct{}
	// renew has the names registered at once.
	renew    chan struct{}
	store    *sharedStore
	ledger   *routing.Ledger
	catalogs *catalogs
	tracing  *sharedTracing
	metrics  *telemetry.Metrics
	notices  *notices
	calls    *gate
	// looping are the platforms whose calls came back to this gateway; of each it was logged.
	looping sync.Map
	// observeRoundTrip observes the store.
	observeRoundTrip routing.Observer
	started          atomic.Bool
	// opened is closed when the gateway was started, or will not be.
	opened     chan struct{}
	openOnce   sync.Once
	endOnce    sync.Once
	stopping   context.CancelFunc
	background sync.WaitGroup
	// closeTransports cleans the backends' transports up. Caddy would do so while calls still run.
	closeTransports context.CancelFunc
}

// broker is a backend and its settings.
type broker struct {
	*backendSettings
	*backend.Backend
	// suspect: it may be another broker than the one that its records are of. See guard.go.
	suspect atomic.Bool
	// failed is when it last failed a call, in nanoseconds since 1970; 0 if it does not.
	failed atomic.Int64
}

// newRuntime makes the state of a gateway. What it takes from the pools is taken last, so that nothing can fail after
// it.
func newRuntime(ctx caddy.Context, g *Gateway, s *settings) (_ *runtime, err error) {
	rt := &runtime{
		settings: s, logger: g.logger, audit: g.logger.Named("audit"), metrics: telemetry.Default(), calls: newGate(),
		notices: newNotices(), opened: make(chan struct{}),
		callers: make(map[string]*platformSettings, len(s.platforms)),
		brokers: make(map[string]*broker, len(s.backends)), renew: make(chan struct{}, 1), resolved: make(chan struct{}),
	}
	var transports caddy.Context
	transports, rt.closeTransports = caddy.NewContext(ctx)
	defer func() {
		if err != nil {
			rt.closeTransports()
		}
	}()
	problems := append(make([]error, 0, 1+len(s.backends)), rt.addPlatforms(transports, g))
	for i, b := range s.backends {
		problems = append(problems, rt.addBroker(transports, g.Backends[i], b))
	}
	if err = errors.Join(problems...); err != nil {
		return nil, err
	}
	if err = rt.metrics.Register(ctx.GetMetricsRegistry()); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	if rt.tracing, err = takeTracing(); err != nil {
		return nil, fmt.Errorf("setting up tracing: %w", err)
	}
	rt.observeRoundTrip = rt.observeStore()
	if rt.store, err = takeStore(rt); err != nil {
		rt.tracing.release()
		return nil, err
	}
	rt.ledger = rt.store.ledger
	rt.catalogs = newCatalogs(rt)
	return rt, nil
}

// addBroker makes a backend, with Caddy's transport.
func (rt *runtime) addBroker(ctx caddy.Context, config *BackendConfig, s *backendSettings) error {
	direct := len(config.TransportRaw) == 0 && needsNoProxy(s.url) // before loading takes the configuration away
	transport, err := loadTransport(ctx, config, config.TransportRaw)
	if err != nil {
		return fmt.Errorf("backend %q: loading transport: %w", s.name, err)
	}
	token, err := rt.tokenConfig(ctx, s)
	if err != nil {
		return fmt.Errorf("backend %q: loading the transport to the token server: %w", s.name, err)
	}
	made, err := backend.New(backend.Config{
		Name: s.name, URL: s.url, Secrets: s.credentials.secrets, Reread: rt.rereads(s), Token: token,
		MaxInFlight: int64(s.maxInFlight), Breaker: rt.breaker(s), CatalogVersion: s.catalogVersion,
		Inject:           func(ctx context.Context, header http.Header) { rt.tracing.Inject(ctx, header) },
		Mark:             rt.ownMark,
		MaxResponseBytes: rt.maxResponseBytes, MaxCatalogBytes: maxCatalogBody, Transport: transport,
		Direct: direct,
	})
	if err != nil {
		return err
	}
	rt.brokers[s.name] = &broker{backendSettings: s, Backend: made}
	return nil
}

// loadTransport loads the transport that config has in its TransportRaw, or Caddy's own with its defaults. Neither may
// unpack answers by itself.
func loadTransport(ctx caddy.Context, config any, raw json.RawMessage) (http.RoundTripper, error) {
	var module any
	var err error
	if len(raw) > 0 {
		module, err = ctx.LoadModule(config, "TransportRaw")
	} else {
		module, err = ctx.LoadModuleByID("http.reverse_proxy.transport.http", []byte(`{"compression": false}`))
	}
	if err != nil {
		return nil, err
	}
	transport, ok := module.(http.RoundTripper)
	if !ok {
		return nil, fmt.Errorf("%T is no transport", module)
	}
	return transport, nil
}

// needsNoProxy tells whether a URL is reached without one of the proxies that the environment names, which Caddy's
// transport uses by default.
func needsNoProxy(u *url.URL) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return err == nil && proxy == nil
}

// start opens the store and begins to fetch catalogs. What a gateway of the same name knows already is taken over.
func (rt *runtime) start(before *runtime) error {
	if err := rt.store.open(); err != nil {
		return fmt.Errorf("store %s: %w", rt.settings.store.Kind, err)
	}
	switch rt.settings.store.Kind {
	case "file":
		rt.logger.Info("ownership is kept in a file, which serves one process; several gateways need `store redis`",
			zap.String("gateway", rt.name), zap.String("file", rt.settings.store.Path))
	case "memory":
		rt.logger.Warn("ownership is kept in memory only: after a restart no instance is known; use `store file` or `store redis`",
			zap.String("gateway", rt.name))
	}
	rt.store.join(rt)
	rt.ledger.Watch()
	rt.store.identity.begin(cmp.Or(rt.settings.store.Timeout, identityTimeout))
	rt.store.identity.recheck()
	rt.store.warnings.begin()
	ctx, cancel := context.WithCancel(context.Background())
	rt.stopping = cancel
	first, done := context.WithTimeout(ctx, cmp.Or(rt.settings.store.Timeout, identityTimeout))
	defer done()
	namesError := rt.nameAll(first)
	if before != nil {
		rt.catalogs.inherit(before.catalogs)
	}
	rt.authenticator.Run(ctx, &rt.background)
	rt.inheritBrokers(before)
	rt.catalogs.doubt()
	rt.background.Go(func() { rt.keepNames(ctx, namesError) })
	rt.background.Go(func() { rt.reportMissing(ctx) })
	rt.catalogs.run(ctx, &rt.background)
	rt.metrics.Expect(rt.name)
	newUnfinished(rt).run(ctx, &rt.background)
	rt.countProgress(ctx, &rt.background)
	rt.started.Store(true)
	rt.openOnce.Do(func() { close(rt.opened) })
	return nil
}

// storeChanged is called when the store turned out to be another one than before.
func (rt *runtime) storeChanged() {
	rt.catalogs.forgetStored()
	select {
	case rt.renew <- struct{}{}:
	default:
	}
}

// awaitStart waits until the gateway was started, or will not be. Caddy starts apps in any order, so calls may come
// while the store is not open yet and nothing is known of the catalogs.
func (rt *runtime) awaitStart(ctx context.Context) {
	if rt.started.Load() {
		return
	}
	select {
	case <-rt.opened:
	case <-ctx.Done():
	}
}

// stop ends the background work.
func (rt *runtime) stop() {
	rt.openOnce.Do(func() { close(rt.opened) })
	rt.store.leave(rt)
	rt.store.identity.recheck()
	if rt.stopping != nil {
		rt.stopping()
	}
}

// end waits for the last call and lets go of everything, once.
func (rt *runtime) end() { rt.endOnce.Do(rt.letGo) }

func (rt *runtime) letGo() {
	rt.stop()
	rt.background.Wait()
	patience := drainTimeout
	for _, b := range rt.backends {
		patience = max(patience, b.timeout+time.Minute)
	}
	if caddy.Exiting() {
		patience = exitTimeout
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-rt.calls.close():
	case <-timer.C:
		rt.logger.Warn("calls did not end in time; the store is closed, and later calls settle what they did",
			zap.Duration("waited", patience))
	}
	rt.authenticator.Close()
	for _, b := range rt.brokers {
		b.Close()
	}
	rt.closeTransports()
	if err := rt.store.release(); err != nil {
		rt.logger.Error("closing the store", zap.Error(err))
	}
	rt.tracing.release()
	rt.forgetMetrics()
}

// forgetMetrics drops the series of what no running configuration has any more.
func (rt *runtime) forgetMetrics() {
	now := running.latest(rt.name)
	if now == nil {
		rt.metrics.ForgetGateway(rt.name)
		return
	}
	for _, b := range rt.backends {
		if now.brokers[b.name] == nil {
			rt.metrics.Forget(rt.name, b.name)
		}
	}
}

// use enters a call; the function that it returns ends it.
func (rt *runtime) use() func() {
	rt.calls.enter()
	return rt.calls.leave
}

// Window tells how long a create may take effect at a backend. It implements routing.Config.
func (rt *runtime) Window(id routing.BackendID) (routing.Window, bool) { return rt.named().Window(id) }

// Platform finds the platform that a record is of, under whatever name. It implements routing.Config.
func (rt *runtime) Platform(id routing.PlatformID) (routing.PlatformID, bool) {
	return rt.named().Platform(id)
}

// Suspect tells whether the backend may be another broker than before. It implements routing.Config.
func (rt *runtime) Suspect(id routing.BackendID) bool { return rt.named().Suspect(id) }

// withReplacer gives background work what Caddy's transport expects of a request's context.
func withReplacer(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer())
	return context.WithValue(ctx, caddyhttp.VarsCtxKey, make(map[string]any))
}
