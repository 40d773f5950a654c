package platform_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// object is a JSON object.
type object = map[string]any

// keyPair is a key that tests sign with.
type keyPair struct {
	id      string
	private crypto.Signer
	method  jwt.SigningMethod
}

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// The keys of all tests; they are costly to make.
var (
	rsaOne   = sync.OnceValue(func() keyPair { return keyPair{"rsa-1", newRSA(2048), jwt.SigningMethodRS256} })
	rsaTwo   = sync.OnceValue(func() keyPair { return keyPair{"rsa-2", newRSA(2048), jwt.SigningMethodRS256} })
	ecOne    = sync.OnceValue(func() keyPair { return keyPair{"ec-1", newEC(elliptic.P256()), jwt.SigningMethodES256} })
	ecTwo    = sync.OnceValue(func() keyPair { return keyPair{"ec-2", newEC(elliptic.P256()), jwt.SigningMethodES256} })
	edOne    = sync.OnceValue(func() keyPair { return keyPair{"ed-1", newEd(), jwt.SigningMethodEdDSA} })
	ecBigger = sync.OnceValue(func() keyPair { return keyPair{"ec-384", newEC(elliptic.P384()), jwt.SigningMethodES384} })
)

func newEd() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// weakRSA is a key of 1024 bits, which Go makes no more by itself.
var weakRSA = sync.OnceValue(func() keyPair {
	for {
		p, errP := rand.Prime(rand.Reader, 512)
		q, errQ := rand.Prime(rand.Reader, 512)
		if errP != nil || errQ != nil {
			panic(errors.Join(errP, errQ))
		}
		one, e := big.NewInt(1), big.NewInt(65537)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		n := new(big.Int).Mul(p, q)
		if d != nil && n.BitLen() == 1024 {
			key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
			return keyPair{"weak", key, jwt.SigningMethodRS256}
		}
	}
})

// signWeakly signs as RS256 does, by arithmetic, because Go refuses to with so short a key.
func signWeakly(k keyPair, signed string) []byte {
	key := k.private.(*rsa.PrivateKey)
	hash := sha256.Sum256([]byte(signed))
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	size := (key.N.BitLen() + 7) / 8
	block := make([]byte, size)
	block[1] = 1
	tail := slices.Concat(prefix, hash[:])
	for i := 2; i < size-len(tail)-1; i++ {
		block[i] = 0xff
	}
	copy(block[size-len(tail):], tail)
	return new(big.Int).Exp(new(big.Int).SetBytes(block), key.D, key.N).FillBytes(make([]byte, size))
}

func encodeURL(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func marshal(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

// public is the key as a set has it, with more members or others.
func (k keyPair) public(more object) object {
	var key object
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		key = object{"kty": "RSA", "n": encodeURL(public.N.Bytes()), "e": encodeURL(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		size := (len(point) - 1) / 2
		key = object{
			"kty": "EC", "crv": public.Curve.Params().Name,
			"x": encodeURL(point[1 : 1+size]), "y": encodeURL(point[1+size:]),
		}
	case ed25519.PublicKey:
		key = object{"kty": "OKP", "crv": "Ed25519", "x": encodeURL(public)}
	}
	key["kid"] = k.id
	maps.Copy(key, more)
	return key
}

func setOf(keys ...keyPair) []byte {
	list := make([]object, len(keys))
	for i, k := range keys {
		list[i] = k.public(nil)
	}
	return marshal(object{"keys": list})
}

// sign makes a token. Members of the header that are nil are left out.
func (k keyPair) sign(header, claims object) string {
	all := object{"alg": k.method.Alg(), "kid": k.id}
	maps.Copy(all, header)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return k.signText(marshal(all), marshal(claims))
}

// signText makes a token of a header and claims as they are written.
func (k keyPair) signText(header, claims []byte) string {
	signed := encodeURL(header) + "." + encodeURL(claims)
	if k.id == "weak" {
		return signed + "." + encodeURL(signWeakly(k, signed))
	}
	signature, err := k.method.Sign(signed, k.private)
	if err != nil {
		panic(err)
	}
	return signed + "." + encodeURL(signature)
}

const (
	issuerName = "https://issuer.example.net/token"
	audience   = "osb-gateway"
)

// claims are those of a good token, with others in their place; nil leaves one out.
func claims(other object) object {
	now := time.Now()
	all := object{
		"iss": issuerName, "sub": "cf", "aud": audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(all, other)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// keyServer serves a key set, which may be changed, and counts how often it is asked.
type keyServer struct {
	*httptest.Server
	asked   atomic.Int32
	handler atomic.Pointer[http.HandlerFunc]
}

func startKeyServer(t testing.TB, keys ...keyPair) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.serve(setOf(keys...))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.handler.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) handle(handler http.HandlerFunc) { s.handler.Store(&handler) }

func (s *keyServer) serve(body []byte) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

// rule is a token rule for the tests' issuer.
func (s *keyServer) rule(change func(*platform.TokenRule)) platform.TokenRule {
	r := platform.TokenRule{
		Issuer: issuerName, Keys: platform.KeySource{URL: s.URL}, Audience: []string{audience},
		Algorithms: platform.DefaultAlgorithms(), Leeway: 30 * time.Second,
	}
	if change != nil {
		change(&r)
	}
	return r
}

// withTokens is an Authenticator with one platform, and ends with the test.
func withTokens(t testing.TB, rules ...platform.TokenRule) *platform.Authenticator {
	t.Helper()
	return started(t, platform.Platform{Name: "cf", Tokens: rules})
}

func started(t testing.TB, platforms ...platform.Platform) *platform.Authenticator {
	t.Helper()
	a := mustNew(t, platforms...)
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	a.Run(ctx, &background)
	t.Cleanup(func() {
		cancel()
		background.Wait()
		a.Close()
	})
	return a
}

// want wants that a header is this platform's, or, if that is empty, nobody's.
func want(t *testing.T, a *platform.Authenticator, header http.Header, name string) {
	t.Helper()
	_ = errorOf(t, a, header, name)
}

// errorOf is want, and returns why the header is nobody's.
func errorOf(t *testing.T, a *platform.Authenticator, header http.Header, name string) error {
	t.Helper()
	got, err := a.Authenticate(t.Context(), header, nil)
	if got != name || (err == nil) != (name != "") || err != nil && !errors.Is(err, platform.ErrUnauthorized) {
		t.Errorf("got %q, %v; want %q", got, err, name)
	}
	return err
}
