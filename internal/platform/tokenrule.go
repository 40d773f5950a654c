package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenRule says which tokens of one issuer stand for a platform.
type TokenRule struct {
	// Issuer is what a token's iss must be, exactly. A platform has one rule for an issuer.
	Issuer string
	// Keys are the issuer's.
	Keys KeySource
	// Audience are the audiences of which a token must have one. Without any, Require must tell whom the token is of.
	Audience []string
	// Algorithms are those that a token may be signed with.
	Algorithms []string
	// Require are what else must be; all of it.
	Require []Requirement
	// Leeway is how much clocks may differ.
	Leeway time.Duration
}

// KeySource says where the keys of an issuer are found: at a URL or in a file.
type KeySource struct {
	// URL is that of a JSON Web Key Set.
	URL string
	// Transport is what it is fetched over, and Token what with; nil for nothing. It is asked for each time.
	Transport http.RoundTripper
	Token     func() (string, error)
	// Over tells transports apart: keys that came by another one, which may have trusted anybody, are not inherited.
	Over string
	// File is a file with public keys or certificates in PEM. It is read again when it changes.
	File string
	// Report hears of every look at them. It may be nil.
	Report func(KeyReport)
}

// DefaultAlgorithms are what tokens may be signed with unless a rule says otherwise.
func DefaultAlgorithms() []string { return []string{"RS256", "ES256"} }

// tokenRule is a TokenRule, checked.
type tokenRule struct {
	platform   string
	issuer     string
	audience   []string
	algorithms []string
	require    []requirement
	leeway     time.Duration
	validator  *jwt.Validator
	keys       *keySet
	keysAt     string // the file or the URL of the keys
}

// newTokenRule checks a rule. It reads the file of keys, if there is one, and fetches nothing.
func newTokenRule(platform string, r TokenRule) (*tokenRule, error) {
	rule := &tokenRule{
		platform: platform, issuer: r.Issuer, audience: r.Audience, algorithms: r.Algorithms, leeway: r.Leeway,
	}
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.Issuer == "" {
		fail("the issuer is empty")
	}
	if len(r.Algorithms) == 0 {
		fail("no algorithm is allowed")
	}
	for _, algorithm := range r.Algorithms {
		if _, known := algorithmsOf[algorithm]; !known {
			fail("algorithms: %q: it is %s; tokens without a signature or with a shared secret are never allowed",
				algorithm, strings.Join(algorithmNames(), ", "))
		}
	}
	if slices.Contains(r.Audience, "") {
		fail("an audience is empty")
	}
	for _, require := range r.Require {
		path, err := parseClaimPath(require.Claim)
		switch {
		case err != nil:
			fail("require: %w", err)
		case len(require.Values) == 0:
			fail("require %s: there is no value", require.Claim)
		case slices.Contains(require.Values, ""):
			fail("require %s: a value is empty", require.Claim)
		}
		rule.require = append(rule.require, requirement{path: path, values: require.Values})
	}
	if len(r.Audience) == 0 && !slices.ContainsFunc(rule.require, requirement.namesCaller) {
		fail("without `audience` every token of the issuer would do, whoever has it and for whatever it was made: " +
			"add `audience`, or `require` of iam_id or sub")
	}
	if r.Leeway < 0 {
		fail("leeway is negative")
	}
	if err := rule.takeKeys(r.Keys); err != nil {
		problems = append(problems, err)
	}
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(r.Leeway), jwt.WithIssuer(r.Issuer),
	}
	if len(r.Audience) > 0 {
		options = append(options, jwt.WithAudience(r.Audience...))
	}
	rule.validator = jwt.NewValidator(options...)
	return rule, errors.Join(problems...)
}

// namesCaller tells whether a requirement says whom a token is of.
func (r requirement) namesCaller() bool {
	return len(r.path) == 1 && (r.path[0] == "iam_id" || r.path[0] == "sub")
}

