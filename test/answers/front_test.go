package answers_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestFront covers what is decided before a body or a record is looked at.
func TestFront(t *testing.T) {
	t.Parallel()
	e := startEstate(t)
	e.makeInstance(t, "front", e.one)
	t.Run("credentials", func(t *testing.T) { testCredentials(t, e) })
	t.Run("unknown path", func(t *testing.T) { testUnknownPaths(t, e) })
	t.Run("next handler", func(t *testing.T) { testNextHandler(t, e) })
	t.Run("method", func(t *testing.T) { testMethods(t, e) })
	t.Run("version", func(t *testing.T) { testVersions(t, e) })
	t.Run("request identity", func(t *testing.T) { testRequestIdentity(t, e) })
	t.Run("id", func(t *testing.T) { testIDs(t, e) })
	t.Run("early data", func(t *testing.T) { testEarlyData(t, e) })
}

// testEarlyData: calls that somebody may have sent again do not change anything.
func testEarlyData(t *testing.T, e *estate) {
	t.Parallel()
	const header = "Early-Data: 1"
	for _, r := range []request{
		provision("early", e.one.offers()),
		{method: "DELETE", target: instancePath("front", "?service_id=alpha-id&plan_id=alpha-small")},
	} {
		r.header = header
		e.refuses(t, r, tooEarly)
	}
	e.relays(t, request{method: "GET", target: instancePath("front", ""), header: header}, e.one, 200)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func testCredentials(t *testing.T, e *estate) {
	t.Parallel()
	good := basic(harness.User, harness.Password)
	credentials := map[string]string{
		"none":                  "",
		"wrong password":        "Authorization: " + basic(harness.User, "wrong"),
		"unknown user":          "Authorization: " + basic("nobody", harness.Password),
		"empty":                 "Authorization:",
		"no user":               "Authorization: " + basic("", ""),
		"bearer token":          "Authorization: Bearer " + strings.TrimPrefix(good, "Basic "),
		"no base64":             "Authorization: Basic %%%",
		"no colon":              "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(harness.User)),
		"two headers":           "Authorization: " + good + "\nAuthorization: " + good,
		"backend's credentials": "Authorization: " + basic("gateway", harness.BrokerPassword),
	}
	targets := map[string]request{
		"catalog":      {method: "GET", target: "/v2/catalog"},
		"provision":    provision("front-401", e.one.offers()),
		"fetch":        {method: "GET", target: instancePath("front", "")},
		"delete":       {method: "DELETE", target: instancePath("front", "")},
		"poll":         {method: "GET", target: instancePath("front", "/last_operation")},
		"state":        {method: "GET", target: "/bluemix_v1/service_instances/front"},
		"unknown path": {method: "GET", target: "/v2/nothing"},
		"wrong method": {method: "POST", target: "/v2/catalog"},
		"bad id":       {method: "GET", target: instancePath("%2E%2E", "")},
		"no version":   {method: "GET", target: "/v2/catalog", version: "-"},
	}
	for name, header := range credentials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for on, r := range targets {
				t.Run(on, func(t *testing.T) {
					r.user, r.header = "-", header
					a := e.refuses(t, r, unauthorized)
					if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic realm=") {
						t.Errorf("got WWW-Authenticate %q, want Basic with a realm", got)
					}
				})
			}
		})
	}
}

func testUnknownPaths(t *testing.T, e *estate) {
	t.Parallel()
	for _, path := range []string{
		"/v2", "/v2/", "/v2/catalog/", "/v2/catalog/x", "/v2//catalog", "/v2/%63atalog", "/v2/Catalog", "/v2/nothing",
		"/v2/service_instances", "/v2/service_instances/", "/v2/service_instances//last_operation",
		"/v2/service_instances/front/nothing", "/v2/service_instances/front/last_operation/",
		"/v2/service_instances/front/service_bindings", "/v2/service_instances/front/service_bindings/",
		"/v2/service_instances/front/service_bindings//last_operation",
		"/v2/service_instances/front/service_bindings/b/nothing",
		"/v2/service_instances/front/service_bindings/b/last_operation/x",
		"/v2/service_instances/../catalog", "/v2/resource_instances/front", "/v2/./catalog", "/v2/../v2/catalog",
		"/bluemix_v1", "/bluemix_v1/", "/bluemix_v1/catalog", "/bluemix_v1/service_instances",
		"/bluemix_v1/service_instances/front/last_operation", "/bluemix_v1/service_instances/front/x",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "POST"} {
				e.refuses(t, request{method: method, target: path + "?service_id=alpha-id"}, notFound)
			}
		})
	}
}

