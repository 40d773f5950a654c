package backend_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	header := func(name string, values ...string) func(*backend.Config) {
		return func(c *backend.Config) { c.Header = http.Header{name: values} }
	}
	address := func(u url.URL) func(*backend.Config) {
		return func(c *backend.Config) { c.URL = &u }
	}
	for name, test := range map[string]struct {
		edit func(*backend.Config)
		want string
	}{
		"no name":               {func(c *backend.Config) { c.Name = "" }, "name is missing"},
		"no transport":          {func(c *backend.Config) { c.Transport = nil }, "transport is missing"},
		"no URL":                {func(c *backend.Config) { c.URL = nil }, "URL is missing"},
		"other scheme":          {address(url.URL{Scheme: "ftp", Host: "h"}), "http://"},
		"no scheme":             {address(url.URL{Host: "h"}), "http://"},
		"no host":               {address(url.URL{Scheme: "http", Path: "/x"}), "no host"},
		"only a port":           {address(url.URL{Scheme: "http", Host: ":80"}), "no host"},
		"opaque":                {address(url.URL{Scheme: "http", Opaque: "h", Host: "h"}), "no host"},
		"user info":             {address(url.URL{Scheme: "http", Host: "h", User: url.UserPassword("u", "topsecret")}), "user name"},
		"query":                 {address(url.URL{Scheme: "http", Host: "h", RawQuery: "topsecret"}), "query"},
		"empty query":           {address(url.URL{Scheme: "http", Host: "h", ForceQuery: true}), "query"},
		"fragment":              {address(url.URL{Scheme: "http", Host: "h", Fragment: "topsecret"}), "fragment"},
		"two slashes":           {address(url.URL{Scheme: "http", Host: "h", Path: "//x"}), "one slash"},
		"negative limit":        {func(c *backend.Config) { c.MaxCatalogBytes = -1 }, "negative"},
		"catalog version":       {func(c *backend.Config) { c.CatalogVersion = "2" }, "MAJOR.MINOR"},
		"password only":         {func(c *backend.Config) { c.Password = "topsecret" }, "without a user name"},
		"colon in user":         {func(c *backend.Config) { c.User, c.Password = "a:b", "topsecret" }, "colon"},
		"control in password":   {func(c *backend.Config) { c.User, c.Password = "a", "topsecret\n" }, "control"},
		"Authorization":         {header("authorization", "topsecret"), "credentials"},
		"hop-by-hop":            {header("Connection", "close"), "belongs to the connection"},
		"Proxy-Authorization":   {header("Proxy-Authorization", "topsecret"), "belongs to the connection"},
		"Transfer-Encoding":     {header("Transfer-Encoding", "chunked"), "belongs to the connection"},
		"Content-Length":        {header("Content-Length", "1"), "belongs to the connection"},
		"Content-Encoding":      {header("Content-Encoding", "gzip"), "belongs to the connection"},
		"Accept-Encoding":       {header("Accept-Encoding", "gzip"), "belongs to the connection"},
		"of the protocol":       {header("X-Broker-API-Version", "2.17"), "come from the platform"},
		"of gateways":           {header("x-osb-gateway-path", "g-1"), "the gateway sets it"},
		"not a name":            {header("a b", "c"), "not a header name"},
		"no name of header":     {header("", "c"), "not a header name"},
		"no value":              {header("X-A"), "value is missing"},
		"two rows":              {header("X-A", "topsecret\r\nX-B: c"), "control characters"},
		"two hosts":             {header("Host", "a", "b"), "one host name"},
		"host with a path":      {header("Host", "a/b"), "one host name"},
		"host with credentials": {header("Host", "a:topsecret@b"), "one host name"},
		"empty host":            {header("Host", ""), "one host name"},
		"no calls at all":       {func(c *backend.Config) { c.MaxInFlight = -1 }, "max_in_flight"},
		"failures below none":   {func(c *backend.Config) { c.Breaker.Failures = -1 }, "breaker"},
		"breaker without time":  {func(c *backend.Config) { c.Breaker.Failures = 1 }, "breaker"},
		"two credentials": {
			func(c *backend.Config) { c.User, c.Password, c.Bearer = "u", "topsecret", "topsecret" }, "more than one kind",
		},
		"bearer of two words":     {func(c *backend.Config) { c.Bearer = "topsecret more" }, "bearer token"},
		"bearer of other letters": {func(c *backend.Config) { c.Bearer = "töpsecret" }, "bearer token"},
		"token and basic": {func(c *backend.Config) {
			c.User, c.Password = "u", "topsecret"
			c.Token = tokensFrom("http://h", backend.Grant{})
		}, "more than one kind"},
		"token server without URL": {func(c *backend.Config) { c.Token = new(backend.TokenConfig) }, "token URL is missing"},
		"token server of ftp":      {tokenURL("ftp://h"), "http://"},
		"token server nowhere":     {tokenURL("http:///x"), "no host"},
		"token server with user":   {tokenURL("http://u:topsecret@h"), "user name"},
		"token server in part":     {tokenURL("http://h#topsecret"), "fragment"},
		"token server without transport": {func(c *backend.Config) {
			c.Token = tokensFrom("http://h", backend.Grant{})
			c.Token.Transport = nil
		}, "transport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := backend.Config{
				Name: "mysql", URL: &url.URL{Scheme: "https", Host: "broker.example.com"}, Transport: http.DefaultTransport,
			}
			test.edit(&c)
			b, err := backend.New(c)
			if err == nil {
				t.Fatalf("got %v, want an error", b)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error: got %q, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error shows what may be secret: %q", err)
			}
		})
	}
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := backend.New(backend.Config{})
	for _, want := range []string{"name is missing", "transport is missing", "URL is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error: got %v, want %q in it", err, want)
		}
	}
}

