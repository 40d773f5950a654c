package backend

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// rereadInterval is the least time between two looks for new credentials because a broker answered 401: whoever has the
// wrong ones must not make the gateway read files, or a token server make tokens, for every call.
const rereadInterval = 10 * time.Second

// Secrets are what requests carry besides the platform's own header. They are printed by nobody.
type Secrets struct {
	// User and Password are sent as HTTP Basic credentials when User is set.
	User, Password string
	// Bearer is sent as a bearer token when it is set. A backend has Basic credentials, this or a Token.
	Bearer string
	// Header holds fixed headers, set on every request in place of the platform's. Host replaces the host name in the
	// request, not the address that is dialled. Authorization, hop-by-hop headers, X-Broker-API-* and those that
	// describe the body or its encoding are refused.
	Header http.Header
}

// String keeps secrets out of whatever prints them.
func (Secrets) String() string { return "secrets" }

// GoString is String.
func (s Secrets) GoString() string { return s.String() }

// fixed is what Secrets come to, ready to be sent. It is not modified.
type fixed struct {
	authorization []string // nil where there is none, or a token makes it
	host          string   // for the Host header; "" for that of the URL
	header        http.Header
	// secret are the values that only the gateway and the broker may know.
	secret []string
}

// newFixed checks secrets. Its error repeats no values that might be secret.
func newFixed(s Secrets) (*fixed, error) {
	f := new(fixed)
	err := errors.Join(f.setBasic(s.User, s.Password), f.setBearer(s.Bearer), f.setHeader(s.Header))
	for _, line := range f.authorization {
		_, value, _ := strings.Cut(line, " ")
		f.secret = append(f.secret, value)
	}
	f.secret = append(f.secret, s.Password)
	for _, values := range f.header {
		f.secret = append(f.secret, values...)
	}
	return f, err
}

func (f *fixed) setBasic(user, password string) error {
	switch {
	case user == "" && password == "":
		return nil
	case user == "":
		return errors.New("a password without a user name")
	case strings.Contains(user, ":"):
		return errors.New("the user name must not contain a colon")
	case hasControl(user) || hasControl(password):
		return errors.New("the user name and password must not contain control characters")
	}
	f.authorization = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
	return nil
}

func (f *fixed) setBearer(token string) error {
	switch {
	case token == "":
		return nil
	case f.authorization != nil:
		return errTwoCredentials
	case !isBearerToken(token):
		return errors.New("a bearer token has no spaces, control characters or letters beyond ASCII")
	}
	f.authorization = []string{"Bearer " + token}
	return nil
}

var errTwoCredentials = errors.New("more than one kind of credentials; a backend has one")

// isBearerToken tells whether a token can stand in a header as one word. RFC 6750 allows less; servers know better.
func isBearerToken(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return false
		}
	}
	return token != ""
}

// credentials are those of one backend, as they are at the moment.
type credentials struct {
	fixed atomic.Pointer[fixed]
	// tokens make the Authorization header; nil where it is fixed.
	tokens *tokens
	// reread reads the fixed ones again; nil where they cannot change.
	reread func() (Secrets, error)

	mu   sync.Mutex
	read time.Time // when reread was called last; guarded by mu
}

// proof is what one request was sent with.
type proof struct {
	fixed *fixed
	token *token
}

func (p proof) authorization() []string {
	if p.token != nil {
		return p.token.authorization
	}
	return p.fixed.authorization
}

// sameAs tells whether a broker would see no difference.
func (p proof) sameAs(other proof) bool {
	return p.fixed == other.fixed &&
		(p.token == other.token || p.token != nil && other.token != nil && p.token.authorization[0] == other.token.authorization[0])
}

// now returns what a request is to be sent with. It waits only for a token where there is none that is still good.
func (c *credentials) now(ctx context.Context) (proof, error) {
	p := proof{fixed: c.fixed.Load()}
	var err error
	if c.tokens != nil {
		p.token, err = c.tokens.get(ctx)
	}
	return p, err
}

// secret are the values that are sent at the moment and that only the gateway and the broker may know.
func (c *credentials) secret() []string {
	secret := slices.Clone(c.fixed.Load().secret)
	if c.tokens != nil {
		if held := c.tokens.held.Load(); held != nil {
			_, value, _ := strings.Cut(held.authorization[0], " ")
			secret = append(secret, value)
		}
	}
	return secret
}

// refused is told that a broker answered 401 to a proof. It looks for a new one, and tells whether there is one that the
// broker has not seen in this call.
func (c *credentials) refused(ctx context.Context, used proof) (proof, bool) {
	p := proof{fixed: c.look(used.fixed), token: used.token}
	if c.tokens != nil {
		p.token = c.tokens.refused(ctx, used.token)
	}
	return p, !p.sameAs(used)
}

// look reads the fixed credentials again, if that may be done and nobody has done so since they were used.
func (c *credentials) look(used *fixed) *fixed {
	if c.reread == nil {
		return used
	}
	c.mu.Lock() // whoever else was refused waits for what is read
	defer c.mu.Unlock()
	current := c.fixed.Load()
	if current != used || !c.read.IsZero() && time.Since(c.read) < rereadInterval {
		return current
	}
	c.read = time.Now()
	secrets, err := c.reread()
	if err != nil {
		return current
	}
	next, err := newFixed(secrets)
	if err != nil || reflect.DeepEqual(next, current) {
		return current
	}
	c.fixed.Store(next)
	return next
}
