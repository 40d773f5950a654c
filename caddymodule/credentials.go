package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// credentialSettings are how the gateway authenticates to a backend.
type credentialSettings struct {
	secrets backend.Secrets
	// reread reads the secrets again; nil where they cannot have changed.
	reread func() (backend.Secrets, error)
	// tokenURL is where tokens come from, and grant what they are asked for with; nil without tokens.
	tokenURL *url.URL
	grant    func() (backend.Grant, error)
	// kind is what an operator calls them.
	kind string
	// written is the configuration of the tokens, to know after a reload whether it is the same.
	written string
}

// kinds are the credentials that a backend is configured with.
func (c *BackendConfig) credentialKinds() []string {
	var kinds []string
	for _, kind := range [...]struct {
		name string
		has  bool
	}{
		{"basic_auth", c.BasicAuth != nil},
		{"bearer_token", c.BearerToken != ""},
		{"oauth2", c.OAuth2 != nil},
		{"ibm_iam", c.IBMIAM != nil},
	} {
		if kind.has {
			kinds = append(kinds, kind.name)
		}
	}
	return kinds
}

func (c *BackendConfig) resolveCredentials(r *resolver, what string) credentialSettings {
	s := credentialSettings{kind: "none"}
	switch kinds := c.credentialKinds(); len(kinds) {
	case 0:
	case 1:
		s.kind = kinds[0]
	default:
		r.fail("%s: %s: a backend has one kind of credentials; remove the others", what, strings.Join(kinds, ", "))
		return s
	}
	s.secrets = c.resolveSecrets(r, what)
	if c.readsFiles() {
		s.reread = func() (backend.Secrets, error) {
			again := newResolver()
			secrets := c.resolveSecrets(again, what)
			return secrets, errors.Join(again.problems...)
		}
	}
	if c.OAuth2 == nil && c.IBMIAM == nil {
		return s
	}
	grant := c.resolveGrant(r, what) // to see that it can be
	s.grant = func() (backend.Grant, error) {
		again := newResolver()
		grant := c.resolveGrant(again, what)
		return grant, errors.Join(again.problems...)
	}
	address := backend.DefaultIAMURL
	if c.OAuth2 != nil {
		address = r.secret(what+": oauth2: token URL", c.OAuth2.TokenURL)
	} else if c.IBMIAM.URL != "" {
		address = r.secret(what+": ibm_iam: URL", c.IBMIAM.URL)
	}
	var err error
	if s.tokenURL, err = url.Parse(address); err != nil {
		r.fail("%s: the token URL is malformed", what) // the error repeats it
	}
	for _, scope := range grant.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\r\n") {
			r.fail("%s: oauth2: scopes: a scope has no spaces; write each as an argument of its own", what)
		}
	}
	written, _ := json.Marshal([]any{c.OAuth2, c.IBMIAM}) // they are strings
	s.written = string(written)
	return s
}

// resolveSecrets reads the fixed credentials and headers.
func (c *BackendConfig) resolveSecrets(r *resolver, what string) backend.Secrets {
	s := backend.Secrets{Header: make(http.Header)}
	if c.BasicAuth != nil {
		if c.BasicAuth.User == "" || c.BasicAuth.Password == "" {
			r.fail("%s: basic_auth needs a user name and a password", what)
		}
		s.User = r.text(what+": basic_auth user", c.BasicAuth.User)
		s.Password = r.secret(what+": basic_auth password", c.BasicAuth.Password)
	}
	if c.BearerToken != "" {
		s.Bearer = r.secret(what+": bearer_token", c.BearerToken)
	}
	for _, header := range c.Headers {
		s.Header.Add(r.text(what+": header", header.Name), r.secret(what+": header "+header.Name, header.Value))
	}
	return s
}

// resolveGrant reads what tokens are asked for with.
func (c *BackendConfig) resolveGrant(r *resolver, what string) backend.Grant {
	if c.OAuth2 == nil {
		if c.IBMIAM.APIKey == "" {
			r.fail("%s: ibm_iam needs an API key", what)
		}
		return backend.Grant{APIKey: r.secret(what+": ibm_iam API key", c.IBMIAM.APIKey)}
	}
	if c.OAuth2.TokenURL == "" || c.OAuth2.ClientID == "" || c.OAuth2.ClientSecret == "" {
		r.fail("%s: oauth2 needs a token URL and a `client` with an id and a secret", what)
	}
	return backend.Grant{
		ClientID:     r.text(what+": oauth2 client id", c.OAuth2.ClientID),
		ClientSecret: r.secret(what+": oauth2 client secret", c.OAuth2.ClientSecret),
		Scopes:       r.texts(what+": oauth2 scopes", c.OAuth2.Scopes),
	}
}

