package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeKey writes a public key in PEM and returns the path of the file.
func writeKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// jwtPlatform is a configuration with one platform that has tokens, of which the lines are these.
func jwtPlatform(lines string) string {
	return "platform cf {\n\tjwt https://issuer.example.net {\n" + lines + "\n}\n}\n" + backendBlock
}

const fingerprint = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestProvisionCallers(t *testing.T) {
	useOwnDirectories(t)
	t.Setenv("OSB_TEST_PASSWORD", secretPassword)
	t.Setenv("OSB_TEST_WORD", "strict")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(secretPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "jwks_url https://issuer.example.net/keys\n"
	for _, test := range []struct{ name, block string }{
		{"Tokens", jwtPlatform(url + "audience osb")},
		{"TokensByFile", jwtPlatform("key_file " + writeKey(t) + "\naudience osb")},
		{"TokensOfOneSubject", jwtPlatform(url + "require sub a b")},
		{"TokensOfOneIAMID", jwtPlatform(url + "require iam_id a")},
		{"TokensOfOnePointer", jwtPlatform(url + "require /sub a")},
		{"KeysOfThisMachine", jwtPlatform("jwks_url http://localhost:1/keys\naudience osb")},
		{"AllOfIt", jwtPlatform(url + "jwks_token {file." + token + "}\ntransport http {\n\tversions 1.1\n}\naudience a b\n" +
			"algorithms RS256 PS512 ES384 EdDSA\nrequire /a/b c d\nrequire scope {env.OSB_TEST_PASSWORD}\nleeway 10m")},
		{"Certificates", "platform cf {\n\tclient_cert " + fingerprint + " dns:a.example.net uri:spiffe://a/b\n}\n" + backendBlock},
		{"Mixture", "platform cf {\n\tbasic_auth user " + secretHash + "\n\tclient_cert " + fingerprint +
			"\n\tjwt https://one {\n" + url + "audience a\n}\njwt https://two {\n" + url + "audience a\n}\n}\n" + backendBlock},
		{"Identity", "platform cf {\n\tbasic_auth user " + secretHash + "\n\tidentity {env.OSB_TEST_WORD} cloudfoundry\n}\n" + backendBlock},
		{"IdentityLenient", "platform cf {\n\tbasic_auth user " + secretHash + "\n\tidentity lenient\n}\n" + backendBlock},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, site(test.block)); err != nil {
				t.Errorf("validating: %v", err)
			}
		})
	}
}

func TestProvisionCallersProblems(t *testing.T) {
	useOwnDirectories(t)
	const url = "jwks_url https://issuer.example.net/keys\n"
	two := func(first, second string) string {
		return "platform cf {\n\tunknown_instances reject\n\t" + first + "\n}\nplatform k8s {\n\tunknown_instances reject\n\t" + second +
			"\n}\n" + backendBlock
	}
	rule := func(lines string) string { return "jwt https://issuer.example.net {\n" + url + lines + "\n}" }
	platform := func(lines string) string {
		return "platform cf {\n\tbasic_auth user " + secretHash + "\n\t" + lines + "\n}\n" + backendBlock
	}
	for _, test := range []struct {
		name, block string
		want        []string
	}{
		{"NoCredentials", "platform cf\n" + backendBlock, []string{"add `basic_auth`, `jwt` or `client_cert`"}},
		{"NoKeys", jwtPlatform("audience a"), []string{
			`platform "cf", jwt https://issuer.example.net: the keys of the issuer are missing: add ` + "`jwks_url`, or `key_file`",
		}},
		{"TwoKindsOfKeys", jwtPlatform(url + "key_file /x\naudience a"), []string{"`jwks_url` and `key_file` exclude each other"}},
		{"NoAudience", jwtPlatform(url), []string{"without `audience`", "`require` of iam_id or sub"}},
		{"NoAudienceAndNobody", jwtPlatform(url + "require /account/bss x"), []string{"without `audience`"}},
		{"None", jwtPlatform(url + "audience a\nalgorithms RS256 none"), []string{`algorithms: "none"`, "never allowed"}},
		{"SharedSecret", jwtPlatform(url + "audience a\nalgorithms HS256"), []string{`algorithms: "HS256"`, "shared secret"}},
		{"HTTP", jwtPlatform("jwks_url http://issuer.example.net/keys\naudience a"), []string{"jwks_url must begin with https://"}},
		{"UserInfo", jwtPlatform("jwks_url https://u:" + secretPassword + "@issuer.example.net/keys\naudience a"), []string{
			"jwks_url must not hold a user name or password",
		}},
		{"MissingFile", jwtPlatform("key_file /nowhere/key.pem\naudience a"), []string{"key_file: open /nowhere/key.pem"}},
		{"TokenWithFile", jwtPlatform("key_file /x\njwks_token " + secretPassword + "\naudience a"), []string{"are for a `jwks_url`"}},
		{"TransportWithFile", jwtPlatform("key_file /x\ntransport http\naudience a"), []string{"are for a `jwks_url`"}},
		{"MissingToken", jwtPlatform(url + "jwks_token {file./nowhere/token}\naudience a"), []string{"jwks_token"}},
		{"UnsetToken", jwtPlatform(url + "jwks_token {env.OSB_TEST_UNSET}\naudience a"), []string{"jwks_token"}},
		{"UnsetIssuer", "platform cf {\n\tjwt {env.OSB_TEST_UNSET} {\n" + url + "audience a\n}\n}\n" + backendBlock, []string{"OSB_TEST_UNSET"}},
		{"Pointer", jwtPlatform(url + "audience a\nrequire /a~2 b"), []string{`"/a~2" is not a JSON pointer`}},
		{"Leeway", jwtPlatform(url + "audience a\nleeway 11m"), []string{"leeway: 11m0s is more than 10m0s"}},
		{"SharedRule", two(rule("audience a"), rule("audience a")), []string{
			`platform "k8s", jwt https://issuer.example.net: tokens that match would match platform "cf" too`,
			"`require` or `audience`",
		}},
		{"SharedRuleWithMore", two(rule("audience a\nrequire sub x"), rule("audience a")), []string{`would match platform "cf" too`}},
		{"SharedCertificate", two("client_cert "+fingerprint, "client_cert "+strings.ToUpper(fingerprint)), []string{
			`platform "k8s": client_cert`, `belongs to platform "cf" already`,
		}},
		{"CertificateTwice", platform("client_cert dns:a dns:A"), []string{`client_cert "dns:A" is there twice`}},
		{"CertificateKind", platform("client_cert cn:a"), []string{"it is sha256:<hex>, dns:<name> or uri:<uri>"}},
		{"Wildcard", platform("client_cert dns:*.example.net"), []string{"without a wildcard"}},
		{"IdentityLenient", platform("identity lenient cloudfoundry"), []string{"identity lenient takes no platform"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblem(t, validate(t, site(test.block)), test.want...)
		})
	}
}

