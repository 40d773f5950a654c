package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(Gateway{})
}

// Gateway is one Open Service Broker in front of many. A platform registers its URL; the gateway authenticates the
// platform, serves one merged catalog, sends every call on an instance or binding to the broker that owns it, and
// remembers who owns what.
//
// Requests beneath `/v2` and `/bluemix_v1` are answered; all others go to the next handler.
//
// Placeholder | Description
// ------------|------------
// `{http.osb_gateway.platform}` | The platform that calls; `{http.auth.user.id}` likewise
// `{http.osb_gateway.operation}` | The operation, such as `provision` or `poll_instance`
// `{http.osb_gateway.backend}` | The backend that the call went to
// `{http.osb_gateway.instance_id}` | The id of the instance, decoded
// `{http.osb_gateway.identity.platform}` | The kind of platform that the originating identity names
// `{http.osb_gateway.identity.user}` | The end user that it names.
type Gateway struct {
	// The gateway's name; part of every key in the store. Handlers of one configuration with the same name must have
	// the same settings and share their state. Default: `default`.
	Name string `json:"name,omitempty"`
	// The path that the API is served beneath, such as `/broker`. Default: none.
	BasePath string `json:"base_path,omitempty"`
	// The path of the health checks: `<path>/live` and `<path>/ready`, without credentials and without details.
	// Default: `/healthz`.
	HealthPath string `json:"health_path,omitempty"`
	// Where ownership is kept. Default: the embedded store.
	Store *StoreConfig `json:"store,omitempty"`
	// The identity that the store must have. Without it the gateway gives a new store one by itself, and remembers it
	// in Caddy's data directory, which tells a wiped store from a new one. Set it where that directory does not last.
	StoreID string `json:"store_id,omitempty"`
	// Who may call. At least one.
	Platforms []*PlatformConfig `json:"platforms,omitempty"`
	// The brokers, in the order in which their offerings are listed. At least one.
	Backends []*BackendConfig `json:"backends,omitempty"`
	// How the brokers' catalogs are kept.
	Catalog *CatalogConfig `json:"catalog,omitempty"`
	// The largest request body. Default: `1MiB`.
	MaxRequestBody Size `json:"max_request_body,omitempty"`
	// The largest body of a backend's answer. Default: `8MiB`. Catalogs may have `32MiB`.
	MaxResponseBody Size `json:"max_response_body,omitempty"`
	// How the end user appears in the audit log, in spans and in placeholders.
	IdentityLog *IdentityLogConfig `json:"identity_log,omitempty"`

	runtime *runtime
	logger  *zap.Logger
}

// CaddyModule returns the module's id and constructor.
func (Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.osb_gateway",
		New: func() caddy.Module { return new(Gateway) },
	}
}

// Provision resolves the configuration and finds or makes the state that handlers of the same name share. It opens no
// file and dials nobody.
func (g *Gateway) Provision(ctx caddy.Context) error {
	g.logger = ctx.Logger()
	module, err := ctx.App(appID)
	if err != nil {
		return fmt.Errorf("loading the %s app: %w", appID, err)
	}
	app, ok := module.(*App)
	if !ok {
		return fmt.Errorf("loading the %s app: got a %T", appID, module)
	}
	written, err := json.Marshal(g) // before the transports are loaded, which takes their configuration away
	if err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	settings, err := g.resolve()
	if err != nil {
		return fmt.Errorf("osb_gateway %q: %w", orDefault(g.Name, defaultName), err)
	}
	g.runtime, err = app.runtime(ctx, settings, written, func() (*runtime, error) {
		return newRuntime(ctx, g, settings)
	})
	if err != nil {
		return fmt.Errorf("osb_gateway %q: %w", settings.name, err)
	}
	return nil
}

// Validate warns about what is legal and unwise.
func (g *Gateway) Validate() error {
	if g.runtime == nil {
		return errors.New("not provisioned")
	}
	g.warnOfLiteralSecrets()
	return nil
}

// warnOfLiteralSecrets names secrets that are written in the configuration itself.
func (g *Gateway) warnOfLiteralSecrets() {
	warn := func(place, value string) {
		if value != "" && !isPlaceholder(value) {
			g.logger.Warn("a secret is written in the configuration, which Caddy keeps on disk; use {env.NAME} or {file.PATH}",
				zap.String("setting", place))
		}
	}
	if g.Store != nil {
		warn("store redis password", g.Store.Password)
		warn("store redis sentinel_password", g.Store.SentinelPassword)
		warn("store redis url", passwordOfURL(g.Store.URL))
	}
	for _, caller := range g.Platforms {
		for _, token := range caller.JWT {
			warn("platform "+caller.Name+" jwt "+token.Issuer+" jwks_token", token.JWKSToken)
		}
	}
	for _, backend := range g.Backends {
		if backend.BasicAuth != nil {
			warn("backend "+backend.Name+" basic_auth", backend.BasicAuth.Password)
		}
		warn("backend "+backend.Name+" bearer_token", backend.BearerToken)
		if backend.OAuth2 != nil {
			warn("backend "+backend.Name+" oauth2 client", backend.OAuth2.ClientSecret)
		}
		if backend.IBMIAM != nil {
			warn("backend "+backend.Name+" ibm_iam", backend.IBMIAM.APIKey)
		}
		for _, header := range backend.Headers {
			if !strings.EqualFold(header.Name, "Host") { // which of the others is a secret, nobody can tell
				warn("backend "+backend.Name+" header "+header.Name, header.Value)
			}
		}
	}
	if g.IdentityLog != nil {
		warn("identity_log hash", g.IdentityLog.Key)
	}
}

// passwordOfURL returns the password in a URL as it is written, placeholders and all.
func passwordOfURL(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}

// ServeHTTP takes a call through the gateway, or passes on what is none.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	release := g.runtime.use()
	defer release()
	g.runtime.awaitStart(r.Context())
	return g.runtime.serve(w, r, next) //nolint:contextcheck // the request carries it
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddy.Validator             = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
