package e2e_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// documentedPlatform is the platform block of the example in docs/authentication.md that has this issuer. Its keys are
// fetched from another place, and what it takes from the environment is left to the environment.
func documentedPlatform(t *testing.T, issuer string, keys *harness.Issuer, tokenFile string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "authentication.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		if !strings.Contains(example.Text, "jwt "+issuer+" {") {
			continue
		}
		begin, end := strings.Index(example.Text, "platform "), strings.Index(example.Text, "\tbackend ")
		block := example.Text[begin:end]
		block = regexp.MustCompile(`jwks_url \S+`).ReplaceAllLiteralString(block, "jwks_url "+keys.URL)
		block = strings.ReplaceAll(block, "/var/run/secrets/kubernetes.io/serviceaccount/token", tokenFile)
		return strings.ReplaceAll(block, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", keys.CA)
	}
	t.Fatalf("docs/authentication.md has no example with the issuer %s", issuer)
	return ""
}

// documentedCase is a token of a real issuer's shape.
type documentedCase struct {
	name   string
	claims harness.Claims
	good   bool
}

// checkDocumented starts a gateway with an example and tries tokens.
func checkDocumented(t *testing.T, issuer string, cases []documentedCase, environment ...string) {
	t.Helper()
	w := brokersOnly(t, nil)
	// The Kubernetes API lets only those read its keys who have a token of it, which changes from time to time.
	keys, wanted := harness.StartTLSIssuer(t), ""
	file := filepath.Join(t.TempDir(), "token")
	if strings.Contains(issuer, "kubernetes") {
		wanted = "Bearer token-of-the-gateway"
	} else {
		keys = harness.StartIssuer(t)
	}
	if err := os.WriteFile(file, []byte("token-of-the-gateway\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set := keys.JWK()
	serve := func(w http.ResponseWriter, r *http.Request) {
		if wanted != "" && r.Header.Get("Authorization") != wanted {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(jsonOf(t, map[string]any{"keys": []any{set}}))
	}
	keys.Serve(serve)
	w.start(t, harness.Options{
		Block:       fileStore + "\n" + documentedPlatform(t, issuer, keys, file) + w.backends(""),
		Environment: environment,
	})
	for _, test := range cases {
		status := http.StatusUnauthorized
		if test.good {
			status = http.StatusOK
		}
		claims := harness.Claims{"iss": issuer}
		maps.Copy(claims, test.claims)
		answer := w.expect(t, get("/v2/catalog").WithToken(keys.Token(t, claims)), status, "")
		if answer.Status != status {
			t.Errorf("failed with %s", test.name)
		}
	}
}

func TestDocumentedIBMIAM(t *testing.T) {
	t.Parallel()
	const (
		brokerCRN = "crn:v1:bluemix:public:resource-controller::a/0123456789abcdef0123456789abcdef::resource-broker:6c8f3a52"
		serviceID = "a1b2c3d4-0000-1111-2222-333344445555"
		user      = "5500ABCDEF"
	)
	account := func(valid bool) map[string]any {
		return map[string]any{"valid": valid, "bss": "0123456789abcdef0123456789abcdef", "frozen": true}
	}
	claims := func(iamID, realm, subject string, more harness.Claims) harness.Claims {
		all := harness.Claims{
			"iam_id": iamID, "id": iamID, "realmid": realm, "identifier": subject, "sub": subject, "account": account(true),
			"scope": "ibm openid", "client_id": "default", "acr": 1, "amr": []string{"pwd"}, "jti": "x",
			"authn": map[string]any{"sub": subject, "iam_id": iamID},
		}
		maps.Copy(all, more)
		return all
	}
	crn := harness.Claims{
		"sub_type": "CRN", "grant_type": "urn:ibm:params:oauth:grant-type:iam-authz",
		"scope": "ibm openid resource-controller", "client_id": "resource-controller",
	}
	apikey := harness.Claims{"sub_type": "ServiceId", "grant_type": "urn:ibm:params:oauth:grant-type:apikey"}
	checkDocumented(t, "https://iam.cloud.ibm.com/identity", []documentedCase{
		{"the broker's CRN", claims("crn-"+brokerCRN, "crn", brokerCRN, crn), true},
		{"the service id", claims("iam-ServiceId-"+serviceID, "iam", "ServiceId-"+serviceID, apikey), true},
		{"the user", claims("IBMid-"+user, "IBMid", "operator@example.com", nil), true},
		{"another customer", claims("IBMid-9900000000", "IBMid", "operator@example.com", nil), false},
		{"another broker", claims("crn-"+brokerCRN+"0", "crn", brokerCRN, crn), false},
		{"another service id", claims("iam-ServiceId-x", "iam", "ServiceId-"+serviceID, apikey), false},
		{"an account that is not valid", claims("IBMid-"+user, "IBMid", "x", harness.Claims{"account": account(false)}), false},
		{"no account", claims("IBMid-"+user, "IBMid", "x", harness.Claims{"account": nil}), false},
		{"no iam_id", claims("IBMid-"+user, "IBMid", "x", harness.Claims{"iam_id": nil}), false},
	}, "BROKER_CRN="+brokerCRN, "SERVICE_ID="+serviceID, "OPERATOR_ID="+user)
}

func TestDocumentedUAA(t *testing.T) {
	t.Parallel()
	claims := func(more harness.Claims) harness.Claims {
		all := harness.Claims{
			"sub": "cloud_controller", "client_id": "cloud_controller", "cid": "cloud_controller", "azp": "cloud_controller",
			"grant_type": "client_credentials", "rev_sig": "abc", "zid": "uaa", "aud": []string{"cloud_controller", "osb-gateway"},
			"scope": []string{"osb-gateway.call", "openid"}, "authorities": []string{"osb-gateway.call"},
		}
		maps.Copy(all, more)
		return all
	}
	checkDocumented(t, "https://uaa.cf.example.net/oauth/token", []documentedCase{
		{"the cloud controller", claims(nil), true},
		{"without the scope", claims(harness.Claims{"scope": []string{"openid"}}), false},
		{"another zone", claims(harness.Claims{"zid": "tenant"}), false},
		{"for another", claims(harness.Claims{"aud": []string{"cloud_controller"}}), false},
		{"the address of the discovery document", claims(harness.Claims{"iss": "https://uaa.cf.example.net"}), false},
	})
}

func TestDocumentedKubernetes(t *testing.T) {
	t.Parallel()
	const issuer = "https://kubernetes.default.svc.cluster.local"
	claims := func(more harness.Claims) harness.Claims {
		all := harness.Claims{
			"sub": "system:serviceaccount:service-catalog:controller-manager", "aud": []string{"osb-gateway"},
			"kubernetes.io": map[string]any{
				"namespace": "service-catalog", "serviceaccount": map[string]any{"name": "controller-manager", "uid": "u"},
				"pod": map[string]any{"name": "p", "uid": "u"}, "warnafter": 1,
			},
		}
		maps.Copy(all, more)
		return all
	}
	checkDocumented(t, issuer, []documentedCase{
		{"the account", claims(nil), true},
		{"another account", claims(harness.Claims{"sub": "system:serviceaccount:default:default"}), false},
		{"for the API", claims(harness.Claims{"aud": []string{issuer}}), false},
		{"an old token of a secret", claims(harness.Claims{"exp": nil}), false},
	})
}
