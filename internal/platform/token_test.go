package platform_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// TestTokens is the matrix of what tokens may be and must not be.
func TestTokens(t *testing.T) {
	t.Parallel()
	server := startKeyServer(t)
	server.serve(marshal(object{"keys": []object{
		rsaOne().public(nil), ecOne().public(object{"use": "sig"}), edOne().public(nil), ecBigger().public(nil),
		weakRSA().public(nil), rsaTwo().public(object{"kid": "encrypts", "use": "enc"}),
		{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
		ecTwo().public(object{"kid": "for-es384", "alg": "ES384"}),
	}}))
	// So much leeway that a token which is expired by little still is when its turn comes on a busy machine.
	const leeway = 10 * time.Minute
	a := withTokens(t, server.rule(func(r *platform.TokenRule) { r.Leeway = leeway }))
	good := rsaOne()
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustPKIX(t, good)})
	hmacWith := func(secret []byte, header object) string {
		all := object{"alg": "HS256", "kid": good.id}
		maps.Copy(all, header)
		signed := encodeURL(marshal(all)) + "." + encodeURL(marshal(claims(nil)))
		signature, err := jwt.SigningMethodHS256.Sign(signed, secret)
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + encodeURL(signature)
	}
	unsigned := func(algorithm string) string {
		return encodeURL(marshal(object{"alg": algorithm, "kid": good.id})) + "." + encodeURL(marshal(claims(nil))) + "."
	}
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	whole := good.sign(nil, claims(nil))
	for _, test := range []struct {
		name, token, reason string // no reason for a token that is let in
	}{
		{"RS256", whole, ""},
		{"ES256", ecOne().sign(nil, claims(nil)), ""},
		{"one audience of two", good.sign(nil, claims(object{"aud": []string{"other", audience}})), ""},
		{"without nbf and iat", good.sign(nil, claims(object{"nbf": nil, "iat": nil})), ""},
		{"expired within the leeway", good.sign(nil, claims(object{"exp": at(-10 * time.Second)})), ""},
		{"valid soon, within the leeway", good.sign(nil, claims(object{"nbf": at(10 * time.Second)})), ""},
		{"a fraction of a second", good.sign(nil, claims(object{"exp": float64(at(time.Minute)) + 0.5})), ""},
		{"other members of the header", good.sign(object{"typ": "at+jwt", "cty": "x"}, claims(nil)), ""},
		{"where a key is said to be", good.sign(object{"jku": "https://evil.example", "x5u": "https://evil.example"}, claims(nil)), ""},
		{"no key id, where one key fits", good.sign(object{"kid": nil}, claims(nil)), ""},
		{"15 KiB", good.sign(nil, claims(object{"x": strings.Repeat("x", 10<<10)})), ""},

		{"alg none", unsigned("none"), "algorithm that is not allowed"},
		{"alg None", unsigned("None"), "algorithm that is not allowed"},
		{"no alg", good.sign(object{"alg": nil}, claims(nil)), "names no algorithm"},
		{"alg a number", good.sign(object{"alg": 7}, claims(nil)), "names no algorithm"},
		{"no signature", strings.Join(strings.Split(whole, ".")[:2], ".") + ".", "signature is wrong"},
		{"HS256 with the public key in PEM", hmacWith(publicPEM, nil), "algorithm that is not allowed"},
		{"HS256 with the public key in DER", hmacWith(mustPKIX(t, good), nil), "algorithm that is not allowed"},
		{"HS256 with the shared key of the set", hmacWith([]byte("secret"), object{"kid": "shared"}), "algorithm that is not allowed"},
		{"HS256 that says RS256", hmacWith(publicPEM, object{"alg": "RS256"}), "signature is wrong"},
		{"an algorithm that is not allowed here", edOne().sign(nil, claims(nil)), "algorithm that is not allowed"},
		{"ES384", ecBigger().sign(nil, claims(nil)), "algorithm that is not allowed"},
		{"RS256 in small letters", good.sign(object{"alg": "rs256"}, claims(nil)), "algorithm that is not allowed"},
		{"the key of another kind", good.sign(object{"kid": "ec-1"}, claims(nil)), "key that the issuer does not have"},
		{"a key for another algorithm", keyPair{"for-es384", ecTwo().private, ecTwo().method}.sign(nil, claims(nil)), "key that the issuer does not have"},
		{"a key for encryption", rsaTwo().sign(object{"kid": "encrypts"}, claims(nil)), "key that the issuer does not have"},
		{"a weak key", weakRSA().sign(nil, claims(nil)), "key that the issuer does not have"},
		{"an unknown key id", rsaTwo().sign(nil, claims(nil)), "key that the issuer does not have"},
		{"another key under a known id", rsaTwo().sign(object{"kid": good.id}, claims(nil)), "signature is wrong"},
		{"a key id that is a number", good.sign(object{"kid": 1}, claims(nil)), "key id"},
		{"a long key id", good.sign(object{"kid": strings.Repeat("k", 300)}, claims(nil)), "key id"},
		{"its own key", rsaTwo().sign(object{"kid": good.id, "jwk": rsaTwo().public(nil)}, claims(nil)), "signature is wrong"},
		{"its own key by URL", rsaTwo().sign(object{"kid": "x", "jku": server.URL}, claims(nil)), "key that the issuer does not have"},
		{"crit", good.sign(object{"crit": []string{"exp"}}, claims(nil)), "demands extensions"},
		{"an empty crit", good.sign(object{"crit": []string{}}, claims(nil)), "demands extensions"},
		{"unencoded payload", good.sign(object{"crit": []string{"b64"}, "b64": false}, claims(nil)), "demands extensions"},

		{"another issuer", good.sign(nil, claims(object{"iss": "https://evil.example"})), "issuer that is not configured"},
		{"a longer issuer", good.sign(nil, claims(object{"iss": issuerName + "/"})), "issuer that is not configured"},
		{"the issuer in capitals", good.sign(nil, claims(object{"iss": strings.ToUpper(issuerName)})), "issuer that is not configured"},
		{"no issuer", good.sign(nil, claims(object{"iss": nil})), "names no issuer"},
		{"two issuers", good.sign(nil, claims(object{"iss": []string{issuerName}})), "names no issuer"},
		{"issuer under another name", good.sign(nil, claims(object{"iss": nil, "ISS": issuerName})), "names no issuer"},
		{"another audience", good.sign(nil, claims(object{"aud": "other"})), "another audience"},
		{"no audience", good.sign(nil, claims(object{"aud": nil})), "another audience"},
		{"an empty audience", good.sign(nil, claims(object{"aud": []string{}})), "another audience"},
		{"audience under another name", good.sign(nil, claims(object{"aud": nil, "Aud": audience})), "another audience"},
		{"expired", good.sign(nil, claims(object{"exp": at(-time.Hour)})), "has expired"},
		{"expired beyond the leeway", good.sign(nil, claims(object{"exp": at(-leeway - time.Second)})), "has expired"},
		{"not valid yet", good.sign(nil, claims(object{"nbf": at(time.Hour)})), "not valid yet"},
		{"made in the future", good.sign(nil, claims(object{"iat": at(time.Hour)})), "made in the future"},
		{"no exp", good.sign(nil, claims(object{"exp": nil})), "has no end"},
		{"exp null", string(good.signText(marshal(object{"alg": "RS256", "kid": good.id}), []byte(`{"iss":"`+issuerName+`","aud":"`+audience+`","exp":null}`))), "has no end"},
		{"exp zero", good.sign(nil, claims(object{"exp": 0})), "has expired"},
		{"exp a text", good.sign(nil, claims(object{"exp": "tomorrow"})), "time that is none"},
		{"exp negative", good.sign(nil, claims(object{"exp": -1})), "time that is none"},
		{"exp beyond all times", good.sign(nil, claims(object{"exp": 1e300})), "time that is none"},
		{"nbf a text", good.sign(nil, claims(object{"nbf": "now"})), "time that is none"},
		{"exp under another name", good.sign(nil, claims(object{"exp": nil, "EXP": at(time.Hour)})), "has no end"},

		{"20 KiB", good.sign(nil, claims(object{"x": strings.Repeat("x", 15<<10)})), "too long"},
		{"deep", good.signText([]byte(`{"alg":"RS256"}`), []byte(`{"iss":"`+issuerName+`","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`)), "claims cannot be read"},
		{"very deep", good.signText([]byte(`{"alg":"RS256"}`), []byte(strings.Repeat(`{"x":`, 2000))), "claims cannot be read"},
		{"a claim twice", good.signText([]byte(`{"alg":"RS256","kid":"rsa-1"}`), []byte(`{"iss":"`+issuerName+`","iss":"`+issuerName+`"}`)), "claims cannot be read"},
		{"alg twice", good.signText([]byte(`{"alg":"none","alg":"RS256"}`), marshal(claims(nil))), "header cannot be read"},
		{"claims that are no object", good.signText([]byte(`{"alg":"RS256"}`), []byte(`[]`)), "claims cannot be read"},
		{"claims with more behind", good.signText([]byte(`{"alg":"RS256"}`), []byte(`{} {}`)), "claims cannot be read"},
		{"a header that is no object", good.signText([]byte(`"x"`), []byte(`{}`)), "header cannot be read"},
		{"not UTF-8", good.signText([]byte(`{"alg":"RS256"}`), []byte("{\"iss\":\"\xff\"}")), "claims cannot be read"},
		{"empty", "", "three parts"},
		{"one part", "x", "three parts"},
		{"two parts", "x.y", "three parts"},
		{"four parts", whole + ".x", "three parts"},
		{"five parts", "a.b.c.d.e", "three parts"},
		{"padding", whole + "=", "alphabet"},
		{"a space within", strings.Replace(whole, ".", ". ", 1), "alphabet"},
		{"a line break within", strings.Replace(whole, ".", ".\n", 1), "alphabet"},
		{"the other alphabet", "+/+/." + strings.SplitN(whole, ".", 2)[1], "alphabet"},
		{"a changed claim", changedClaim(whole), "signature is wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := "cf"
			if test.reason != "" {
				name = ""
			}
			for range 2 { // the second time right ones are known
				err := errorOf(t, a, bearer(test.token), name)
				var why *platform.RefusedError
				switch {
				case test.reason == "":
				case !errors.As(err, &why) || !strings.Contains(why.Reason, test.reason):
					t.Errorf("got %v, want %q in it", err, test.reason)
				case len(test.token) > 8 && strings.Contains(err.Error(), test.token[:8]):
					t.Errorf("the error repeats the token: %v", err)
				}
			}
		})
	}
}

