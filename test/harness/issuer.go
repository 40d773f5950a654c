package harness

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what a token says.
type Claims = map[string]any

// Issuer makes tokens and serves the keys to check them with.
type Issuer struct {
	// URL is where the keys are, CA a file with the authority of the server if that is https.
	URL, CA string
	// Key is what tokens are signed with, and KeyID its name.
	Key   *rsa.PrivateKey
	KeyID string

	asked   atomic.Int64
	handler atomic.Pointer[http.HandlerFunc]
	server  *httptest.Server
}

// StartIssuer starts an issuer whose keys are served by http, StartTLSIssuer one by https. Both end with the test.
func StartIssuer(t testing.TB) *Issuer { return startIssuer(t, httptest.NewServer) }

// StartTLSIssuer is StartIssuer with https.
func StartTLSIssuer(t testing.TB) *Issuer {
	i := startIssuer(t, httptest.NewTLSServer)
	i.CA = filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw})
	if err := os.WriteFile(i.CA, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

func startIssuer(t testing.TB, start func(http.Handler) *httptest.Server) *Issuer {
	t.Helper()
	i := &Issuer{KeyID: "key-1", Key: NewRSA(t)}
	i.ServeKeys(i.JWK())
	i.server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		(*i.handler.Load())(w, r)
	}))
	i.URL = i.server.URL + "/keys"
	t.Cleanup(i.server.Close)
	return i
}

// NewRSA makes a key that is strong enough.
func NewRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// JWK is the issuer's key as a key set has it.
func (i *Issuer) JWK() map[string]any {
	return map[string]any{
		"kty": "RSA", "kid": i.KeyID, "alg": "RS256",
		"n": base64.RawURLEncoding.EncodeToString(i.Key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(i.Key.E)).Bytes()),
	}
}

// ServeKeys has the issuer serve these keys.
func (i *Issuer) ServeKeys(keys ...map[string]any) {
	i.Serve(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
}

// Serve has the issuer answer otherwise.
func (i *Issuer) Serve(handler http.HandlerFunc) { i.handler.Store(&handler) }

// Asked counts how often the keys were asked for.
func (i *Issuer) Asked() int { return int(i.asked.Load()) }

// Token makes a token that is good for an hour. Claims stand in the place of those that every token has; nil takes one
// away.
func (i *Issuer) Token(t testing.TB, claims Claims) string {
	t.Helper()
	return i.Sign(t, jwt.SigningMethodRS256, i.Key, map[string]any{"kid": i.KeyID}, claims)
}

// Sign makes a token with another method, key and header.
func (i *Issuer) Sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, claims Claims) string {
	t.Helper()
	now := time.Now()
	all := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	token := jwt.NewWithClaims(method, all)
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, value any) bool { return value == nil })
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// WithToken makes a call with a token in the place of a password.
func (r Request) WithToken(token string) Request {
	header := http.Header{"Authorization": {"Bearer " + token}}
	maps.Copy(header, r.Header)
	r.Header, r.User = header, "-"
	return r
}