func TestNewKeepsItsOwnCopies(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	header := http.Header{"X-A": {"b"}}
	var u *url.URL
	b := newBackend(t, address, func(c *backend.Config) { c.Header = header; u = c.URL })
	header["X-A"][0] = "changed"
	header.Set("X-C", "d")
	u.Host = "broker.invalid"
	if _, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if h := <-got; h.Get("X-A") != "b" || h.Get("X-C") != "" {
		t.Errorf("a change to the configuration reached the backend: %v", h)
	}
}

// However a configuration, a backend or an error is printed, secrets are not among it.
func TestPrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	config := backend.Config{
		Name: "mysql", URL: &url.URL{Scheme: "http", Host: "broker.invalid", Path: "/base"},
		Secrets: backend.Secrets{
			User: "gateway", Password: "topsecret", Header: http.Header{"X-Api-Key": {"topsecret"}},
		},
		Transport: roundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, errors.New(`malformed HTTP response "Authorization: Basic Z2F0ZXdheTp0b3BzZWNyZXQ= topsecret"`)
		}),
	}
	b, err := backend.New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, failure := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Query: "token=topsecret"})
	withUser := config
	withUser.URL = &url.URL{Scheme: "http", User: url.UserPassword("u", "topsecret"), Host: "h", RawQuery: "topsecret"}

	for _, value := range []any{config, &config, withUser, b, failure} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if format == "%#v" && value == any(failure) {
				continue // shows the wrapped error, which nobody prints
			}
			text := fmt.Sprintf(format, value)
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
			for _, out := range []string{text, log.String()} {
				if strings.Contains(out, "topsecret") || strings.Contains(out, "Z2F0ZXdheTp0b3BzZWNyZXQ") {
					t.Errorf("%T printed with %s shows a secret: %s", value, format, out)
				}
				if !strings.Contains(out, "mysql") {
					t.Errorf("%T printed with %s does not name the backend: %s", value, format, out)
				}
			}
		}
	}
	if got, want := b.String(), `backend "mysql" (http://broker.invalid/base)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := b.Name(); got != "mysql" {
		t.Errorf("name: got %q", got)
	}
	if got := backend.Kind(99).String(); got != "unknown" {
		t.Errorf("unknown kind: got %q", got)
	}
	if got := (&backend.Error{Backend: "mysql", Kind: backend.Failed}).Error(); got != `backend "mysql": failed: no cause given` {
		t.Errorf("error without a cause: got %q", got)
	}
}