// changedClaim puts other claims into a token and keeps its signature.
func changedClaim(whole string) string {
	parts := strings.Split(whole, ".")
	parts[1] = encodeURL(marshal(claims(object{"sub": "admin"})))
	return strings.Join(parts, ".")
}

func mustPKIX(t *testing.T, k keyPair) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestBearerHeaders has what an Authorization header with a token may look like.
func TestBearerHeaders(t *testing.T) {
	t.Parallel()
	server := startKeyServer(t, rsaOne())
	a := started(t, platform.Platform{
		Name: "cf", Tokens: []platform.TokenRule{server.rule(nil)},
		Basic: []platform.BasicCredential{{User: "u", Hash: argon2idOf("p")}},
	})
	token := rsaOne().sign(nil, claims(nil))
	for value, name := range map[string]string{
		"Bearer " + token: "cf", "bearer " + token: "cf", "BEARER   " + token: "cf", "Basic " + encode("u:p"): "cf",
		"Bearer" + token: "", "Bearer\t" + token: "", "Bearer": "", "Bearer" + " ": "", token: "", "Token " + token: "",
		"Bearer " + token + " ": "", "Bearer " + token + ", Bearer " + token: "", "Bearer token=" + token: "",
		"Basic " + token: "", "Bearer " + encode("u:p"): "", "DPoP " + token: "",
	} {
		want(t, a, map[string][]string{"Authorization": {value}}, name)
	}
	for _, lines := range [][]string{
		{"Bearer " + token, "Bearer " + token}, {"Bearer " + token, "Basic " + encode("u:p")}, {"Bearer " + token, ""},
	} {
		want(t, a, map[string][]string{"Authorization": lines}, "")
	}
	noTokens := mustNew(t, platform.Platform{Name: "cf", Basic: []platform.BasicCredential{{User: "u", Hash: argon2idOf("p")}}})
	want(t, noTokens, bearer(token), "")
}