// takeKeys prepares the keys.
func (r *tokenRule) takeKeys(source KeySource) error {
	report := func(report KeyReport) {
		if source.Report != nil {
			report.Platform, report.Issuer = r.platform, r.issuer
			source.Report(report)
		}
	}
	switch {
	case source.URL != "" && source.File != "":
		return errors.New("`jwks_url` and `key_file` exclude each other")
	case source.URL == "" && source.File == "":
		return errors.New("the keys of the issuer are missing: add `jwks_url`, or `key_file`")
	case source.File != "":
		r.keysAt = source.File
		r.keys = newKeySet("file "+source.File, keyFile(source.File), report)
		loaded, err := keyFile(source.File).load(context.Background())
		if err != nil {
			return err
		}
		r.keys.put(loaded, time.Now())
		r.keys.next = loaded.next
		return nil
	}
	if err := checkKeyURL(source.URL); err != nil {
		return err
	}
	transport := source.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	r.keysAt = source.URL
	r.keys = newKeySet("url "+source.URL+" over "+source.Over,
		&keyURL{url: source.URL, transport: transport, token: source.Token}, report)
	return nil
}

// covers tells whether every token that matches the other rule matches this one too, as far as that can be told
// beforehand. The platform of the other rule could never be told from this one's.
func (r *tokenRule) covers(other *tokenRule) bool {
	if r.issuer != other.issuer || r.keys == nil || other.keys == nil || r.keysAt != other.keysAt ||
		!isSubset(other.algorithms, r.algorithms) ||
		len(r.audience) > 0 && (len(other.audience) == 0 || !isSubset(other.audience, r.audience)) {
		return false
	}
	for _, mine := range r.require {
		if !slices.ContainsFunc(other.require, mine.within) {
			return false
		}
	}
	return true
}

func isSubset(of, set []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(set, s) })
}

// verdict is what a rule says of a token.
type verdict struct {
	// err is why the token does not match, nil if it does.
	err error
	// unknownKey: it does not because its key is not there, which may change with another look.
	unknownKey bool
	// keys are those that it was checked with, and until is how long they are good.
	keys  *keys
	until time.Time
}

// check holds a token against the rule with the keys that are there.
func (r *tokenRule) check(t *token, now time.Time) verdict {
	return r.checkWith(r.keys.get(now), t, now)
}

// checkWith holds a token against the rule with these keys, nil for none.
func (r *tokenRule) checkWith(known *keys, t *token, now time.Time) verdict {
	switch {
	case !slices.Contains(r.algorithms, t.algorithm):
		return verdict{err: refused("the token is signed with an algorithm that is not allowed")}
	case t.claims["exp"] == nil:
		return verdict{err: refused("the token has no end")}
	}
	expires, ok := dateIn(t.claims, "exp")
	_, okStart := dateIn(t.claims, "nbf")
	_, okIssued := dateIn(t.claims, "iat")
	if !ok || !okStart || !okIssued {
		return verdict{err: refused("the token has a time that is none")}
	}
	if err := r.validator.Validate(jwt.MapClaims(t.claims)); err != nil {
		return verdict{err: refused(describeInvalid(err))}
	}
	if known == nil {
		return verdict{err: ErrUndecided, unknownKey: true}
	}
	fitting, there := known.find(t.keyID, t.algorithm, now)
	if len(fitting) == 0 {
		return verdict{err: refused("the token is signed with a key that the issuer does not have"), unknownKey: !there}
	}
	signer := slices.IndexFunc(fitting, func(key publicKey) bool { return key.signed(t) })
	if signer < 0 {
		return verdict{err: refused("the token's signature is wrong")}
	}
	for _, require := range r.require {
		if !require.holds(t.claims) {
			return verdict{err: refused("a claim of the token is not one that is required")}
		}
	}
	until := expires.Add(r.leeway)
	if left := fitting[signer].until; !left.IsZero() && left.Before(until) {
		until = left
	}
	return verdict{keys: known, until: until}
}

// signed tells whether the token was signed with the key, which fits its algorithm.
func (k publicKey) signed(t *token) bool {
	method := jwt.GetSigningMethod(t.algorithm)
	return method != nil && method.Verify(t.signed, t.signature, k.key) == nil
}

// latest is the last moment that a token may name, the end of the year 9999: later ones do not fit everywhere.
const latest = 253402300799

// dateIn reads a time of the claims; one that is not there is none to complain of.
func dateIn(claims map[string]any, name string) (date time.Time, ok bool) {
	claim, there := claims[name]
	if !there {
		return time.Time{}, true
	}
	number, isNumber := claim.(interface{ Float64() (float64, error) })
	if !isNumber {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > latest {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// describeInvalid says for logs why claims are not valid, in words of its own.
func describeInvalid(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the token was made in the future"
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token is for another audience"
	}
	return "the token's claims are not valid"
}
