// Package backend is one downstream broker: its address and credentials, and the exchange of one request for one whole,
// bounded answer over a RoundTripper that it is given. It knows no operations and no records. What it guarantees is
// that bytes arrive as they were sent, that no secret of one side reaches the other, that a request is never sent twice
// where that could matter, and that an error says whether the broker can have seen the request.
package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// Limits and settings that hold where a Config leaves them out.
const (
	// DefaultMaxResponseBytes bounds the body of an answer.
	DefaultMaxResponseBytes int64 = 8 << 20
	// DefaultMaxCatalogBytes bounds a catalog: hundreds of plans with schemas of up to 64 kB each.
	DefaultMaxCatalogBytes int64 = 32 << 20
	// DefaultCatalogVersion is the protocol version announced when the gateway fetches a catalog for itself.
	DefaultCatalogVersion = "2.17"
)

// Config describes a backend. It is printed without its secrets.
type Config struct {
	// Name is how errors call the backend.
	Name string
	// URL is the address of the broker: http or https, without user info, query or fragment. It may have a path, which
	// the paths of requests are appended to; a slash at its end makes no difference.
	URL *url.URL
	// Secrets are the fixed credentials and headers.
	Secrets
	// Reread, if set, reads the secrets again: at most every ten seconds, when the broker answers 401. An error leaves
	// them as they are.
	Reread func() (Secrets, error)
	// Token, if set, is where tokens come from that requests are authenticated with, in place of fixed credentials.
	Token *TokenConfig
	// MaxInFlight is how many calls may be open at a time; 0 means any number. Fetches of the catalog do not count.
	MaxInFlight int64
	// Breaker says when the broker is left alone.
	Breaker BreakerConfig
	// Inject, if set, adds what a request carries for its context, such as trace headers. It is called for each sending
	// with a header of its own; credentials and fixed headers are set after it.
	Inject func(ctx context.Context, header http.Header)
	// Mark, if set, returns how this gateway knows its own requests again. Catalogs are asked for with it, so that one
	// that comes from this gateway itself, however far round, is noticed.
	Mark func() string
	// MaxResponseBytes bounds the body of an answer, MaxCatalogBytes that of a catalog. 0 means the default.
	MaxResponseBytes, MaxCatalogBytes int64
	// CatalogVersion is announced when a catalog is fetched; "" means the default.
	CatalogVersion string
	// Transport carries the requests. It must report connections to net/http/httptrace, as http.Transport does: without
	// that, only plain dial and certificate errors count as "not reached".
	Transport http.RoundTripper
	// Direct says that the transport does nothing which a plain connection does not do: no proxy, no TLS, no limits of
	// its own. Small requests to an http URL are then sent without it, which is faster.
	Direct bool
}

// Backend is one downstream broker. It is safe for concurrent use. Close it when it is not used any more.
type Backend struct {
	name             string
	scheme, address  string
	basePath         string // escaped, without a slash at its end
	credentials      credentials
	inject           func(context.Context, http.Header)
	maxResponseBytes int64
	maxCatalogBytes  int64
	catalogVersion   []string
	transport        http.RoundTripper
	mark             func() string
	// gateways are those that the last good catalog came from.
	gateways    atomic.Pointer[[]string]
	direct      *direct // nil where everything takes the transport
	maxInFlight int64
	inFlight    atomic.Int64
	breaker     breaker
}

