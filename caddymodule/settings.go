package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// The defaults of the configuration.
const (
	defaultName            = "default"
	defaultHealthPath      = "/healthz"
	defaultTimeout         = 55 * time.Second
	defaultSettle          = 5 * time.Minute
	defaultCatalogTimeout  = 10 * time.Second
	defaultRefresh         = 60 * time.Second
	defaultWithdrawAfter   = 10 * time.Minute
	defaultMaxRequestBody  = 1 << 20
	defaultMaxResponseBody = 8 << 20
	maxCatalogBody         = 32 << 20
	defaultStoreTimeout    = 500 * time.Millisecond
	defaultKeyPrefix       = "osb"
)

// settings is a configuration with every placeholder resolved and every default set.
type settings struct {
	name, basePath, healthPath string
	store                      storeSettings
	storeID                    string
	platforms                  []*platformSettings
	backends                   []*backendSettings
	refresh                    time.Duration
	withdrawAfter              time.Duration
	// refuseIncomplete: a backend that was never seen good keeps the catalog from being shown.
	refuseIncomplete bool
	// catalogPolicy says how the catalogs become one.
	catalogPolicy    *catalogmerge.Options
	maxRequestBytes  int64
	maxResponseBytes int64
	identityLog      identityLog
}

type platformSettings struct {
	name            string
	formerly        []string
	basic           []platform.BasicCredential
	tokens          []*tokenSettings
	certificates    []string
	identity        identityRule
	minVersion      osb.Version
	versionRequired bool
	defaultVersion  string
	rejectUnknown   bool
	// visible says which offerings the platform sees; nil stands for all.
	visible *catalogmerge.Visibility
}

type backendSettings struct {
	name           string
	formerly       []string
	url            *url.URL
	credentials    credentialSettings
	timeout        time.Duration
	settle         time.Duration
	catalogTimeout time.Duration
	catalogVersion string
	maxInFlight    int
	breaker        backend.BreakerConfig
	// synthesizesState: IBM Cloud's enable and disable are answered with the state.
	synthesizesState bool
	// policy says what becomes of its offerings before platforms see them.
	policy *catalogmerge.Policy
}

// plainName is what names may be made of: they become parts of keys, files and labels.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkName(what, name string) error {
	if plainName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%s %q: a name has up to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit",
		what, name)
}

// resolve puts values in the place of placeholders and checks everything that needs no network.
func (g *Gateway) resolve() (*settings, error) {
	r := newResolver()
	s := &settings{
		name:             orDefault(r.text("name", g.Name), defaultName),
		basePath:         r.text("base_path", g.BasePath),
		healthPath:       orDefault(r.text("health_path", g.HealthPath), defaultHealthPath),
		refresh:          defaultRefresh,
		withdrawAfter:    defaultWithdrawAfter,
		maxRequestBytes:  r.size("max_request_body", g.MaxRequestBody, defaultMaxRequestBody),
		maxResponseBytes: r.size("max_response_body", g.MaxResponseBody, defaultMaxResponseBody),
	}
	if g.Catalog != nil {
		s.refresh = r.duration("catalog refresh", g.Catalog.Refresh, defaultRefresh)
		s.resolveStability(r, g.Catalog)
	}
	s.catalogPolicy = g.Catalog.resolvePolicy(r, s.name)
	s.identityLog = g.IdentityLog.resolve(r)
	s.store = g.Store.resolve(r, s.name)
	s.storeID = r.text("store_id", g.StoreID)
	for i, p := range g.Platforms {
		if p == nil {
			r.fail("platform %d is null", i+1)
			continue
		}
		s.platforms = append(s.platforms, p.resolve(r))
	}
	for i, b := range g.Backends {
		if b == nil {
			r.fail("backend %d is null", i+1)
			continue
		}
		s.backends = append(s.backends, b.resolve(r))
	}
	if !r.ok() {
		return nil, errors.Join(r.problems...)
	}
	return s, s.check(g)
}

// check finds what the resolved settings have wrong.
func (s *settings) check(g *Gateway) error {
	problems := []error{
		checkName("name", s.name),
		checkPath("base_path", s.basePath),
		checkPath("health_path", s.healthPath),
	}
	if s.storeID != "" {
		problems = append(problems, checkName("store_id", s.storeID))
		if s.store.Kind == "memory" {
			problems = append(problems, errors.New("store_id: `store memory` is a new store each time, so it has no lasting id"))
		}
	}
	if len(s.platforms) == 0 {
		problems = append(problems, errors.New("no platform: say who may call with a `platform` block"))
	}
	if len(s.backends) == 0 {
		problems = append(problems, errors.New("no backend: name a broker with a `backend` block"))
	}
	var platforms, backends nameCheck
	for i, p := range s.platforms {
		problems = append(problems, platforms.add("platform", p.name, p.formerly))
		if len(p.basic)+len(p.tokens)+len(p.certificates) == 0 {
			problems = append(problems,
				fmt.Errorf("platform %q has no credentials: add `basic_auth`, `jwt` or `client_cert`", p.name))
		}
		if len(s.platforms) > 1 && g.Platforms[i].UnknownInstances == "" {
			problems = append(problems, fmt.Errorf("platform %q: with several platforms, `unknown_instances` must be set "+
				"to `reject`, or to `forward` where the platform may reach instances that the gateway has no record of", p.name))
		}
	}
	for _, b := range s.backends {
		problems = append(problems, backends.add("backend", b.name, b.formerly))
	}
	for _, p := range s.platforms {
		problems = append(problems, p.checkVisible(backends.present))
	}
	problems = append(problems, platforms.formerlies("platform"), backends.formerlies("backend"))
	return errors.Join(problems...)
}

