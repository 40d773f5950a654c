package caddymodule

import (
	"slices"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// The words of `identity`.
const (
	identityLenient  = "lenient"
	identityRequired = "required"
	identityStrict   = "strict"
)

// identityRule is what a platform's originating identities must be.
type identityRule struct {
	// required: there must be one that can be read. strict: it must be of the platform of the body's context, too.
	required, strict bool
	// platform is the one that it must name; empty for any.
	platform string
}

func (p *PlatformConfig) parseIdentity(b *block) error {
	if err := b.first(&p.Identity); err != nil {
		return err
	}
	words := []string{identityLenient, identityRequired, identityStrict}
	if !slices.Contains(words, p.Identity) && !isPlaceholder(p.Identity) {
		return b.d.Errf("identity is lenient, required or strict, not %q", p.Identity)
	}
	return b.optional(&p.IdentityPlatform)
}

func (p *PlatformConfig) resolveIdentity(r *resolver, name string) identityRule {
	rule := identityRule{platform: r.text("platform "+name+": identity", p.IdentityPlatform)}
	switch word := r.text("platform "+name+": identity", p.Identity); word {
	case "", identityLenient:
		if rule.platform != "" {
			r.fail("platform %s: identity lenient takes no platform, because it refuses nothing; use `required` or `strict`", name)
		}
	case identityRequired:
		rule.required = true
	case identityStrict:
		rule.required, rule.strict = true, true
	default:
		r.fail("platform %s: identity %q: it is `lenient`, `required` or `strict`", name, word)
	}
	return rule
}

// readIdentity decodes on whose behalf the platform calls. One that is missing or cannot be read is no trouble, unless
// the platform demands it of calls that create or change something. Deletions are not among them: when platforms clean
// up after a failed create, they act on nobody's behalf. Nor are IBM Cloud's state calls, which come without one.
func (c *call) readIdentity() error {
	values := c.r.Header.Values(osb.HeaderOriginatingIdentity)
	var err error
	if len(values) == 1 && values[0] != "" { // of several nobody knows which one the broker goes by
		c.identity, err = osb.ParseIdentity(values[0])
	}
	c.identity.User = c.rt.identityLog.show(c.identity.User)
	rule := c.platform.identity
	switch {
	case !rule.required || !demandsIdentity[c.path.Operation]:
		return nil
	case len(values) > 1:
		return identityError("is there more than once")
	case len(values) == 0 || values[0] == "":
		return identityError("is missing; this broker requires it")
	case err != nil:
		return err
	case rule.platform != "" && c.identity.Platform != rule.platform:
		return identityError("must be one of the platform " + rule.platform)
	}
	return nil
}

// checkContext compares the platform of the originating identity with the one that the body's context names. Where that
// names none, there is nothing to compare.
func (c *call) checkContext() error {
	named := c.fields.Context.Platform
	demanded := c.platform.identity.strict && demandsIdentity[c.path.Operation]
	if demanded && named != "" && named != c.identity.Platform {
		return identityError("is of another platform than the context of the request")
	}
	return nil
}

// demandsIdentity are the operations for which an identity can be demanded.
var demandsIdentity = map[osb.Operation]bool{osb.Provision: true, osb.Update: true, osb.Bind: true}

func identityError(problem string) error {
	return &osb.RequestError{
		Kind: osb.KindIdentityRequired, Description: "The header " + osb.HeaderOriginatingIdentity + " " + problem + ".",
	}
}