// TestIssuersAreApart: the key of one issuer is no good for the tokens of another.
func TestIssuersAreApart(t *testing.T) {
	t.Parallel()
	one, two := startKeyServer(t, rsaOne()), startKeyServer(t, rsaTwo())
	const other = "https://other.example.net"
	a := started(t,
		platform.Platform{Name: "one", Tokens: []platform.TokenRule{one.rule(nil)}},
		platform.Platform{Name: "two", Tokens: []platform.TokenRule{two.rule(func(r *platform.TokenRule) { r.Issuer = other })}},
	)
	ofOther := claims(object{"iss": other})
	want(t, a, bearer(rsaOne().sign(nil, claims(nil))), "one")
	want(t, a, bearer(rsaTwo().sign(nil, ofOther)), "two")
	want(t, a, bearer(rsaTwo().sign(nil, claims(nil))), "")
	want(t, a, bearer(rsaOne().sign(nil, ofOther)), "")
	want(t, a, bearer(rsaTwo().sign(object{"kid": "rsa-1"}, claims(nil))), "")
	want(t, a, bearer(rsaOne().sign(object{"kid": "rsa-2"}, ofOther)), "")
}

// TestClustersWithOneIssuer: two clusters that call themselves the same are told apart by their keys.
func TestClustersWithOneIssuer(t *testing.T) {
	t.Parallel()
	one, two := startKeyServer(t, rsaOne()), startKeyServer(t, rsaTwo())
	a := started(t,
		platform.Platform{Name: "one", Tokens: []platform.TokenRule{one.rule(nil)}},
		platform.Platform{Name: "two", Tokens: []platform.TokenRule{two.rule(nil)}},
	)
	want(t, a, bearer(rsaOne().sign(nil, claims(nil))), "one")
	want(t, a, bearer(rsaTwo().sign(nil, claims(nil))), "two")
	want(t, a, bearer(ecOne().sign(nil, claims(nil))), "")
}

