package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// defaultLeeway is how much the clocks of an issuer and the gateway may differ.
const defaultLeeway = 30 * time.Second

// JWTConfig says which JSON Web Tokens of one issuer stand for a platform. Any value may hold placeholders.
type JWTConfig struct {
	// What a token's `iss` must be, to the letter. A platform has one entry for an issuer.
	Issuer string `json:"issuer"`
	// Where the issuer's keys are found: a JSON Web Key Set by https, or by http on this machine. Use this or `key_file`.
	JWKSURL string `json:"jwks_url,omitempty"`
	// A PEM file with the issuer's public keys or certificates. It is read again when it changes.
	KeyFile string `json:"key_file,omitempty"`
	// A bearer token to fetch the keys with, as the Kubernetes API wants it. Take it from a placeholder such as
	// `{file./var/run/secrets/kubernetes.io/serviceaccount/token}`: it is read again for each fetch.
	JWKSToken string `json:"jwks_token,omitempty"`
	// Caddy's transport to the keys, for the certificate authority of their host. Default: Caddy's `http` transport.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`
	// Audiences of which a token must have one. Where an issuer names none, leave this out and `require` an `iam_id` or
	// `sub`.
	Audience []string `json:"audience,omitempty"`
	// The algorithms that tokens may be signed with. Default: `RS256` and `ES256`.
	Algorithms []string `json:"algorithms,omitempty"`
	// What else a token must say; all of it.
	Require []RequireConfig `json:"require,omitempty"`
	// How much clocks may differ. Default: `30s`.
	Leeway Duration `json:"leeway,omitempty"`
}

// RequireConfig is a condition on a claim of a token.
type RequireConfig struct {
	// The name of a claim, or a JSON pointer such as `/account/bss`.
	Claim string `json:"claim"`
	// What the claim may be. Of an array one member must be one of these. Numbers, true and false are compared as they
	// are written in JSON.
	Values []string `json:"values"`
}

func (p *PlatformConfig) parseJWT(b *block) error {
	c := new(JWTConfig)
	if err := b.args(&c.Issuer); err != nil {
		return err
	}
	if slices.ContainsFunc(p.JWT, func(other *JWTConfig) bool { return other.Issuer == c.Issuer }) {
		return b.d.Errf("jwt %q is there twice", c.Issuer)
	}
	p.JWT = append(p.JWT, c)
	return b.each(c.parse)
}

func (c *JWTConfig) parse(b *block) error {
	switch b.name {
	case "jwks_url":
		return b.once(&c.JWKSURL)
	case "key_file":
		return b.once(&c.KeyFile)
	case "jwks_token":
		return b.once(&c.JWKSToken)
	case "transport":
		return b.unlessSeen(func() error { return parseTransport(b, &c.TransportRaw) })
	case "audience":
		return b.list(&c.Audience)
	case "algorithms":
		return b.list(&c.Algorithms)
	case "require":
		return c.parseRequire(b)
	case "leeway":
		return b.once((*string)(&c.Leeway))
	}
	return b.unknown()
}

func (c *JWTConfig) parseRequire(b *block) error {
	arguments := b.d.RemainingArgs()
	if len(arguments) < 2 {
		return b.tooFew()
	}
	if err := b.noneEmpty(arguments...); err != nil {
		return err
	}
	c.Require = append(c.Require, RequireConfig{Claim: arguments[0], Values: arguments[1:]})
	return nil
}

// tokenSettings is a JWTConfig with its placeholders resolved.
type tokenSettings struct {
	platform.TokenRule
	// written is what a token to fetch keys with is found by.
	written string
}

func (c *JWTConfig) resolve(r *resolver, of string) *tokenSettings {
	s := &tokenSettings{written: c.JWKSToken}
	s.Issuer = r.text(of+": jwt", c.Issuer)
	what := of + ": jwt " + s.Issuer
	s.Keys.URL = r.secret(what+": jwks_url", c.JWKSURL)
	s.Keys.File = r.text(what+": key_file", c.KeyFile)
	s.Audience = r.texts(what+": audience", c.Audience)
	s.Algorithms = r.texts(what+": algorithms", c.Algorithms)
	if len(s.Algorithms) == 0 {
		s.Algorithms = platform.DefaultAlgorithms()
	}
	for _, require := range c.Require {
		claim := r.text(what+": require", require.Claim)
		s.Require = append(s.Require, platform.Requirement{
			Claim: claim, Values: r.texts(what+": require "+claim, require.Values),
		})
	}
	s.Leeway = r.duration(what+": leeway", c.Leeway, defaultLeeway)
	if s.Leeway > maxLeeway {
		r.fail("%s: leeway: %s is more than %s: tokens would outlive their end by as much", what, s.Leeway, maxLeeway)
	}
	if c.JWKSToken != "" {
		r.secret(what+": jwks_token", c.JWKSToken) // what it is now does not matter, only that it is there
	}
	if c.KeyFile != "" && (c.JWKSToken != "" || len(c.TransportRaw) > 0) {
		r.fail("%s: `jwks_token` and `transport` are for a `jwks_url`, not for a `key_file`", what)
	}
	return s
}

// maxLeeway bounds what may be configured.
const maxLeeway = 10 * time.Minute

// tokenRule makes a rule of its settings, with Caddy's transport to the keys.
func (rt *runtime) tokenRule(ctx caddy.Context, config *JWTConfig, s *tokenSettings) (platform.TokenRule, error) {
	rule := s.TokenRule
	rule.Keys.Report = rt.noteKeys
	if rule.Keys.URL == "" {
		return rule, nil
	}
	rule.Keys.Over = string(config.TransportRaw) // which is gone once it is loaded
	transport, err := loadTransport(ctx, config, config.TransportRaw)
	if err != nil {
		return rule, fmt.Errorf("jwt %s: loading transport: %w", rule.Issuer, err)
	}
	rule.Keys.Transport = fetchTransport{RoundTripper: transport, rt: rt, span: telemetry.SpanKeysFetch}
	if s.written != "" {
		rule.Keys.Token = func() (string, error) { return readKeysToken(s.written) }
	}
	return rule, nil
}

// readKeysToken resolves the token to fetch keys with anew: a file may hold another one by now.
func readKeysToken(written string) (string, error) {
	r := newResolver()
	token := r.secret("jwks_token", written)
	return token, errors.Join(r.problems...)
}
