package caddymodule_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/caddymodule"
)

// leastJSON is a gateway with what it needs at least, and what fields add or replace.
func leastJSON(t *testing.T, fields map[string]any) string {
	t.Helper()
	gateway := map[string]any{
		"platforms": []any{
			map[string]any{"name": "cf", "basic_auth": []any{map[string]any{"user": "user", "hash": secretHash}}},
		},
		"backends": []any{map[string]any{"name": "one", "url": "http://127.0.0.1:1"}},
	}
	maps.Copy(gateway, fields)
	return jsonObject(t, gateway)
}

func TestProvisionJSON(t *testing.T) {
	useOwnDirectories(t)
	type object = map[string]any
	backend := func(fields object) object {
		b := object{"name": "one", "url": "http://127.0.0.1:1"}
		maps.Copy(b, fields)
		return object{"backends": []any{b}}
	}
	for _, test := range []struct {
		name   string
		fields object
	}{
		{"Least", nil},
		{"DurationString", backend(object{"timeout": "30s", "catalog_timeout": "1d"})},
		{"DurationNumber", backend(object{"timeout": 30_000_000_000, "catalog_timeout": 1})},
		{"SizeString", object{"max_request_body": "64KiB", "max_response_body": "1024"}},
		{"SizeNumber", object{"max_request_body": 65536, "max_response_body": 1}},
		{"Null", object{"max_request_body": nil, "catalog": object{"refresh": nil}, "store": nil, "identity_log": nil}},
		{"EmptyObjects", object{"catalog": object{}, "store": object{}, "identity_log": object{}}},
		{"Redis", object{"store": object{"kind": "redis", "addresses": []any{"host:6379"}, "db": "{env.OSB_TEST_DB}", "tls": object{}}}},
		{"Memory", object{"store": object{"kind": "memory"}}},
		{"Numbers", backend(object{"max_in_flight": 7, "breaker": object{"failures": 3, "open": 5_000_000_000}})},
		{"NumbersAsStrings", backend(object{"max_in_flight": "7", "breaker": object{"failures": "{env.OSB_TEST_DB}", "open": "5s"}})},
		{"BreakerInPart", backend(object{"breaker": object{"open": "5s"}})},
		{"BreakerOff", backend(object{"breaker": object{"off": true}})},
		{"OAuth2", backend(object{"oauth2": object{"token_url": "https://a", "client_id": "c", "client_secret": "{env.OSB_TEST_DB}"}})},
		{"IBMIAM", backend(object{"ibm_iam": object{"apikey": "{env.OSB_TEST_DB}"}})},
		{"Transport", backend(object{"transport": object{"protocol": "http", "versions": []any{"1.1"}}})},
		{"Policies", backend(object{
			"include": []any{object{"offering": "a", "plans": []any{"b"}}}, "exclude": []any{object{"offering": "c"}},
			"rename": object{"{env.OSB_TEST_DB}": "e"}, "prefix": "p-", "namespace_ids": true, "drain": "visible",
		})},
		{"CatalogPolicies", object{"catalog": object{"on_name_conflict": "quarantine", "materialize_defaults": true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("OSB_TEST_DB", "7")
			if err := validateJSON(t, leastJSON(t, test.fields)); err != nil {
				t.Errorf("validating: %v", err)
			}
		})
	}
}

func TestProvisionJSONProblems(t *testing.T) {
	useOwnDirectories(t)
	type object = map[string]any
	backend := func(fields object) object {
		b := object{"name": "one", "url": "http://127.0.0.1:1"}
		maps.Copy(b, fields)
		return object{"backends": []any{b}}
	}
	platform := func(fields object) object {
		p := object{"name": "cf", "basic_auth": []any{object{"user": "user", "hash": secretHash}}}
		maps.Copy(p, fields)
		return object{"platforms": []any{p}}
	}
	store := func(fields object) object { return object{"store": fields} }
	for _, test := range []struct {
		name   string
		fields object
		want   string
	}{
		{"UnknownKey", object{"nane": "x"}, `unknown field "nane"`},
		{"UnknownStoreKey", store(object{"kind": "file", "file": "x"}), `unknown field "file"`},
		{"UnknownTLSKey", store(object{"kind": "redis", "tls": object{"insecure": true}}), `unknown field "insecure"`},
		{"UnknownPlatformKey", platform(object{"oauth2": object{}}), `unknown field "oauth2"`},
		{"UnknownCredentialKey", platform(object{"basic_auth": []any{object{"user": "a", "password": secretPassword}}}), `unknown field "password"`},
		{"UnknownBackendKey", backend(object{"retries": 3}), `unknown field "retries"`},
		{"UnknownCatalogKey", object{"catalog": object{"interval": "1m"}}, `unknown field "interval"`},
		{"UnknownIdentityLogKey", object{"identity_log": object{"hash": "x"}}, `unknown field "hash"`},
		{"UnknownTransport", backend(object{"transport": object{"protocol": "pigeon"}}), "http.reverse_proxy.transport.pigeon"},
		{"UnknownTransportKey", backend(object{"transport": object{"protocol": "http", "feathers": 2}}), `unknown field "feathers"`},
		{"TransportWithoutProtocol", backend(object{"transport": object{"versions": []any{"1.1"}}}), "protocol"},
		{"NullPlatform", object{"platforms": []any{nil}}, "platform 1 is null"},
		{"NullBackend", object{"backends": []any{nil}}, "backend 1 is null"},
		{"SamePlatform", object{"platforms": []any{
			object{"name": "cf", "unknown_instances": "reject", "basic_auth": []any{object{"user": "a", "hash": secretHash}}},
			object{"name": "cf", "unknown_instances": "reject", "basic_auth": []any{object{"user": "b", "hash": secretHash}}},
		}}, `platform "cf" is there twice`},
		{"SameBackend", object{"backends": []any{
			object{"name": "one", "url": "http://127.0.0.1:1"}, object{"name": "one", "url": "http://127.0.0.1:2"},
		}}, `backend "one" is there twice`},
		{"Fraction", backend(object{"timeout": 1.5}), "1.5 is neither a string nor a whole number"},
		{"Bool", object{"max_request_body": true}, "true is neither a string nor a whole number"},
		{"NoDuration", backend(object{"timeout": 0}), `timeout: "0s" is not a duration`},
		{"NegativeDuration", backend(object{"timeout": -5}), `timeout: "-5ns" is not a duration`},
		{"NegativeSize", object{"max_request_body": -5}, `max_request_body: "-5" is not a size`},
		{"StoreKind", store(object{"kind": "etcd"}), "store \"etcd\": it is `file`, `redis` or `memory`"},
		{"PathOfMemory", store(object{"kind": "memory", "path": "/x"}), "store memory takes no path"},
		{"PathOfRedis", store(object{"kind": "redis", "addresses": []any{"a"}, "path": "/x"}), "store redis takes no path"},
		{"ReplicasOfFile", store(object{"wait_replicas": "1"}), "store file takes none of the settings of `redis`"},
		{"ClusterOfMemory", store(object{"kind": "memory", "cluster": true}), "store memory takes none of the settings of `redis`"},
		{
			"WaitTimeoutAlone", store(object{"kind": "redis", "addresses": []any{"a"}, "wait_replicas_timeout": "100ms"}),
			"`wait_replicas` has a timeout and no number",
		},
		{"URLOfFile", store(object{"url": "redis://:" + secretPassword + "@host"}), "store file takes none of the settings of `redis`"},
		{"PasswordOfMemory", store(object{"kind": "memory", "password": secretPassword}), "store memory takes none of the settings"},
		{"Incomplete", object{"catalog": object{"incomplete": "wait"}}, "catalog incomplete \"wait\": it is `serve` or `refuse`"},
		{"UnknownInstances", platform(object{"unknown_instances": "ask"}), "unknown_instances \"ask\": it is `forward` or `reject`"},
		{"IdentityLog", object{"identity_log": object{"mode": "some"}}, "identity_log \"some\": it is `full`, `hash` or `none`"},
		{"IdentityLogKey", object{"identity_log": object{"key": secretPassword}}, "identity_log full takes no key"},
		{"NoPassword", backend(object{"basic_auth": object{"user": "gateway"}}), "backend one: basic_auth needs a user name and a password"},
		{"NoUser", backend(object{"basic_auth": object{"password": secretPassword}}), "basic_auth needs a user name and a password"},
		{"NoCredentials", backend(object{"basic_auth": object{}}), "basic_auth needs a user name and a password"},
		{"TwoCredentials", backend(object{
			"basic_auth": object{"user": "a", "password": secretPassword}, "bearer_token": secretPassword,
		}), "backend one: basic_auth, bearer_token: a backend has one kind of credentials; remove the others"},
		{"TwoTokens", backend(object{
			"oauth2":  object{"token_url": "https://a", "client_id": "c", "client_secret": secretPassword},
			"ibm_iam": object{"apikey": secretPassword},
		}), "backend one: oauth2, ibm_iam: a backend has one kind"},
		{"NoTokenURL", backend(object{"oauth2": object{"client_id": "c", "client_secret": secretPassword}}), "oauth2 needs a token URL"},
		{"NoClient", backend(object{"oauth2": object{"token_url": "https://a", "client_secret": secretPassword}}), "with an id and a secret"},
		{"NoSecret", backend(object{"oauth2": object{"token_url": "https://a", "client_id": "c"}}), "with an id and a secret"},
		{"EmptyScope", backend(object{"oauth2": object{
			"token_url": "https://a", "client_id": "c", "client_secret": secretPassword, "scopes": []any{""},
		}}), "a scope has no spaces"},
		{"NoAPIKey", backend(object{"ibm_iam": object{}}), "ibm_iam needs an API key"},
		{"BreakerOffAndMore", backend(object{"breaker": object{"off": true, "failures": 3}}), "backend one: breaker: it is off, or it has"},
		{"FractionOfCalls", backend(object{"max_in_flight": 1.5}), "1.5 is neither a string nor a whole number"},
		{"StateResponse", backend(object{"state_response": "invent"}), "state_response \"invent\": it is `relay` or `synthesize`"},
		{"UnknownOAuth2Key", backend(object{"oauth2": object{"audience": "x"}}), `unknown field "audience"`},
		{"UnknownIAMKey", backend(object{"ibm_iam": object{"key": secretPassword}}), `unknown field "key"`},
		{"UnknownBreakerKey", backend(object{"breaker": object{"timeout": "1s"}}), `unknown field "timeout"`},
		{"NoHash", platform(object{"basic_auth": []any{object{"user": "user"}}}), "the hash of the password is missing"},
		{"NoPlatformUser", platform(object{"basic_auth": []any{object{"hash": secretHash}}}), "the user name is empty"},
		{"HeaderName", backend(object{"headers": []any{object{"value": secretPassword}}}), "not a header name"},
		{"HeaderLineBreak", backend(object{"headers": []any{object{"name": "X", "value": secretPassword + "\r\nY: z"}}}), "control characters"},
		{"Drain", backend(object{"drain": "slowly"}), `backend one: drain is visible or hidden, not "slowly"`},
		{"NoOffering", backend(object{"include": []any{object{"plans": []any{"a"}}}}), "backend one: include needs the name of an offering"},
		{"NoPlan", backend(object{"exclude": []any{object{"offering": "a", "plans": []any{""}}}}), "backend one: exclude a has a plan without a name"},
		{"NoNewName", backend(object{"rename": object{"a": ""}}), "backend one: rename needs the name of an offering and a new one"},
		{"RenamedTwice", backend(object{"rename": object{"7": "a", "{env.OSB_TEST_DB}": "b"}}), `backend one: rename "7" is there twice`},
		{"OnNameConflict", object{"catalog": object{"on_name_conflict": "win"}}, `catalog on_name_conflict is quarantine or prefix, not "win"`},
		{"Selector", platform(object{"offerings": object{"deny": []any{""}}}), "platform cf: offerings deny \"\": a selector is empty"},
		{"NoURL", backend(object{"url": ""}), "the URL must begin with http:// or https://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("OSB_TEST_DB", "7")
			checkProblem(t, validateJSON(t, leastJSON(t, test.fields)), test.want)
		})
	}
}