func TestProvisionCallersJSONProblems(t *testing.T) {
	useOwnDirectories(t)
	type object = map[string]any
	platform := func(fields object) object {
		fields["name"] = "cf"
		return object{"platforms": []any{fields}}
	}
	jwt := func(fields object) object {
		fields["issuer"] = "https://issuer.example.net"
		return platform(object{"jwt": []any{fields}})
	}
	for _, test := range []struct {
		name   string
		fields object
		want   string
	}{
		{"NullRule", platform(object{"jwt": []any{nil}}), "platform cf: jwt 1 is null"},
		{"UnknownKey", jwt(object{"jwk_url": "x"}), `unknown field "jwk_url"`},
		{"UnknownRequireKey", jwt(object{"require": []any{object{"name": "sub"}}}), `unknown field "name"`},
		{"NoIssuer", platform(object{"jwt": []any{object{"jwks_url": "https://a", "audience": []any{"a"}}}}), "the issuer is empty"},
		{"NoValues", jwt(object{"jwks_url": "https://a", "require": []any{object{"claim": "sub"}}}), "require sub: there is no value"},
		{"NoClaim", jwt(object{"jwks_url": "https://a", "require": []any{object{"values": []any{"x"}}}}), "the name of the claim is empty"},
		{"EmptyAudience", jwt(object{"jwks_url": "https://a", "audience": []any{""}}), "an audience is empty"},
		{"IssuerTwice", platform(object{"jwt": []any{
			object{"issuer": "https://a", "jwks_url": "https://a", "audience": []any{"a"}},
			object{"issuer": "https://a", "jwks_url": "https://b", "audience": []any{"b"}},
		}}), "the issuer is there twice"},
		{"UnknownTransport", jwt(object{"jwks_url": "https://a", "transport": object{"protocol": "pigeon"}}), "http.reverse_proxy.transport.pigeon"},
		{"Certificate", platform(object{"client_cert": []any{""}}), "it is sha256:<hex>"},
		{"IdentityWord", platform(object{"identity": "some", "client_cert": []any{fingerprint}}), "identity \"some\": it is `lenient`, `required` or `strict`"},
		{"IdentityPlatformAlone", platform(object{"identity_platform": "x", "client_cert": []any{fingerprint}}), "identity lenient takes no platform"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblem(t, validateJSON(t, leastJSON(t, test.fields)), test.want)
		})
	}
}

// TestValidateFetchesNoKeys: keys are fetched when the gateway starts, not when its configuration is checked.
func TestValidateFetchesNoKeys(t *testing.T) {
	useOwnDirectories(t)
	issuer := listenInVain(t)
	block := jwtPlatform("jwks_url http://" + issuer.Addr().String() + "/keys\naudience a")
	if err := validate(t, site(block)); err != nil {
		t.Errorf("validating: %v", err)
	}
	awaitEndOfGateways(t)
	checkNotDialled(t, "the issuer", issuer)
}

// TestValidateWarnsOfKeyTokens finds a token that is written in the configuration.
func TestValidateWarnsOfKeyTokens(t *testing.T) {
	useOwnDirectories(t)
	t.Setenv("OSB_TEST_PASSWORD", secretPassword)
	for value, warned := range map[string]bool{secretPassword: true, "{env.OSB_TEST_PASSWORD}": false} {
		log := filepath.Join(t.TempDir(), "log")
		block := jwtPlatform("jwks_url https://issuer.example.net/keys\naudience a\njwks_token " + value)
		if err := validate(t, strings.Replace(site(block), "output discard", "output file "+log, 1)); err != nil {
			t.Fatalf("validating: %v", err)
		}
		content, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		said := string(content)
		if strings.Contains(said, "platform cf jwt https://issuer.example.net jwks_token") != warned || strings.Contains(said, secretPassword) {
			t.Errorf("%s: the log says:\n%s", value, said)
		}
	}
}