// Everything that is not beneath the API's paths is for the next handler, without credentials.
func testNextHandler(t *testing.T, e *estate) {
	t.Parallel()
	for _, path := range []string{
		"/", "/v1/catalog", "/v22/catalog", "/V2/catalog", "/v3/service_plans/guid", "/%762/catalog", "//v2/catalog",
		"/bluemix_v2/service_instances/front", "/bluemix_v10", "/x/v2/catalog", "/healthz", "/healthz/other",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			a, _ := do(t, e.Gateway, request{method: "GET", target: path, user: "-"})
			if a.status != 299 || a.body != nextHandler {
				t.Errorf("got %d %q, want that of the next handler", a.status, a.body)
			}
			if got := a.header.Get("X-Broker-API-Request-Identity"); got != "" {
				t.Errorf("got request identity %q from the next handler", got)
			}
		})
	}
}

func testMethods(t *testing.T, e *estate) {
	t.Parallel()
	methods := []string{"GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "OPTIONS", "TRACE", "BREW", "get", "PROPFIND"}
	for path, allow := range map[string]string{
		"/v2/catalog":                                                   "GET",
		"/v2/service_instances/front":                                   "GET, PUT, PATCH, DELETE",
		"/v2/service_instances/front/":                                  "GET, PUT, PATCH, DELETE",
		"/v2/service_instances/front/last_operation":                    "GET",
		"/v2/service_instances/front/service_bindings/b":                "GET, PUT, DELETE",
		"/v2/service_instances/front/service_bindings/b/":               "GET, PUT, DELETE",
		"/v2/service_instances/front/service_bindings/b/last_operation": "GET",
		"/bluemix_v1/service_instances/front":                           "GET, PUT",
		"/v2/service_instances/last_operation":                          "GET, PUT, PATCH, DELETE",
	} {
		for _, method := range methods {
			if strings.Contains(", "+allow+",", ", "+method+",") {
				continue
			}
			t.Run(method+" "+path, func(t *testing.T) {
				t.Parallel()
				r := request{method: method, target: path}
				if method != "HEAD" {
					e.refuses(t, r, methodNotAllowed(allow))
					return
				}
				a, identity := do(t, e.Gateway, r)
				if a.status != 405 || a.header.Get("Allow") != allow || a.body != "" {
					t.Errorf("got %d, Allow %q, body %q; want 405, %q and none", a.status, a.header.Get("Allow"), a.body, allow)
				}
				if got := a.header.Get("X-Broker-API-Request-Identity"); got != identity {
					t.Errorf("got request identity %q, want %q", got, identity)
				}
			})
		}
	}
}

func testVersions(t *testing.T, e *estate) {
	t.Parallel()
	fetch := request{method: "GET", target: instancePath("v", "?service_id=alpha-id")}
	state := request{method: "GET", target: "/bluemix_v1/service_instances/crn:v1:x:y:alpha:r:s:v::"}
	tests := map[string]struct {
		user, version string
		// refused, or how the version looks at the broker
		refused bool
		sent    string
	}{
		"missing":                        {"", "-", false, ""},
		"missing where required":         {strictUser, "-", true, ""},
		"missing where there is another": {defaultUser, "-", false, "2.13"},
		"empty where there is another":   {defaultUser, "\t", false, "2.13"},
		"present where there is another": {defaultUser, "2.15", false, "2.15"},
		"the least":                      {strictUser, "2.14", false, "2.14"},
		"above the least":                {strictUser, "2.100", false, "2.100"},
		"below the least":                {strictUser, "2.13", true, ""},
		"below the least by number":      {strictUser, "2.9", true, ""},
		"old":                            {"", "2.0", false, "2.0"},
		"another major version":          {strictUser, "1.99", true, ""},
		"one number":                     {"", "2", true, ""},
		"three numbers":                  {"", "2.14.0", true, ""},
		"a letter":                       {"", "v2.14", true, ""},
		"a sign":                         {"", "+2.14", true, ""},
		"a leading zero":                 {"", "2.014", true, ""},
		"a long number":                  {"", "2.99999999999999999999", true, ""},
		"a list":                         {"", "2.14, 2.15", true, ""},
		"no number":                      {"", "latest", true, ""},
		"malformed where there is one":   {defaultUser, "2.x", true, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fetch.as(test.user)
			r.version = test.version
			if test.refused {
				e.refuses(t, r, unsupportedVersion)
			} else {
				_, got := e.relays(t, r, e.one, 200)
				if version := got.Header.Get("X-Broker-API-Version"); version != test.sent {
					t.Errorf("got version %q at the broker, want %q", version, test.sent)
				}
			}
			// IBM Cloud's extension has no version, and whatever one is there goes on as it is.
			r = state.as(test.user)
			r.version = test.version
			_, got := e.relays(t, r, e.one, 200)
			want := strings.TrimSpace(strings.TrimPrefix(test.version, "-"))
			if version := got.Header.Get("X-Broker-API-Version"); version != want {
				t.Errorf("got version %q at the broker for the state, want %q", version, want)
			}
		})
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func testRequestIdentity(t *testing.T, e *estate) {
	t.Parallel()
	targets := map[string]request{
		"catalog":      {method: "GET", target: "/v2/catalog"},
		"401":          {method: "GET", target: "/v2/catalog", user: "-"},
		"404":          {method: "GET", target: "/v2/nothing"},
		"405":          {method: "POST", target: "/v2/catalog"},
		"412":          {method: "GET", target: "/v2/catalog", version: "2"},
		"400":          {method: "GET", target: instancePath(".", "")},
		"backend":      {method: "GET", target: instancePath("front", "")},
		"unknown poll": {method: "GET", target: instancePath("nobody", "/last_operation")},
	}
	for name, identity := range map[string]string{
		"absent": "-", "empty": " ", "too long": strings.Repeat("i", 257), "a tab in it": "a\tb", "not ASCII": "id-\xc3\xa4",
		"not UTF-8": "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for on, r := range targets {
				r.identity = identity
				a, _ := do(t, e.Gateway, r)
				got := a.header.Values("X-Broker-API-Request-Identity")
				if len(got) != 1 || !uuid.MatchString(got[0]) {
					t.Errorf("%s: got request identity %q, want a new UUID", on, got)
					continue
				}
				if sent := e.one.gotIdentity(got[0]); on == "backend" && len(sent) != 1 {
					t.Errorf("the broker got the request identity %d times, want once", len(sent))
				}
			}
		})
	}
	for name, identity := range map[string]string{
		"of a platform": "0d8b3d06-9d57-4d2e-b3a0-platform", "as long as may be": strings.Repeat("i", 256),
		"any printable ASCII": `<a href="x">, ; ~!`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for on, r := range targets {
				r.identity = identity
				a, _ := do(t, e.Gateway, r)
				if got := a.header.Values("X-Broker-API-Request-Identity"); len(got) != 1 || got[0] != identity {
					t.Errorf("%s: got request identity %q, want %q", on, got, identity)
				}
			}
			if got := e.one.gotIdentity(identity); len(got) != 1 {
				t.Errorf("the broker got the request identity %d times, want once", len(got))
			}
		})
	}
	t.Run("the broker's own", func(t *testing.T) {
		t.Parallel()
		e.one.on("front-identity", says(reply("200 OK", "X-Broker-API-Request-Identity: theirs", "{}")))
		e.relays(t, request{method: "GET", target: instancePath("front-identity", "?service_id=alpha-id")}, e.one, 200)
	})
}
