package answers_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

var identityRequired = own{status: 400, code: "OriginatingIdentityRequired"}

func identityLine(platform, value string) string {
	return "X-Broker-API-Originating-Identity: " + platform + " " + base64.StdEncoding.EncodeToString([]byte(value))
}

// TestIdentityDemanded has platforms of which an identity is demanded, and one of which none is.
func TestIdentityDemanded(t *testing.T) {
	t.Parallel()
	one := startRawBroker(t, catalogOf(offering("alpha-id", "alpha", "alpha-small")))
	two := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	rules := map[string]string{
		"lenient": "", "explicit": "identity lenient", "required": "identity required", "strict": "identity strict",
		"pinned": "identity required cloudfoundry", "strictly-pinned": "identity strict cloudfoundry",
	}
	block := "store memory\n"
	for user, rule := range rules {
		block += platform(user, "unknown_instances forward\n\t"+rule)
	}
	e := &estate{
		Gateway: harness.Start(t, harness.Options{Block: block + one.backend("one", "") + two.backend("two", "")}), one: one, two: two,
	}
	cf, k8s := identityLine("cloudfoundry", `{"user_id":"u"}`), identityLine("kubernetes", `{"username":"u","uid":"1","groups":[]}`)
	const hint = `"service_id":"alpha-id","plan_id":"alpha-small"`
	context := func(platform string) string { return hint + fmt.Sprintf(`,"context":{"platform":%q}`, platform) }
	for _, test := range []struct {
		name, header, body string
		// refused are the platforms that it is refused to.
		refused string
	}{
		{"none", "", hint, "required strict pinned strictly-pinned"},
		{"none, with a context", "", context("cloudfoundry"), "required strict pinned strictly-pinned"},
		{"empty", "X-Broker-API-Originating-Identity:", hint, "required strict pinned strictly-pinned"},
		{"not base64", "X-Broker-API-Originating-Identity: cloudfoundry !!!", hint, "required strict pinned strictly-pinned"},
		{"no value", "X-Broker-API-Originating-Identity: cloudfoundry", hint, "required strict pinned strictly-pinned"},
		{"JSON of another type", identityLine("cloudfoundry", "[1]"), hint, "required strict pinned strictly-pinned"},
		{"cut JSON", identityLine("cloudfoundry", `{"user_id":`), hint, "required strict pinned strictly-pinned"},
		{"two", cf + "\n" + cf, hint, "required strict pinned strictly-pinned"},
		{"Cloud Foundry", cf, hint, ""},
		{"a user of another name", identityLine("cloudfoundry", `{"x":1}`), hint, ""},
		{"a bare string", identityLine("ibmcloud", "IBMid-1"), hint, "pinned strictly-pinned"},
		{"another platform", k8s, hint, "pinned strictly-pinned"},
		{"the platform in capitals", identityLine("CloudFoundry", `{"user_id":"u"}`), hint, "pinned strictly-pinned"},
		{"the context's platform", cf, context("cloudfoundry"), ""},
		{"the context's other platform", k8s, context("kubernetes"), "pinned strictly-pinned"},
		{"another platform than the context's", k8s, context("cloudfoundry"), "strict pinned strictly-pinned"},
		{"another context than the identity's", cf, context("kubernetes"), "strict strictly-pinned"},
		{"a context without a platform", cf, hint + `,"context":{}`, ""},
		{"a context that is none", cf, hint + `,"context":null`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for user := range rules {
				id := "identity-" + strings.ReplaceAll(test.name, " ", "-") + "-" + user
				refused := strings.Contains(" "+test.refused+" ", " "+user+" ")
				e.relays(t, request{method: "PUT", target: instancePath(id, ""), body: "{" + hint + "}", user: user, header: cf}, one, 201)
				for _, c := range calls {
					r := request{method: c.method, target: fmt.Sprintf(c.path, id), user: user, header: test.header}
					if c.body != "" {
						r.body = "{" + test.body + "}"
					}
					switch {
					case c.body == "": // GET and DELETE; a deletion is for an instance of its own
						if c.deletes {
							r.target = fmt.Sprintf(c.path, id+"-unknown") + "?service_id=alpha-id&plan_id=alpha-small"
						}
						e.relays(t, r, one, 200)
					case refused && c.name != "set_state": // IBM Cloud sends none with that
						e.refuses(t, r, identityRequired)
					default:
						a, identity := do(t, e.Gateway, r)
						if a.status >= 300 || len(one.gotIdentity(identity)) != 1 {
							t.Errorf("%s %s as %s: got %d %s", r.method, r.target, user, a.status, a.body)
						}
					}
				}
			}
		})
	}
}
