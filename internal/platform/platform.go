// Package platform tells who is calling: which of the configured platforms a request comes from, by its credentials.
package platform

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// Platform is a caller that the gateway knows.
type Platform struct {
	// Name is what Authenticate returns.
	Name string
	// Basic are the user names and passwords that stand for the platform. A user name may occur several times, so that
	// a password can be changed while the old one still works.
	Basic []BasicCredential
	// Tokens say which JSON Web Tokens stand for the platform.
	Tokens []TokenRule
	// Certificates are the client certificates that stand for it: sha256:<hex>, the fingerprint of one, or dns:<name> or
	// uri:<uri>, a name in those that were verified.
	Certificates []string
}

// BasicCredential is a user name and the hash of its password. It is printed without the hash.
type BasicCredential struct {
	// User is the user name, without colons and control characters.
	User string
	// Hash is a bcrypt ($2a$, $2b$, $2y$) or an argon2id hash, such as `caddy hash-password` prints.
	Hash string
}

// String returns the user name alone: hashes do not belong into logs.
func (c BasicCredential) String() string { return fmt.Sprintf("user %q", c.User) }

// GoString is String.
func (c BasicCredential) GoString() string { return c.String() }

// LogValue is String.
func (c BasicCredential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Authenticator tells platforms apart by their credentials. It is safe for concurrent use; a caller whose password was
// found right once is recognised without a lock and without waiting for anyone.
type Authenticator struct {
	accounts map[string]*account
	// decoys are what unknown users are checked against: one for each account, of the same cost, matched by nothing.
	decoys   []*account
	seed     maphash.Seed // chooses the decoy of a name
	verifier *verifier
	// tokens are the rules by the issuers that they are for, verified the tokens that were found right lately.
	tokens       map[string][]*tokenRule
	verified     tokenCache
	certificates []certificateRule
}

// account is what is known of one user name.
type account struct {
	platform    string
	credentials []*credential
}

// NewAuthenticator checks the platforms and returns their Authenticator. Platforms have distinct names and at least one
// credential each, no user name, token rule or certificate belongs to two of them, and every hash is one that can be
// checked at a bearable cost. Nothing is fetched. The error joins everything that is wrong and repeats no hashes: what
// stands where a hash belongs may be a password.
func NewAuthenticator(platforms []Platform) (*Authenticator, error) {
	a := &Authenticator{
		accounts: make(map[string]*account), seed: maphash.MakeSeed(), verifier: newVerifier(),
		tokens: make(map[string][]*tokenRule),
	}
	var problems []error
	names := make(map[string]bool, len(platforms))
	for _, p := range platforms {
		switch {
		case p.Name == "":
			problems = append(problems, errors.New("a platform has no name"))
		case names[p.Name]:
			problems = append(problems, fmt.Errorf("platform %q is configured twice", p.Name))
		case len(p.Basic)+len(p.Tokens)+len(p.Certificates) == 0:
			problems = append(problems, fmt.Errorf("platform %q has no credentials", p.Name))
		}
		names[p.Name] = true
		seen := make(map[BasicCredential]bool, len(p.Basic))
		for _, c := range p.Basic {
			err := a.add(p.Name, c)
			if err == nil && seen[c] {
				err = errors.New("the same hash is configured twice")
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("platform %q, user %q: %w", p.Name, c.User, err))
			}
			seen[c] = true
		}
		problems = append(problems, a.addTokens(p), a.addCertificates(p))
	}
	if len(platforms) == 0 {
		problems = append(problems, errors.New("no platform is configured"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	for _, known := range a.accounts {
		a.decoys = append(a.decoys, known.decoy())
	}
	return a, nil
}

func (a *Authenticator) add(platform string, c BasicCredential) error {
	switch {
	case c.User == "":
		return errors.New("the user name is empty")
	case strings.Contains(c.User, ":"):
		return errors.New("the user name must not contain a colon")
	case hasControl(c.User):
		return errors.New("the user name must not contain control characters")
	}
	hash, err := parseHash(c.Hash)
	if err != nil {
		return err
	}
	known := a.accounts[c.User]
	if known == nil {
		known = &account{platform: platform}
		a.accounts[c.User] = known
	}
	if known.platform != platform {
		return fmt.Errorf("the user name belongs to platform %q already", known.platform)
	}
	known.credentials = append(known.credentials, &credential{hash: hash})
	return nil
}

// decoy returns an account that costs as much to check and that no password opens.
func (k *account) decoy() *account {
	d := &account{credentials: make([]*credential, len(k.credentials))}
	for i, c := range k.credentials {
		d.credentials[i] = &credential{hash: c.hash.decoy()}
	}
	return d
}

// Authenticate returns the name of the platform that a request with this header and this state of its connection comes
// from; the state is nil without TLS. A request has one Authorization header or a client certificate that is known. With
// both the header counts, and a certificate that stands for another platform is refused with it: somebody has mixed up
// what belongs to two. A header that is wrong is never made good by a certificate.
//
// It returns an error that is ErrUnauthorized if the request comes from no platform, ErrUndecided if that cannot be told
// because an issuer's keys are not available, and the cause of ctx if that ended before it was told.
func (a *Authenticator) Authenticate(
	ctx context.Context, header http.Header, state *tls.ConnectionState,
) (platform string, err error) {
	lines := header["Authorization"]
	certified, shown := a.certificate(state)
	switch {
	case len(lines) > 1:
		// Two that contradict each other: which of them counts is what attackers play with.
		return "", ErrUnauthorized
	case len(lines) == 1:
		platform, err = a.header(ctx, lines[0])
		if err == nil && len(certified) > 0 && !slices.Contains(certified, platform) {
			return "", &ConflictError{
				What: "Authorization header and certificate", Platforms: append([]string{platform}, certified...),
			}
		}
		return platform, err
	case len(certified) > 1:
		return "", &ConflictError{What: "certificate", Platforms: certified}
	case len(certified) == 1:
		return certified[0], nil
	case shown:
		return "", refused("the client certificate is not one that is configured, not verified, or not valid now")
	}
	return "", ErrUnauthorized
}

// header returns the platform that an Authorization header stands for.
func (a *Authenticator) header(ctx context.Context, value string) (platform string, err error) {
	if raw, ok := bearerToken(value); ok && len(a.tokens) > 0 {
		return a.bearer(ctx, raw)
	}
	if len(a.decoys) == 0 {
		return "", ErrUnauthorized
	}
	return a.basic(ctx, value)
}

// basic returns the platform that a user name and a password stand for.
func (a *Authenticator) basic(ctx context.Context, value string) (platform string, err error) {
	s := a.verifier.scratch()
	defer a.verifier.release(s)
	user, password, ok := s.decodeBasic(value)
	if !ok {
		return "", ErrUnauthorized
	}
	// An unknown user takes as long as some known one does, and always as long as the same one.
	decoy := a.decoys[maphash.Bytes(a.seed, user)%uint64(len(a.decoys))]
	known, exists := a.accounts[string(user)]
	if !exists {
		known = decoy
	}
	right, err := a.verifier.check(ctx, known, s.digest(), password)
	switch {
	case err != nil:
		return "", err
	case !right || !exists:
		return "", ErrUnauthorized
	default:
		return known.platform, nil
	}
}

// randomBytes returns n unpredictable bytes.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it would end the program
	return b
}
