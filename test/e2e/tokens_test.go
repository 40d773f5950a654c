package e2e_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const (
	tokenIssuer   = "https://issuer.example.net/token"
	tokenAudience = "osb-gateway"
)

// tokenWorld is a world whose platform has tokens, and a user name and password.
type tokenWorld struct {
	*world
	issuer *harness.Issuer
}

// tokenBlock is the jwt block for an issuer, with more lines inside.
func tokenBlock(issuer *harness.Issuer, lines string) string {
	return fmt.Sprintf("jwt %s {\n\tjwks_url %s\n\taudience %s\n\t%s\n}\n", tokenIssuer, issuer.URL, tokenAudience, lines)
}

func newTokenWorld(t *testing.T, lines string) *tokenWorld {
	t.Helper()
	w := &tokenWorld{world: brokersOnly(t, nil), issuer: harness.StartIssuer(t)}
	w.start(t, w.tokenOptions(lines))
	return w
}

func (w *tokenWorld) tokenOptions(lines string) harness.Options {
	return harness.Options{
		Block:  fileStore + "\n" + harness.Platform("cf", tokenBlock(w.issuer, lines)) + w.backends(""),
		Global: "log {\n\tlevel DEBUG\n}",
	}
}

func tokenClaims(other harness.Claims) harness.Claims {
	claims := harness.Claims{"iss": tokenIssuer, "aud": tokenAudience, "sub": "cf"}
	maps.Copy(claims, other)
	return claims
}

// isUnauthorized checks the answer to a call that nobody knows the credentials of.
func isUnauthorized(t *testing.T, answer harness.Response) {
	t.Helper()
	refused(t, answer, "Unauthorized")
	challenges := answer.Header.Values("WWW-Authenticate")
	if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "Basic realm=") || !strings.HasPrefix(challenges[1], "Bearer realm=") {
		t.Errorf("WWW-Authenticate: got %q, want one for passwords and one for tokens", challenges)
	}
}

// TestTokenMatrix sends the tokens that attackers send, and good ones, to a whole gateway.
func TestTokenMatrix(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, "require sub cf cf-next")
	i := w.issuer
	sign := func(header map[string]any, claims harness.Claims) string {
		all := map[string]any{"kid": i.KeyID}
		maps.Copy(all, header)
		return i.Sign(t, jwt.SigningMethodRS256, i.Key, all, tokenClaims(claims))
	}
	der, err := x509.MarshalPKIXPublicKey(i.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other := harness.NewRSA(t)
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)).WithToken(sign(nil, nil)), http.StatusCreated, alpha)
	for _, good := range []string{sign(nil, nil), sign(nil, harness.Claims{"sub": "cf-next"}), sign(map[string]any{"kid": nil}, nil)} {
		for range 2 {
			w.expect(t, get(instancePath(id)).WithToken(good), http.StatusOK, alpha)
		}
	}
	w.expect(t, get(instancePath(id)), http.StatusOK, alpha) // a password is still good

	soon, past := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	for name, token := range map[string]string{
		"alg none":                               i.Sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": i.KeyID}, tokenClaims(nil)),
		"HS256 with the public key":              i.Sign(t, jwt.SigningMethodHS256, public, map[string]any{"kid": i.KeyID}, tokenClaims(nil)),
		"wrong issuer":                           sign(nil, harness.Claims{"iss": "https://evil.example"}),
		"right issuer with another issuer's key": i.Sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": i.KeyID}, tokenClaims(nil)),
		"wrong audience":                         sign(nil, harness.Claims{"aud": "other"}),
		"no audience":                            sign(nil, harness.Claims{"aud": nil}),
		"expired":                                sign(nil, harness.Claims{"exp": past}),
		"not yet valid":                          sign(nil, harness.Claims{"nbf": soon}),
		"no exp":                                 sign(nil, harness.Claims{"exp": nil}),
		"unknown key id":                         i.Sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": "unknown"}, tokenClaims(nil)),
		"crit":                                   sign(map[string]any{"crit": []string{"exp"}}, nil),
		"jku":                                    i.Sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": "mine", "jku": "http://127.0.0.1:1/keys"}, tokenClaims(nil)),
		"not on the allow-list":                  sign(nil, harness.Claims{"sub": "cf2"}),
		"20 KiB":                                 sign(nil, harness.Claims{"x": strings.Repeat("x", 15<<10)}),
		"PS256":                                  i.Sign(t, jwt.SigningMethodPS256, i.Key, map[string]any{"kid": i.KeyID}, tokenClaims(nil)),
		"nothing":                                "",
		"a password":                             base64.StdEncoding.EncodeToString([]byte(harness.User + ":" + harness.Password)),
	} {
		for _, r := range []harness.Request{get(instancePath(id)), put(instancePath(newGUID()), create(alpha, small)), get("/v2/catalog")} {
			answer := w.expect(t, r.WithToken(token), http.StatusUnauthorized, "")
			isUnauthorized(t, answer)
			if t.Failed() {
				t.Fatalf("failed with %s", name)
			}
		}
	}
	good := "Bearer " + sign(nil, nil)
	for _, lines := range [][]string{{good, good}, {good, "Basic eA=="}, {"Basic eA==", good}, {good + ", " + good}} {
		r := get(instancePath(id))
		r.User, r.Header = "-", http.Header{"Authorization": lines}
		isUnauthorized(t, w.expect(t, r, http.StatusUnauthorized, ""))
	}
	for _, reason := range []string{"has expired", "demands extensions", "another audience", "is not configured", "is too long"} {
		if !strings.Contains(w.Output(), reason) {
			t.Errorf("the log at level DEBUG does not say that a token %s", reason)
		}
	}
}