// TestRequire has the conditions on claims.
func TestRequire(t *testing.T) {
	t.Parallel()
	server := startKeyServer(t, rsaOne())
	token := bearer(rsaOne().sign(nil, claims(object{
		"sub": "cf", "n": 7, "f": 1.50, "yes": true, "nothing": nil, "scope": []any{"a", "b", 3, false, []any{"c"}},
		"account": object{"bss": "abc", "valid": true, "": "unnamed"}, "a/b": "slash", "c~d": "tilde", "/e": "rooted",
		"kubernetes.io": object{"namespace": "osb"}, "list": []any{object{"id": "x"}},
	})))
	for _, test := range []struct {
		claim  string
		values []string
		holds  bool
	}{
		{"sub", []string{"cf"}, true},
		{"sub", []string{"k8s", "cf"}, true},
		{"/sub", []string{"cf"}, true},
		{"n", []string{"7"}, true},
		{"f", []string{"1.5"}, true},
		{"yes", []string{"true"}, true},
		{"scope", []string{"b"}, true},
		{"scope", []string{"3"}, true},
		{"scope", []string{"false"}, true},
		{"/scope/0", []string{"a"}, true},
		{"/scope/4", []string{"c"}, true},
		{"/account/bss", []string{"abc"}, true},
		{"/account/valid", []string{"true"}, true},
		{"/account/", []string{"unnamed"}, true},
		{"a/b", []string{"slash"}, true},
		{"/a~1b", []string{"slash"}, true},
		{"/c~0d", []string{"tilde"}, true},
		{"/~1e", []string{"rooted"}, true},
		{"/kubernetes.io/namespace", []string{"osb"}, true},
		{"/list/0/id", []string{"x"}, true},

		{"sub", []string{"c"}, false},
		{"sub", []string{"CF"}, false},
		{"Sub", []string{"cf"}, false},
		{"absent", []string{"cf"}, false},
		{"n", []string{"7.0"}, false},
		{"n", []string{"07"}, false},
		{"yes", []string{"TRUE", "1"}, false},
		{"nothing", []string{"null"}, false},
		{"scope", []string{"a b", "c"}, false},
		{"scope", []string{"[a]"}, false},
		{"/scope/00", []string{"a"}, false},
		{"/scope/-", []string{"a"}, false},
		{"/scope/-1", []string{"a"}, false},
		{"/scope/5", []string{"a"}, false},
		{"/scope/99999999999999999999", []string{"a"}, false},
		{"account", []string{"abc"}, false},
		{"/account/bss/x", []string{"abc"}, false},
		{"account.bss", []string{"abc"}, false},
		{"/account/bs", []string{"abc"}, false},
	} {
		a := withTokens(t, server.rule(func(r *platform.TokenRule) {
			r.Require = []platform.Requirement{{Claim: "sub", Values: []string{"cf"}}, {Claim: test.claim, Values: test.values}}
		}))
		name := ""
		if test.holds {
			name = "cf"
		}
		if err := errorOf(t, a, token, name); err != nil && !strings.Contains(err.Error(), "required") {
			t.Errorf("%s: got %v", test.claim, err)
		}
		if t.Failed() {
			t.Fatalf("failed at %s %q", test.claim, test.values)
		}
	}
}

