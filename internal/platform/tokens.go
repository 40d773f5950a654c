package platform

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errTwoRules = errors.New("the issuer is there twice; several values of one `require` stand for any of them")

// addTokens takes over the token rules of a platform.
func (a *Authenticator) addTokens(p Platform) error {
	var problems []error
	for _, r := range p.Tokens {
		rule, err := newTokenRule(p.Name, r)
		for _, other := range a.tokens[r.Issuer] {
			switch {
			case other.platform == p.Name:
				err = errors.Join(err, errTwoRules)
			case err == nil && (other.covers(rule) || rule.covers(other)):
				err = fmt.Errorf("tokens that match would match platform %q too: tell the two apart with `require` or `audience`",
					other.platform)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("platform %q, jwt %s: %w", p.Name, r.Issuer, err))
		}
		a.tokens[r.Issuer] = append(a.tokens[r.Issuer], rule)
	}
	return errors.Join(problems...)
}

// bearer returns the platform that a token stands for. Which rules count is told by its issuer alone, before any key is
// looked up, so that the key of one issuer is never good for the tokens of another. A token whose keys are at hand waits
// for nobody.
func (a *Authenticator) bearer(ctx context.Context, raw string) (platform string, err error) {
	if len(raw) > maxTokenBytes {
		return "", refused("the token is too long")
	}
	now := time.Now()
	mac := a.verifier.digest(raw)
	if rule, known := a.verified.get(mac, now); known {
		return rule.platform, nil
	}
	t, err := parseToken(raw)
	if err != nil {
		return "", err
	}
	rules := a.tokens[t.issuer]
	if len(rules) == 0 {
		return "", refused("the token is of an issuer that is not configured")
	}
	found, entry, err := match(rules, t, now)
	if len(found) == 0 && err != nil {
		found, entry, err = matchAgain(ctx, rules, t, err)
	}
	switch len(found) {
	case 0:
		return "", err
	case 1:
		a.verified.put(mac, entry, now)
		return found[0], nil
	}
	return "", &ConflictError{What: "token", Platforms: found}
}

// match holds a token against rules. It returns the platforms that match, with what is to be remembered of one of them,
// and, if there is none, why.
func match(rules []*tokenRule, t *token, now time.Time) (platforms []string, entry verifiedToken, err error) {
	verdicts := make([]verdict, len(rules))
	for i, rule := range rules {
		verdicts[i] = rule.check(t, now)
		err = weightier(err, verdicts[i].err)
	}
	for i, rule := range rules {
		v := verdicts[i]
		if v.unknownKey {
			v = rule.checkWithKeysOf(rules, verdicts, t, now)
		}
		if v.err == nil {
			platforms = append(platforms, rule.platform)
			entry = verifiedToken{rule: rule, keys: v.keys, until: v.until}
		}
	}
	return platforms, entry, err
}

// checkWithKeysOf checks a token, whose key the rule does not have, with the keys that another rule found it to be signed
// with, if those are of the same source: this rule has them in a moment, and the token may match both even now.
func (r *tokenRule) checkWithKeysOf(rules []*tokenRule, verdicts []verdict, t *token, now time.Time) verdict {
	for i, other := range rules {
		if verdicts[i].err == nil && other.keys.name == r.keys.name {
			return r.checkWith(verdicts[i].keys, t, now)
		}
	}
	return verdict{err: ErrUndecided}
}

// weightier returns the error that says more of why no rule matches: that one could not be judged, or what is wrong with
// a token whose key is known.
func weightier(a, b error) error {
	if a == nil || errors.Is(b, ErrUndecided) {
		return b
	}
	return a
}

// matchAgain has the keys looked at again that a token would need, and holds it against the rules once more.
func matchAgain(
	ctx context.Context, rules []*tokenRule, t *token, before error,
) (platforms []string, entry verifiedToken, err error) {
	var open []*tokenRule
	for _, rule := range rules {
		if rule.check(t, time.Now()).unknownKey {
			open = append(open, rule)
		}
	}
	looked := make([]bool, len(open))
	for i, rule := range open {
		if looked[i], err = rule.keys.demand(ctx, t.keyID); err != nil {
			return nil, verifiedToken{}, err
		}
	}
	if len(open) == 0 {
		return nil, verifiedToken{}, before
	}
	now := time.Now()
	platforms, entry, err = match(rules, t, now)
	if len(platforms) > 0 {
		return platforms, entry, nil
	}
	for i, rule := range open {
		if v := rule.check(t, now); v.unknownKey && !rule.keys.missing(t.keyID, looked[i]) {
			err = ErrUndecided
		}
	}
	return nil, verifiedToken{}, err
}

// allRules are the token rules of all platforms.
func (a *Authenticator) allRules() []*tokenRule {
	var rules []*tokenRule
	for _, of := range a.tokens {
		rules = append(rules, of...)
	}
	return rules
}

// Run keeps the keys of all issuers up to date until ctx ends.
func (a *Authenticator) Run(ctx context.Context, background *sync.WaitGroup) {
	for _, rule := range a.allRules() {
		background.Go(func() { rule.keys.run(ctx) })
	}
}

// Close ends what is under way. Calls that need keys which are not there are refused from then on.
func (a *Authenticator) Close() {
	for _, rule := range a.allRules() {
		rule.keys.close()
	}
}

// Challenges are the values of WWW-Authenticate for whoever has no right credentials (RFC 9110, 11.6.1).
func (a *Authenticator) Challenges() []string {
	challenges := []string{`Basic realm="osb-gateway", charset="UTF-8"`}
	if len(a.tokens) > 0 {
		challenges = append(challenges, `Bearer realm="osb-gateway"`)
	}
	return challenges
}
