package caddymodule

import (
	"cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// resolve checks a breaker's configuration; nil stands for the defaults.
func (c *BreakerConfig) resolve(r *resolver, what string) backend.BreakerConfig {
	s := backend.BreakerConfig{Failures: backend.DefaultBreakerFailures, Open: backend.DefaultBreakerOpen}
	switch {
	case c == nil:
		return s
	case c.Off && (c.Failures != "" || c.Open != ""):
		r.fail("%s: it is off, or it has failures and a time", what)
	case c.Off:
		return backend.BreakerConfig{}
	}
	s.Failures = cmp.Or(r.number(what+": failures", string(c.Failures), 1, maxBreakerFailures), s.Failures)
	s.Open = r.duration(what+": open", c.Open, s.Open)
	return s
}

const (
	maxMaxInFlight     = 1 << 20
	maxBreakerFailures = 1 << 20
)

func (c *BackendConfig) parseBreaker(b *block) error {
	c.Breaker = new(BreakerConfig)
	if err := b.first((*string)(&c.Breaker.Failures)); err != nil {
		return err
	}
	if c.Breaker.Failures == "off" {
		c.Breaker = &BreakerConfig{Off: true}
		return b.end()
	}
	if !b.d.NextArg() {
		return b.tooFew()
	}
	c.Breaker.Open = Duration(b.d.Val())
	if err := b.noneEmpty(b.d.Val()); err != nil {
		return err
	}
	return b.end()
}