// TestJSONValues reads numbers and strings, and writes what a Caddyfile would have.
func TestJSONValues(t *testing.T) {
	t.Parallel()
	var got caddymodule.Gateway
	err := json.Unmarshal([]byte(`{
		"max_request_body": 1024, "max_response_body": "2MiB",
		"catalog": {"refresh": 90000000000}, "store": {"timeout": "{env.T}"}
	}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := caddymodule.Gateway{
		MaxRequestBody: "1024", MaxResponseBody: "2MiB",
		Catalog: &caddymodule.CatalogConfig{Refresh: "1m30s"}, Store: &caddymodule.StoreConfig{Timeout: "{env.T}"},
	}
	if difference := cmp.Diff(want, got, cmpopts.IgnoreUnexported(caddymodule.Gateway{})); difference != "" {
		t.Errorf("read otherwise (-want +got):\n%s", difference)
	}
}

// TestApp loads the app by its name, with and without settings that it does not have.
func TestApp(t *testing.T) {
	useOwnDirectories(t)
	for _, test := range []struct{ name, app, want string }{
		{"Empty", `{}`, ""},
		{"Settings", `{"gateways": {}}`, `unknown field "gateways"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := caddy.Config{
				Admin:   &caddy.AdminConfig{Disabled: true},
				Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {}}},
				AppsRaw: caddy.ModuleMap{"osb_gateway": json.RawMessage(test.app)},
			}
			config.Logging.Logs["default"].WriterRaw = json.RawMessage(`{"output": "discard"}`)
			err := caddy.Validate(&config)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got the error %v, want one that says %q", err, test.want)
			}
		})
	}
}
