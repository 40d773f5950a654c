package platform_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// plainRule is a good rule of which nothing is fetched.
func plainRule(change ...func(*platform.TokenRule)) platform.TokenRule {
	r := platform.TokenRule{
		Issuer: issuerName, Keys: platform.KeySource{URL: "https://keys.example.net/keys"}, Audience: []string{audience},
		Algorithms: platform.DefaultAlgorithms(), Leeway: 30 * time.Second,
	}
	for _, change := range change {
		change(&r)
	}
	return r
}

func TestTokenRulesRefused(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good := block("PUBLIC KEY", mustPKIX(t, rsaOne()))
	inFile := func(path string) func(*platform.TokenRule) {
		return func(r *platform.TokenRule) { r.Keys = platform.KeySource{File: path} }
	}
	at := func(url string) func(*platform.TokenRule) {
		return func(r *platform.TokenRule) { r.Keys.URL = url }
	}
	type rule = *platform.TokenRule
	for _, test := range []struct {
		name   string
		change func(rule)
		want   string
	}{
		{"no issuer", func(r rule) { r.Issuer = "" }, "the issuer is empty"},
		{"no keys", func(r rule) { r.Keys = platform.KeySource{} }, "add `jwks_url`, or `key_file`"},
		{"two kinds of keys", func(r rule) { r.Keys.File = "x" }, "exclude each other"},
		{"no algorithm", func(r rule) { r.Algorithms = nil }, "no algorithm is allowed"},
		{"none", func(r rule) { r.Algorithms = []string{"RS256", "none"} }, `algorithms: "none"`},
		{"HS256", func(r rule) { r.Algorithms = []string{"HS256"} }, `"HS256": it is ES256, ES384`},
		{"rs256", func(r rule) { r.Algorithms = []string{"rs256"} }, `"rs256"`},
		{"empty audience", func(r rule) { r.Audience = []string{""} }, "an audience is empty"},
		{"no audience", func(r rule) { r.Audience = nil }, "add `audience`, or `require` of iam_id or sub"},
		{"no audience, and a claim that names nobody", func(r rule) {
			r.Audience, r.Require = nil, []platform.Requirement{{Claim: "/account/sub", Values: []string{"x"}}}
		}, "add `audience`"},
		{"no claim", func(r rule) { r.Require = []platform.Requirement{{Values: []string{"x"}}} }, "the name of the claim is empty"},
		{"no value", func(r rule) { r.Require = []platform.Requirement{{Claim: "sub"}} }, "require sub: there is no value"},
		{"empty value", func(r rule) { r.Require = []platform.Requirement{{Claim: "sub", Values: []string{""}}} }, "a value is empty"},
		{"broken pointer", func(r rule) { r.Require = []platform.Requirement{{Claim: "/a~2b", Values: []string{"x"}}} }, "is not a JSON pointer"},
		{"broken end of a pointer", func(r rule) { r.Require = []platform.Requirement{{Claim: "/a~", Values: []string{"x"}}} }, "is not a JSON pointer"},
		{"negative leeway", func(r rule) { r.Leeway = -1 }, "leeway is negative"},

		{"http", at("http://keys.example.net/keys"), "whoever can change the keys on the way can sign tokens"},
		{"http to an address", at("http://10.0.0.1/keys"), "http is for this machine only"},
		{"http that looks like loopback", at("http://localhost.example.net/keys"), "http is for this machine only"},
		{"another scheme", at("file:///etc/keys"), "must begin with https://"},
		{"no scheme", at("keys.example.net"), "must begin with https://"},
		{"no host", at("https:///keys"), "has no host"},
		{"user info", at("https://u:topsecret@keys.example.net"), "must not hold a user name"},
		{"fragment", at("https://keys.example.net#x"), "must not have a fragment"},
		{"malformed", at("https://u:topsecret@[::1"), "jwks_url is malformed"},

		{"no file", inFile(filepath.Join(directory, "absent")), "no such file"},
		{"a directory", inFile(directory), "is a directory"},
		{"no PEM", inFile(file("text", []byte("hello"))), "no public key in PEM"},
		{"private key", inFile(file("private", append(good, block("PRIVATE KEY", []byte("x"))...))), "it holds a private key"},
		{"EC private key", inFile(file("ec", block("EC PRIVATE KEY", []byte("x")))), "it holds a private key"},
		{"a request", inFile(file("request", block("CERTIFICATE REQUEST", []byte("x")))), `it holds a "CERTIFICATE REQUEST"`},
		{"malformed key", inFile(file("malformed", block("PUBLIC KEY", []byte("x")))), "key 1 is malformed"},
		{"weak key", inFile(file("weak", append(good, block("PUBLIC KEY", mustPKIX(t, weakRSA()))...))), "key 2: it has 1024 bits; RSA keys have 2048 to 8192"},
		{"too many keys", inFile(file("many", []byte(strings.Repeat(string(good), 9)))), "more than 8 keys"},
		{"too large", inFile(file("large", []byte(strings.Repeat("x", 1<<20+1)))), "larger than 1 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := platform.NewAuthenticator([]platform.Platform{{Name: "cf", Tokens: []platform.TokenRule{plainRule(test.change)}}})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `platform "cf", jwt `) {
				t.Fatalf("error: got %v, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

func TestTokenRulesAllowed(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"https://keys.example.net/keys", "https://keys.example.net/keys?tenant=1", "http://localhost:8080/keys", "http://127.0.0.1/keys",
		"http://[::1]:80/keys", "HTTPS://keys.example.net",
	} {
		mustNew(t, platform.Platform{Name: "cf", Tokens: []platform.TokenRule{plainRule(func(r *platform.TokenRule) { r.Keys.URL = url })}})
	}
}

// TestTokenRulesOfTwoPlatforms: rules that no token could tell apart are mistakes; others are not.
func TestTokenRulesOfTwoPlatforms(t *testing.T) {
	t.Parallel()
	require := func(lines ...string) func(*platform.TokenRule) {
		return func(r *platform.TokenRule) {
			for _, line := range lines {
				words := strings.Fields(line)
				r.Require = append(r.Require, platform.Requirement{Claim: words[0], Values: words[1:]})
			}
		}
	}
	audiences := func(names ...string) func(*platform.TokenRule) {
		return func(r *platform.TokenRule) { r.Audience = names }
	}
	same := func(*platform.TokenRule) {}
	for _, test := range []struct {
		name     string
		one, two func(*platform.TokenRule)
		shared   bool
	}{
		{"the same", same, same, true},
		{"the same requirements", require("a x", "b y"), require("b y", "/a x"), true},
		{"one asks for more", same, require("a x"), true},
		{"one asks for more of the same", require("a x y"), require("a x", "b z"), true},
		{"an audience more", audiences("a", "b"), audiences("a"), true},
		{"other values", require("a x"), require("a y"), false},
		{"values that overlap", require("a x y"), require("a y z"), false},
		{"other claims", require("a x"), require("b x"), false},
		{"other audiences", audiences("a"), audiences("b"), false},
		{"another issuer", same, func(r *platform.TokenRule) { r.Issuer = "https://other" }, false},
		{"other keys", same, func(r *platform.TokenRule) { r.Keys.URL = "https://other/keys" }, false},
		{"the same keys over another transport", same, func(r *platform.TokenRule) { r.Keys.Over = "other" }, true},
		{"other algorithms", same, func(r *platform.TokenRule) { r.Algorithms = []string{"PS256"} }, false},
	} {
		for _, swap := range []bool{false, true} {
			one, two := plainRule(test.one), plainRule(test.two)
			if swap {
				one, two = two, one
			}
			_, err := platform.NewAuthenticator([]platform.Platform{
				{Name: "one", Tokens: []platform.TokenRule{one}}, {Name: "two", Tokens: []platform.TokenRule{two}},
			})
			switch {
			case !test.shared && err != nil:
				t.Errorf("%s: %v", test.name, err)
			case test.shared && (err == nil || !strings.Contains(err.Error(), `platform "two", jwt `+issuerName) ||
				!strings.Contains(err.Error(), `platform "one" too: tell the two apart`)):
				t.Errorf("%s: got %v", test.name, err)
			}
		}
	}
	_, err := platform.NewAuthenticator([]platform.Platform{{Name: "cf", Tokens: []platform.TokenRule{plainRule(require("a x")), plainRule(require("a y"))}}})
	if err == nil || !strings.Contains(err.Error(), "the issuer is there twice") {
		t.Errorf("one issuer twice: got %v", err)
	}
}

func TestCertificateRulesRefused(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("ab", 32)
	of := func(rules ...string) []platform.Platform {
		return []platform.Platform{{Name: "cf", Certificates: rules}}
	}
	for _, test := range []struct {
		platforms []platform.Platform
		want      string
	}{
		{of("sha256:abcd"), "64 hexadecimal digits"},
		{of("sha256:" + digits[1:] + "x"), "64 hexadecimal digits"},
		{of("sha1:" + digits[:40]), "it is sha256:<hex>, dns:<name> or uri:<uri>"},
		{of(digits), "it is sha256:<hex>"},
		{of("cn:cf"), "it is sha256:<hex>"},
		{of("dns:"), "one host name"},
		{of("dns:*.example.net"), "without a wildcard"},
		{of("dns:a.example.net."), "one host name"},
		{of("dns:a b"), "one host name"},
		{of("dns:ä.example.net"), "one host name"},
		{of("uri:"), "a URI as certificates have it"},
		{of("uri:cf"), "a URI as certificates have it"},
		{of("uri:spiffe://a b/"), "a URI as certificates have it"},
		{of("sha256:"+digits, "sha256:"+strings.ToUpper(digits)), "is there twice"},
		{of("dns:a.net", "dns:A.net"), "is there twice"},
		{
			append(of("dns:a.net"), platform.Platform{Name: "k8s", Certificates: []string{"dns:a.net"}}),
			`platform "k8s": client_cert "dns:a.net" belongs to platform "cf" already`,
		},
	} {
		if _, err := platform.NewAuthenticator(test.platforms); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q in it", test.platforms, err, test.want)
		}
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	basic := platform.Platform{Name: "cf", Basic: []platform.BasicCredential{{User: "u", Hash: argon2idOf("p")}}}
	tokens := platform.Platform{Name: "k8s", Tokens: []platform.TokenRule{plainRule()}}
	if got := mustNew(t, basic).Challenges(); len(got) != 1 || !strings.HasPrefix(got[0], "Basic ") {
		t.Errorf("without tokens: %q", got)
	}
	if got := mustNew(t, basic, tokens).Challenges(); len(got) != 2 || !strings.HasPrefix(got[1], "Bearer ") {
		t.Errorf("with tokens: %q", got)
	}
}