// readsFiles tells whether a secret comes from a file, which may be another one tomorrow.
func (c *BackendConfig) readsFiles() bool {
	values := []string{c.BearerToken}
	if c.BasicAuth != nil {
		values = append(values, c.BasicAuth.User, c.BasicAuth.Password)
	}
	for _, header := range c.Headers {
		values = append(values, header.Value)
	}
	return strings.Contains(strings.Join(values, " "), "{file.")
}

// parseCredentials reads one of the subdirectives that say how to authenticate, of which a backend has one.
func (c *BackendConfig) parseCredentials(b *block) error {
	for _, other := range c.credentialKinds() {
		if other != b.name {
			return b.d.Errf("%s stands beside %s: a backend has one kind of credentials; remove one", b.name, other)
		}
	}
	return b.unlessSeen(func() error {
		switch b.name {
		case "bearer_token":
			return b.args(&c.BearerToken)
		case "oauth2":
			c.OAuth2 = new(OAuth2Config)
			if err := b.args(&c.OAuth2.TokenURL); err != nil {
				return err
			}
			return c.OAuth2.parse(b)
		case "ibm_iam":
			c.IBMIAM = new(IBMIAMConfig)
			if err := b.first(&c.IBMIAM.APIKey); err != nil {
				return err
			}
			return b.optional(&c.IBMIAM.URL)
		}
		c.BasicAuth = new(BackendBasicAuthConfig)
		return b.args(&c.BasicAuth.User, &c.BasicAuth.Password)
	})
}

func (c *OAuth2Config) parse(b *block) error {
	err := b.each(func(b *block) error {
		switch b.name {
		case "client":
			return b.unlessSeen(func() error { return b.args(&c.ClientID, &c.ClientSecret) })
		case "scopes":
			return b.list(&c.Scopes)
		}
		return b.unknown()
	})
	if err == nil && c.ClientID == "" {
		return b.d.Errf("oauth2 lacks a `client` with an id and a secret")
	}
	return err
}

// rereads has the secrets of a backend read again, and says in the log when they were.
func (rt *runtime) rereads(s *backendSettings) func() (backend.Secrets, error) {
	if s.credentials.reread == nil {
		return nil
	}
	logger := rt.logger.With(zap.String("gateway", rt.name), zap.String("backend", s.name))
	return func() (backend.Secrets, error) {
		secrets, err := s.credentials.reread()
		if err != nil {
			logger.Error("a backend refuses its credentials, and they cannot be read again; the old ones stay", zap.Error(err))
			return secrets, err
		}
		logger.Info("a backend refuses its credentials; they were read again")
		return secrets, nil
	}
}

// tokenConfig says where a backend's tokens come from; nil where it has none. Token servers are reached with Caddy's
// own transport and its defaults: the backend's is for the broker, with its certificates and its addresses.
func (rt *runtime) tokenConfig(ctx caddy.Context, s *backendSettings) (*backend.TokenConfig, error) {
	if s.credentials.grant == nil {
		return nil, nil //nolint:nilnil // there is nothing to be had
	}
	transport, err := loadTransport(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	return &backend.TokenConfig{
		URL: s.credentials.tokenURL, Grant: s.credentials.grant, Noted: rt.notesToken(s.name),
		Transport: fetchTransport{
			RoundTripper: transport, rt: rt, span: telemetry.SpanTokenFetch,
			about: []attribute.KeyValue{telemetry.KeyBackend.String(s.name)},
		},
	}, nil
}

func (c *BackendConfig) resolveStateResponse(r *resolver, what string) (synthesize bool) {
	switch response := r.text(what, c.StateResponse); response {
	case "", "relay":
	case "synthesize":
		return true
	default:
		r.fail("%s %q: it is `relay` or `synthesize`", what, response)
	}
	return false
}