// TestTokenOfTwoPlatforms is refused, and reported with the names.
func TestTokenOfTwoPlatforms(t *testing.T) {
	t.Parallel()
	server := startKeyServer(t, rsaOne())
	require := func(claim, value string) platform.TokenRule {
		return server.rule(func(r *platform.TokenRule) {
			r.Require = []platform.Requirement{{Claim: claim, Values: []string{value}}}
		})
	}
	a := started(t,
		platform.Platform{Name: "one", Tokens: []platform.TokenRule{require("sub", "cf")}},
		platform.Platform{Name: "two", Tokens: []platform.TokenRule{require("zone", "z")}},
	)
	for range 2 {
		err := errorOf(t, a, bearer(rsaOne().sign(nil, claims(object{"zone": "z"}))), "")
		var conflict *platform.ConflictError
		if !errors.As(err, &conflict) || conflict.What != "token" || strings.Join(conflict.Platforms, " ") != "one two" {
			t.Errorf("got %v, want a conflict of both", err)
		}
	}
	want(t, a, bearer(rsaOne().sign(nil, claims(nil))), "one")
	want(t, a, bearer(rsaOne().sign(nil, claims(object{"sub": "other", "zone": "z"}))), "two")
}

// TestNoAudience: tokens of an issuer that names no audience are let in by who they are of.
func TestNoAudience(t *testing.T) {
	t.Parallel()
	server := startKeyServer(t, rsaOne())
	a := withTokens(t, server.rule(func(r *platform.TokenRule) {
		r.Audience = nil
		r.Require = []platform.Requirement{{Claim: "iam_id", Values: []string{"IBMid-1"}}}
	}))
	want(t, a, bearer(rsaOne().sign(nil, claims(object{"aud": nil, "iam_id": "IBMid-1"}))), "cf")
	want(t, a, bearer(rsaOne().sign(nil, claims(object{"aud": nil, "iam_id": "IBMid-2"}))), "")
	want(t, a, bearer(rsaOne().sign(nil, claims(object{"aud": nil}))), "")
}

// TestAlgorithms has each algorithm with a key that fits, and with one key only.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	keys := []keyPair{
		{"rsa", rsaOne().private, jwt.SigningMethodRS256},
		{"rsa", rsaOne().private, jwt.SigningMethodRS384},
		{"rsa", rsaOne().private, jwt.SigningMethodRS512},
		{"rsa", rsaOne().private, jwt.SigningMethodPS256},
		{"rsa", rsaOne().private, jwt.SigningMethodPS384},
		{"rsa", rsaOne().private, jwt.SigningMethodPS512},
		ecOne(), ecBigger(), edOne(),
	}
	for _, k := range keys {
		server := startKeyServer(t, k)
		a := withTokens(t, server.rule(func(r *platform.TokenRule) { r.Algorithms = []string{k.method.Alg()} }))
		want(t, a, bearer(k.sign(nil, claims(nil))), "cf")
		want(t, a, bearer(k.sign(object{"kid": nil}, claims(nil))), "cf") // the only key needs no name
		for _, other := range keys {
			if other.method != k.method {
				want(t, a, bearer(other.sign(object{"kid": k.id}, claims(nil))), "")
			}
		}
	}
	several := withTokens(t, startKeyServer(t, rsaOne(), rsaTwo()).rule(nil))
	want(t, several, bearer(rsaOne().sign(nil, claims(nil))), "cf")
	want(t, several, bearer(rsaOne().sign(object{"kid": nil}, claims(nil))), "")
}

// TestKeyFile has keys in PEM, of which any that fits may have signed.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.pem")
	content := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustPKIX(t, rsaOne())}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustPKIX(t, ecOne())})...)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a := withTokens(t, platform.TokenRule{
		Issuer: issuerName, Keys: platform.KeySource{File: file}, Audience: []string{audience},
		Algorithms: platform.DefaultAlgorithms(),
	})
	want(t, a, bearer(rsaOne().sign(nil, claims(nil))), "cf")
	want(t, a, bearer(rsaOne().sign(object{"kid": nil}, claims(nil))), "cf")
	want(t, a, bearer(ecOne().sign(object{"kid": "any name"}, claims(nil))), "cf")
	want(t, a, bearer(rsaTwo().sign(nil, claims(nil))), "")
	want(t, a, bearer(ecTwo().sign(nil, claims(nil))), "")
}