// New checks a configuration and returns its backend. It dials nothing. The error joins everything that is wrong and
// repeats no values that might be secret.
func New(c Config) (*Backend, error) {
	b := &Backend{
		name:             c.Name,
		inject:           c.Inject,
		maxResponseBytes: c.MaxResponseBytes,
		maxCatalogBytes:  c.MaxCatalogBytes,
		transport:        c.Transport,
		mark:             c.Mark,
		maxInFlight:      c.MaxInFlight,
	}
	b.breaker.BreakerConfig = c.Breaker
	var problems []error
	if c.Name == "" {
		problems = append(problems, errors.New("a name is missing"))
	}
	if c.Transport == nil {
		problems = append(problems, errors.New("a transport is missing"))
	}
	if c.MaxResponseBytes < 0 || c.MaxCatalogBytes < 0 {
		problems = append(problems, errors.New("size limits must not be negative"))
	}
	if c.MaxInFlight < 0 || c.Breaker.Failures < 0 || c.Breaker.Failures > 0 && c.Breaker.Open <= 0 {
		problems = append(problems, errors.New("max_in_flight and the breaker's limits must not be negative"))
	}
	if b.maxResponseBytes == 0 {
		b.maxResponseBytes = DefaultMaxResponseBytes
	}
	if b.maxCatalogBytes == 0 {
		b.maxCatalogBytes = DefaultMaxCatalogBytes
	}
	problems = append(problems, b.setURL(c.URL), b.setCredentials(&c), b.setCatalogVersion(c.CatalogVersion))
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("backend %q: %w", c.Name, err)
	}
	if c.Direct && canBeDirect && b.scheme == "http" && isPlainAddress(b.address) {
		b.direct = newDirect(b.address)
	}
	return b, nil
}

func (b *Backend) setURL(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("a URL is missing")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL must begin with http:// or https://")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL must not hold a user name or password; configure them as credentials")
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("the URL must not have a query")
	case u.Fragment != "":
		return errors.New("the URL must not have a fragment")
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path != "" {
		if err := checkPath(path); err != nil {
			return fmt.Errorf("the URL's %w", err)
		}
	}
	b.scheme, b.address, b.basePath = u.Scheme, u.Host, path
	return nil
}

// isPlainAddress tells whether a host is written as it is sent: names beyond ASCII and zones of addresses are not.
func isPlainAddress(address string) bool {
	return !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '%' })
}

func (b *Backend) setCredentials(c *Config) error {
	f, err := newFixed(c.Secrets)
	b.credentials.fixed.Store(f)
	b.credentials.reread = c.Reread
	if c.Token == nil {
		return err
	}
	if f.authorization != nil {
		err = errors.Join(err, errTwoCredentials)
	}
	server, problem := newTokenServer(c.Token)
	if problem != nil {
		return errors.Join(err, problem)
	}
	b.credentials.tokens = newTokens(server.fetch, c.Token.Noted)
	return err
}

func (b *Backend) setCatalogVersion(version string) error {
	if version == "" {
		version = DefaultCatalogVersion
	}
	if _, err := osb.ParseVersion(version); err != nil {
		return errors.New("the catalog version must be MAJOR.MINOR, such as 2.17")
	}
	b.catalogVersion = []string{version}
	return nil
}

// Name returns the name of the backend.
func (b *Backend) Name() string { return b.name }

// Gateways returns the marks of the gateways that the last good catalog came from; none for an ordinary broker.
func (b *Backend) Gateways() []string {
	if marks := b.gateways.Load(); marks != nil {
		return *marks
	}
	return nil
}

// String returns the name and the address of the backend.
func (b *Backend) String() string {
	return fmt.Sprintf("backend %q (%s://%s%s)", b.name, b.scheme, b.address, b.basePath)
}

// GoString is String: the fields hold credentials.
func (b *Backend) GoString() string { return b.String() }

// LogValue is String: the fields hold credentials.
func (b *Backend) LogValue() slog.Value { return slog.StringValue(b.String()) }

// String returns the configuration without its secrets: of the headers only the names, no password, and an address
// without user info or query.
func (c Config) String() string {
	address := "no URL"
	if c.URL != nil {
		address = c.URL.Scheme + "://" + c.URL.Host + c.URL.EscapedPath()
	}
	return fmt.Sprintf("backend %q (%s, user %q, headers %q)", c.Name, address, c.User,
		slices.Sorted(maps.Keys(c.Header)))
}

// GoString is String, so that no way of printing shows the secrets.
func (c Config) GoString() string { return c.String() }

// LogValue is String, so that a structured log does not show the secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