// nameCheck finds names that are there twice, among the present and the former ones of one kind.
type nameCheck struct {
	present map[string]bool
	former  []formerName
}

type formerName struct{ of, name string }

// add takes a name and its former names, and tells what is wrong with them by themselves.
func (c *nameCheck) add(what, name string, formerly []string) error {
	problems := []error{checkName(what, name)}
	if c.present[name] {
		problems = append(problems, fmt.Errorf("%s %q is there twice", what, name))
	}
	if c.present == nil {
		c.present = make(map[string]bool)
	}
	c.present[name] = true
	for _, former := range formerly {
		problems = append(problems, checkName(fmt.Sprintf("%s %q: formerly", what, name), former))
		c.former = append(c.former, formerName{name, former})
	}
	return errors.Join(problems...)
}

// formerlies tells which former names cannot be, now that all are known.
func (c *nameCheck) formerlies(what string) error {
	var problems []error
	of := make(map[string]string)
	for _, former := range c.former {
		other, twice := of[former.name]
		switch {
		case c.present[former.name]:
			problems = append(problems, fmt.Errorf("%s %q: formerly %q: that name is configured, so its records are its own",
				what, former.of, former.name))
		case twice && other == former.of:
			problems = append(problems, fmt.Errorf("%s %q: formerly %q is there twice", what, former.of, former.name))
		case twice:
			problems = append(problems, fmt.Errorf("%s %q: formerly %q: it is a former name of %q too; records can go to one",
				what, former.of, former.name, other))
		}
		of[former.name] = former.of
	}
	return errors.Join(problems...)
}

// checkPath refuses paths that could not be matched byte for byte.
func checkPath(what, path string) error {
	if path == "" {
		return nil
	}
	clean := regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)
	if !clean.MatchString(path) {
		return fmt.Errorf("%s %q: a path begins with a slash, does not end with one, and has letters, digits, dots, dashes, "+
			"underscores and tildes", what, path)
	}
	return nil
}

func (p *PlatformConfig) resolve(r *resolver) *platformSettings {
	name := r.text("platform", p.Name)
	s := &platformSettings{
		name: name, formerly: r.texts("platform "+name+": formerly", p.Formerly), versionRequired: p.APIVersionRequired,
	}
	for _, credential := range p.BasicAuth {
		s.basic = append(s.basic, platform.BasicCredential{
			User: r.text("platform "+name+": basic_auth user", credential.User),
			Hash: r.secret("platform "+name+": basic_auth hash", credential.Hash),
		})
	}
	for i, token := range p.JWT {
		if token == nil {
			r.fail("platform %s: jwt %d is null", name, i+1)
			continue
		}
		s.tokens = append(s.tokens, token.resolve(r, "platform "+name))
	}
	s.certificates = r.texts("platform "+name+": client_cert", p.ClientCertificates)
	s.identity = p.resolveIdentity(r, name)
	if p.APIVersion != "" {
		s.minVersion = resolveVersion(r, "platform "+name+": api_version", p.APIVersion)
	}
	if p.DefaultAPIVersion != "" {
		s.defaultVersion = resolveVersion(r, "platform "+name+": default_api_version", p.DefaultAPIVersion).String()
	}
	s.visible = p.Offerings.resolve(r, name)
	switch unknown := r.text("platform "+name+": unknown_instances", p.UnknownInstances); unknown {
	case "", "forward":
	case "reject":
		s.rejectUnknown = true
	default:
		r.fail("platform %s: unknown_instances %q: it is `forward` or `reject`", name, unknown)
	}
	return s
}

func resolveVersion(r *resolver, what, value string) osb.Version {
	text := r.text(what, value)
	version, err := osb.ParseVersion(text)
	if err != nil || version.Major != 2 {
		r.fail("%s %q: a version of the API is written as 2.13", what, text)
	}
	return version
}

func (c *BackendConfig) resolve(r *resolver) *backendSettings {
	name := r.text("backend", c.Name)
	what := "backend " + name
	s := &backendSettings{
		name:           name,
		formerly:       r.texts(what+": formerly", c.Formerly),
		timeout:        r.duration(what+": timeout", c.Timeout, defaultTimeout),
		settle:         r.duration(what+": settle", c.Settle, defaultSettle),
		catalogTimeout: r.duration(what+": catalog_timeout", c.CatalogTimeout, defaultCatalogTimeout),
		maxInFlight:    r.number(what+": max_in_flight", string(c.MaxInFlight), 1, maxMaxInFlight),
		breaker:        c.Breaker.resolve(r, what+": breaker"),
		policy:         c.resolvePolicy(r, name),
	}
	s.maxInFlight = cmp.Or(s.maxInFlight, backend.DefaultMaxInFlight)
	if c.CatalogVersion != "" {
		s.catalogVersion = resolveVersion(r, what+": catalog_version", c.CatalogVersion).String()
	}
	s.synthesizesState = c.resolveStateResponse(r, what+": state_response")
	parsed, err := url.Parse(r.secret(what+": URL", c.URL))
	if err != nil {
		// The error repeats the URL, which may hold a password.
		r.fail("%s: the URL is malformed", what)
	}
	s.url = parsed
	s.credentials = c.resolveCredentials(r, what)
	return s
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// isPlaceholder tells whether a value holds a placeholder. A brace after a backslash is a character as any other.
func isPlaceholder(value string) bool {
	for i := range len(value) {
		if value[i] == '{' && (i == 0 || value[i-1] != '\\') {
			return strings.IndexByte(value[i:], '}') > 0
		}
	}
	return false
}