// TestKeyRotation: a new key is good as soon as it is published, and a reload knows it though the issuer is down then.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, "")
	i := w.issuer
	old := i.Token(t, tokenClaims(nil))
	w.expect(t, get("/v2/catalog").WithToken(old), http.StatusOK, "")
	before := i.JWK()
	i.Key, i.KeyID = harness.NewRSA(t), "key-2"
	rotated := i.Token(t, tokenClaims(nil))
	i.ServeKeys(before, i.JWK())
	harness.Await(t, "the new key to be found", func() bool {
		return w.Do(t, get("/v2/catalog").WithToken(rotated)).Status == http.StatusOK
	})

	i.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	if err := w.Reload(t, w.tokenOptions("leeway 20s")); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{old, rotated} {
		w.expect(t, get("/v2/catalog").WithToken(token), http.StatusOK, "")
	}
	harness.Await(t, "the log to tell of the issuer", func() bool {
		return strings.Contains(w.Output(), "the keys of an issuer cannot be read") &&
			strings.Contains(w.Output(), "the server answered 500")
	})
	i.ServeKeys(i.JWK())
	harness.Await(t, "the log to tell that it is over", func() bool {
		return strings.Contains(w.Output(), "the keys of an issuer can be read again")
	})
}

// TestIssuerIsDown: a gateway starts without keys, answers tokens with 503, and everything else as ever.
func TestIssuerIsDown(t *testing.T) {
	t.Parallel()
	w := &tokenWorld{world: brokersOnly(t, nil), issuer: harness.StartIssuer(t)}
	i := w.issuer
	i.Serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	w.start(t, w.tokenOptions(""))
	good := i.Token(t, tokenClaims(nil))
	for _, r := range []harness.Request{get("/v2/catalog"), put(instancePath(newGUID()), create(alpha, small))} {
		refused(t, w.expect(t, r.WithToken(good), http.StatusServiceUnavailable, ""), "AuthenticationUnavailable")
	}
	isUnauthorized(t, w.expect(t, get("/v2/catalog").WithToken(i.Token(t, tokenClaims(harness.Claims{"exp": 1}))), http.StatusUnauthorized, ""))
	w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
	i.ServeKeys(i.JWK())
	harness.Await(t, "the keys to be there", func() bool {
		return w.Do(t, get("/v2/catalog").WithToken(good)).Status == http.StatusOK
	})
}

// TestCallerInAccessLog: the platform is Caddy's user, for its log and for other directives; nobody is one who was
// refused.
func TestCallerInAccessLog(t *testing.T) {
	t.Parallel()
	w := &tokenWorld{world: brokersOnly(t, nil), issuer: harness.StartIssuer(t)}
	options := w.tokenOptions("")
	options.Site = "log {\n\toutput stderr\n\tformat json\n}\nlog_append caller {http.auth.user.id}\n" +
		"log_append correlation {http.request.header.X-Broker-API-Request-Identity}"
	w.start(t, options)
	good := w.issuer.Token(t, tokenClaims(nil))
	for name, test := range map[string]struct {
		r      harness.Request
		caller string
	}{
		"token": {get("/v2/catalog").WithToken(good), "cf"}, "password": {get("/v2/catalog"), "cf"},
		"refused": {get("/v2/catalog").WithToken(good + "x"), ""},
	} {
		test.r.Header = http.Header{"Authorization": test.r.Header["Authorization"], requestIdentityHeader: {newGUID()}}
		if test.r.User != "-" {
			test.r.Header.Del("Authorization")
		}
		w.Do(t, test.r)
		correlation := test.r.Header.Get(requestIdentityHeader)
		var lines []logLine
		harness.Await(t, "the access log", func() bool {
			lines = slices.DeleteFunc(w.logLines(t, "http.log.access", correlation), func(l logLine) bool { return l.text("correlation") == "" })
			return len(lines) > 0
		})
		if got := lines[0]; got.text("user_id") != test.caller || got.text("caller") != test.caller {
			t.Errorf("%s: got user_id %q and caller %q, want %q", name, got.text("user_id"), got.text("caller"), test.caller)
		}
	}
}
