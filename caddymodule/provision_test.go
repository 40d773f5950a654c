package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestProvision(t *testing.T) {
	useOwnDirectories(t)
	t.Setenv("OSB_TEST_PASSWORD", secretPassword)
	t.Setenv("OSB_TEST_HASH", secretHash)
	t.Setenv("OSB_TEST_CONFLICT", "prefix")
	t.Setenv("OSB_TEST_OFFERING", "a")
	for _, test := range []struct{ name, block string }{
		{"Least", platformBlock + backendBlock},
		{"Memory", "store memory\n" + platformBlock + backendBlock},
		{"File", "store file {env.HOME}/owners.db\n" + platformBlock + backendBlock},
		{"RedisURL", "store redis {\n\turl rediss://user:{env.OSB_TEST_PASSWORD}@127.0.0.1:1/3\n}\n" +
			platformBlock + backendBlock},
		{"RedisCluster", "store redis {\n\taddress a b:1\n\tcluster\n\twait_replicas 0\n}\n" + platformBlock + backendBlock},
		{"RedisClusterURL", "store redis {\n\turl rediss://a\n\tcluster\n}\n" + platformBlock + backendBlock},
		{"RedisSentinel", "store redis {\n\taddress a b c\n\tsentinel_master m\n\tsentinel_username u\n" +
			"\tsentinel_password {env.OSB_TEST_PASSWORD}\n\tdb 2\n\twait_replicas 3 100ms\n}\n" + platformBlock + backendBlock},
		{"RedisAddress", "store redis {\n\taddress 127.0.0.1\n\tdb 3\n\ttls\n}\n" + platformBlock + backendBlock},
		{"Placeholders", "platform cf {\n\tbasic_auth user {env.OSB_TEST_HASH}\n}\n" +
			"backend one http://127.0.0.1:1 {\n\tbasic_auth gateway {env.OSB_TEST_PASSWORD}\n}\n"},
		{"TwoPasswords", "platform cf {\n\tbasic_auth user " + secretHash + "\n\tbasic_auth user " +
			strings.Replace(secretHash, "$04$", "$05$", 1) + "\n}\n" + backendBlock},
		{"TwoPlatforms", "platform cf {\n\tbasic_auth one " + secretHash + "\n\tunknown_instances forward\n}\n" +
			"platform k8s {\n\tbasic_auth two " + secretHash + "\n\tunknown_instances reject\n}\n" + backendBlock},
		{"EscapedBrace", platformBlock + "backend one http://127.0.0.1:1 {\n\tbasic_auth gateway \"a\\{b\\}\"\n}\n"},
		{"Sizes", "max_request_body 1B\nmax_response_body 1GiB\n" + platformBlock + backendBlock},
		{"Catalog", "catalog {\n\trefresh 1s\n\tincomplete refuse\n\twithdraw_after 1ns\n}\n" + platformBlock + backendBlock},
		{"Durations", "catalog {\n\trefresh 365d\n}\n" + platformBlock +
			"backend one http://127.0.0.1:1 {\n\ttimeout 1ns\n\tsettle 1ns\n\tcatalog_timeout 1m30s\n}\n"},
		{"HostHeader", platformBlock + "backend one http://127.0.0.1:1 {\n\theader Host broker.internal\n}\n"},
		{"Policies", "catalog {\n\ton_name_conflict {env.OSB_TEST_CONFLICT}\n\tmaterialize_defaults\n}\n" +
			"platform cf {\n\tbasic_auth user " + secretHash + "\n\tofferings allow backend:one eu-* {env.OSB_TEST_OFFERING}\n" +
			"\tofferings deny backend:t*\n}\nbackend one http://127.0.0.1:1 {\n\tinclude {env.OSB_TEST_OFFERING} small\n" +
			"\texclude b\n\trename {env.OSB_TEST_OFFERING} c\n\tprefix {env.OSB_TEST_OFFERING}-\n\tnamespace_ids\n\tdrain hidden\n}\n"},
		{"BearerToken", platformBlock + "backend one http://127.0.0.1:1 {\n\tbearer_token {env.OSB_TEST_PASSWORD}\n}\n"},
		{"OAuth2", platformBlock + "backend one http://127.0.0.1:1 {\n\toauth2 https://auth.invalid/token?zone=a {\n\t\tclient c " +
			"{env.OSB_TEST_PASSWORD}\n\t\tscopes a b.c https://d/e\n\t}\n}\n"},
		{"IBMIAM", platformBlock + "backend one http://127.0.0.1:1 {\n\tibm_iam {env.OSB_TEST_PASSWORD}\n}\n"},
		{"IBMIAMElsewhere", platformBlock + "backend one http://127.0.0.1:1 {\n\tibm_iam {env.OSB_TEST_PASSWORD} http://iam.invalid/token\n}\n"},
		{"Limits", platformBlock + "backend one http://127.0.0.1:1 {\n\tmax_in_flight 1\n\tbreaker 1 1ns\n}\n" +
			"backend two http://127.0.0.1:1 {\n\tmax_in_flight 1048576\n\tbreaker off\n}\n"},
		{"CatalogVersion", platformBlock + "backend one http://127.0.0.1:1 {\n\tcatalog_version 2.13\n\tstate_response synthesize\n}\n"},
		{"Transport", platformBlock + "backend one https://127.0.0.1:1 {\n\ttransport http {\n\t\tversions 1.1\n\t}\n}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, site(test.block)); err != nil {
				t.Errorf("validating: %v", err)
			}
		})
	}
}

func TestProvisionProblems(t *testing.T) {
	useOwnDirectories(t)
	twoPlatforms := func(first, second string) string {
		return "platform cf {\n\tbasic_auth one " + secretHash + "\n\t" + first + "\n}\n" +
			"platform k8s {\n\tbasic_auth two " + secretHash + "\n\t" + second + "\n}\n" + backendBlock
	}
	platform := func(lines string) string { return "platform cf {\n" + lines + "\n}\n" + backendBlock }
	backend := func(arguments, lines string) string {
		return platformBlock + "backend " + arguments + " {\n" + lines + "\n}\n"
	}
	redis := func(lines string) string { return "store redis {\n" + lines + "\n}\n" + platformBlock + backendBlock }
	rest := platformBlock + backendBlock
	for _, test := range []struct {
		name, block string
		want        []string
	}{
		{"Empty", "", []string{`osb_gateway "default"`, "no platform: ", "`platform` block", "no backend: ", "`backend` block"}},
		{"NoPlatform", backendBlock, []string{"no platform: say who may call"}},
		{"NoBackend", platformBlock, []string{"no backend: name a broker"}},
		{"NoCredentials", "platform cf\n" + backendBlock, []string{`platform "cf" has no credentials: add ` + "`basic_auth`"}},
		{
			"SharedUser", strings.ReplaceAll(twoPlatforms("unknown_instances reject", "unknown_instances reject"), " two ", " one "),
			[]string{`platform "k8s", user "one"`, `belongs to platform "cf" already`},
		},
		{
			"PasswordForHash", platform("basic_auth user " + secretPassword),
			[]string{`platform "cf", user "user"`, "not the password itself; run `caddy hash-password`"},
		},
		{"BrokenHash", platform("basic_auth user " + secretHash[:40]), []string{"bcrypt hash", "run `caddy hash-password`"}},
		{
			"SameHash", platform("basic_auth user " + secretHash + "\nbasic_auth user " + secretHash),
			[]string{"the same hash is configured twice"},
		},
		{"ColonInUser", platform("basic_auth us:er " + secretHash), []string{"the user name must not contain a colon"}},
		{"PlatformName", strings.Replace(rest, "cf", "c/f", 1), []string{`platform "c/f": a name has up to 64 letters`}},
		{
			"UnknownInstancesMissing", twoPlatforms("", "unknown_instances forward"),
			[]string{`platform "cf": with several platforms, ` + "`unknown_instances` must be set to `reject`, or to `forward`"},
		},
		{"APIVersion", platform("basic_auth user " + secretHash + "\napi_version 2"), []string{`platform cf: api_version "2": `, "2.13"}},
		{"OtherAPI", platform("basic_auth user " + secretHash + "\napi_version 3.0"), []string{`api_version "3.0"`}},
		{
			"DefaultAPIVersion", platform("basic_auth user " + secretHash + "\ndefault_api_version new"),
			[]string{`default_api_version "new"`},
		},

		{"BackendName", backend(`"o ne" http://127.0.0.1:1`, ""), []string{`backend "o ne": a name has`}},
		{"UserInfo", backend("one http://user:"+secretPassword+"@127.0.0.1:1", ""), []string{
			`backend "one": the URL must not hold a user name or password`,
		}},
		{"Query", backend("one http://127.0.0.1:1?key="+secretPassword, ""), []string{"the URL must not have a query"}},
		{"Fragment", backend("one http://127.0.0.1:1#"+secretPassword, ""), []string{"the URL must not have a fragment"}},
		{"Scheme", backend("one ftp://127.0.0.1:1", ""), []string{"the URL must begin with http:// or https://"}},
		{"NoScheme", backend("one broker.example.com", ""), []string{"the URL must begin with http:// or https://"}},
		{"NoHost", backend("one http:///path", ""), []string{"the URL has no host"}},
		{"MalformedURL", backend("one http://user:"+secretPassword+"@127.0.0.1:port", ""), []string{
			"backend one: the URL is malformed",
		}},
		{"Authorization", backend("one http://127.0.0.1:1", "header authorization "+secretPassword), []string{
			`backend "one": header`, "configure credentials instead",
		}},
		{"ProtocolHeader", backend("one http://127.0.0.1:1", "header X-Broker-API-Version "+secretPassword), []string{
			"the headers of the protocol come from the platform",
		}},
		{"HopByHopHeader", backend("one http://127.0.0.1:1", "header Connection "+secretPassword), []string{
			"it belongs to the connection or the body and cannot be fixed",
		}},
		{"TwoHosts", backend("one http://127.0.0.1:1", "header Host a\nheader Host b"), []string{"it must be one host name"}},
		{"HeaderName", backend("one http://127.0.0.1:1", "header X:Y "+secretPassword), []string{"not a header name"}},
		{"ColonInBackendUser", backend("one http://127.0.0.1:1", "basic_auth a:b "+secretPassword), []string{
			"the user name must not contain a colon",
		}},
		{"UnsetOffering", backend("one http://127.0.0.1:1", "include {env.OSB_TEST_UNSET}"), []string{"backend one: include: "}},
		{"UnsetPlan", backend("one http://127.0.0.1:1", "exclude a {env.OSB_TEST_UNSET}"), []string{"backend one: exclude a: "}},
		{"UnsetPrefix", backend("one http://127.0.0.1:1", "prefix {env.OSB_TEST_UNSET}"), []string{"backend one: prefix: "}},
		{"UnsetName", backend("one http://127.0.0.1:1", "rename a {env.OSB_TEST_UNSET}"), []string{"backend one: rename a: "}},
		{"SameNewName", backend("one http://127.0.0.1:1", "rename a c\nrename b c"), []string{
			`backend one: rename: "a" and "b" cannot both become "c"`,
		}},
		{"ConflictWord", "catalog {\n\ton_name_conflict {env.HOME}\n}\n" + rest, []string{
			"catalog on_name_conflict is quarantine or prefix, not ",
		}},
		{"SelectorOfNoBackend", platform("basic_auth user " + secretHash + "\nofferings deny backend:two"), []string{
			`platform "cf": offerings: there is no backend "two"`,
		}},
		{"EmptySelector", platform("basic_auth user " + secretHash + "\nofferings allow backend:"), []string{
			`platform cf: offerings allow "backend:": `, "names no backend",
		}},
		{"SeveralBackends", platformBlock + "backend one ftp://a\nbackend two gopher://b\n", []string{
			`backend "one": the URL must begin`, `backend "two": the URL must begin`,
		}},
		{"BearerOfTwoWords", backend("one http://127.0.0.1:1", "bearer_token \"a "+secretPassword+"\""), []string{
			`backend "one": a bearer token has no spaces`,
		}},
		{"TokenURLScheme", backend("one http://127.0.0.1:1", "oauth2 auth.invalid {\n\tclient c "+secretPassword+"\n}"), []string{
			`backend "one": the token URL must begin with http:// or https://`,
		}},
		{"TokenURLMalformed", backend("one http://127.0.0.1:1", "oauth2 http://"+secretPassword+":port {\n\tclient c s\n}"), []string{
			"backend one: the token URL is malformed",
		}},
		{"TokenURLUser", backend("one http://127.0.0.1:1", "ibm_iam "+secretPassword+" http://a:"+secretPassword+"@b"), []string{
			`backend "one": the token URL must not hold a user name or password`,
		}},
		{"TokenURLFragment", backend("one http://127.0.0.1:1", "ibm_iam "+secretPassword+" http://b#"+secretPassword), []string{
			"the token URL must not have a fragment",
		}},
		{"ScopeOfTwoWords", backend("one http://127.0.0.1:1", "oauth2 http://a {\n\tclient c "+secretPassword+"\n\tscopes \"a b\"\n}"), []string{
			"backend one: oauth2: scopes: a scope has no spaces; write each as an argument of its own",
		}},
		{"NoRoom", backend("one http://127.0.0.1:1", "max_in_flight 0"), []string{
			`backend one: max_in_flight: "0" is not a whole number from 1 to`,
		}},
		{"RoomInWords", backend("one http://127.0.0.1:1", "max_in_flight many"), []string{`max_in_flight: "many" is not a whole`}},
		{"NoFailures", backend("one http://127.0.0.1:1", "breaker 0 10s"), []string{
			`backend one: breaker: failures: "0" is not a whole number from 1 to`,
		}},
		{"BreakerTime", backend("one http://127.0.0.1:1", "breaker 5 soon"), []string{
			`backend one: breaker: open: "soon" is not a duration above zero`,
		}},
		{"CatalogVersion", backend("one http://127.0.0.1:1", "catalog_version 3.0"), []string{`backend one: catalog_version "3.0"`}},

		{"Name", "name \"a b\"\n" + rest, []string{`name "a b": a name has up to 64 letters, digits, dots, dashes`}},
		{"LongName", "name " + strings.Repeat("a", 65) + "\n" + rest, []string{"a name has up to 64 letters"}},
		{"BasePath", "base_path broker\n" + rest, []string{`base_path "broker": a path begins with a slash`}},
		{"BasePathSlash", "base_path /broker/\n" + rest, []string{`base_path "/broker/": a path`, "does not end with one"}},
		{"BasePathDots", "base_path /a/../b\n" + rest, []string{`base_path "/a/../b"`}},
		{"BasePathEscape", "base_path /a%2Fb\n" + rest, []string{`base_path "/a%2Fb"`}},
		{"HealthPath", "health_path /\n" + rest, []string{`health_path "/": a path`}},

		{"Duration", backend("one http://127.0.0.1:1", "timeout soon"), []string{
			`backend one: timeout: "soon" is not a duration above zero and up to a year, such as 55s`,
		}},
		{"NoUnit", backend("one http://127.0.0.1:1", "timeout 55"), []string{`timeout: "55" is not a duration`}},
		{"NoTime", backend("one http://127.0.0.1:1", "timeout 0s"), []string{`timeout: "0s" is not a duration above zero`}},
		{"Negative", backend("one http://127.0.0.1:1", "catalog_timeout -1s"), []string{`catalog_timeout: "-1s" is not`}},
		{"TooLong", "catalog {\n\trefresh 366d\n}\n" + rest, []string{`catalog refresh: "366d" is not a duration`}},
		{"WithdrawAfter", "catalog {\n\twithdraw_after 0s\n}\n" + rest, []string{
			`catalog withdraw_after: "0s" is not a duration above zero`,
		}},
		{"RedisTimeout", redis("address a\ntimeout never"), []string{`store redis timeout: "never" is not a duration`}},
		{"Size", "max_request_body big\n" + rest, []string{`max_request_body: "big" is not a size from 1 byte to 1 GiB, such as 1MiB`}},
		{"NoSize", "max_request_body 0\n" + rest, []string{`max_request_body: "0" is not a size`}},
		{"TooBig", "max_response_body 1025MiB\n" + rest, []string{`max_response_body: "1025MiB" is not a size`}},

		{"NoAddress", redis("db 1"), []string{"store redis: say where it is with `url` or `address`"}},
		{"AddressAndURL", redis("address a\nurl redis://b"), []string{"store redis: `url` and `address` exclude each other"}},
		{"SeveralAddresses", redis("address a b"), []string{"several need `cluster` or `sentinel_master`"}},
		{"ClusterAndSentinels", redis("address a\ncluster\nsentinel_master m"), []string{"exclude each other"}},
		{"SentinelPasswordAlone", redis("address a\nsentinel_password " + secretPassword), []string{"need `sentinel_master`"}},
		{"SentinelUsernameAlone", redis("address a\nsentinel_username u"), []string{"need `sentinel_master`"}},
		{"SentinelUserWithoutPassword", redis("address a\nsentinel_master m\nsentinel_username u"), []string{
			"the username for the sentinels comes without a password",
		}},
		{"SentinelByURL", redis("url redis://a\nsentinel_master m"), []string{"give the sentinels with `address`"}},
		{"ClusterDB", redis("address a\ncluster\ndb 1"), []string{"a cluster has db 0 only"}},
		{"ClusterDBInURL", redis("url redis://a/1\ncluster"), []string{"a cluster has db 0 only"}},
		{"AddressTwice", redis("address a:6379 a\ncluster"), []string{"the address a:6379 stands there twice"}},
		{"WaitReplicas", redis("address a\nwait_replicas many"), []string{`store redis wait_replicas: "many" is not a whole`}},
		{"NegativeWaitReplicas", redis("address a\nwait_replicas -1"), []string{`store redis wait_replicas: "-1"`}},
		{"WaitReplicasTimeout", redis("address a\nwait_replicas 1 soon"), []string{`store redis wait_replicas: "soon"`}},
		{"WaitTooLong", redis("address a\nwait_replicas 1 500ms"), []string{"not shorter than `timeout`, 500ms"}},
		{"WaitTooShort", redis("address a\nwait_replicas 1 1us"), []string{"less than a millisecond"}},
		{"WaitOfMemory", "store memory {\n\twait_replicas 1\n}\n" + platformBlock + backendBlock, []string{"takes no block"}},
		{"AddressWithCredentials", redis("address user:" + secretPassword + "@host"), []string{"the address is not host:port"}},
		{"RedisScheme", redis("url http://:" + secretPassword + "@host"), []string{"the url begins neither with redis:// nor"}},
		{"RedisMalformed", redis("url redis://:" + secretPassword + "@host:port"), []string{"store redis", "the url"}},
		{"PasswordTwice", redis("url redis://:" + secretPassword + "@host\npassword " + secretPassword), []string{
			"the password stands both in the url and beside it",
		}},
		{"TLSWithoutRediss", redis("url redis://host\ntls"), []string{"write rediss://"}},
		{"DB", redis("address a\ndb first"), []string{`store redis db: "first" is not a whole number from 0 to`}},
		{"NegativeDB", redis("address a\ndb -1"), []string{`store redis db: "-1" is not a whole number`}},
		{"KeyPrefix", redis("address a\nkey_prefix \"a b\""), []string{`store redis: `, `key prefix "a b"`}},

		{"TransportOption", backend("one http://127.0.0.1:1", "transport http {\n\ttls_trust_pool file /nowhere/ca.pem\n}"), []string{
			`backend "one": loading transport`, "/nowhere/ca.pem",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblem(t, validate(t, site(test.block)), append(test.want, "osb_gateway")...)
		})
	}
}

// TestProvisionUnsetPlaceholders leaves a variable unset in each place in turn.
func TestProvisionUnsetPlaceholders(t *testing.T) {
	useOwnDirectories(t)
	const unset = "{env.OSB_TEST_UNSET}"
	t.Setenv("OSB_TEST_UNSET", "")
	redis := func(line string) string {
		return "store redis {\n\taddress host\n\t" + line + "\n}\n" + platformBlock + backendBlock
	}
	platform := func(line string) string {
		return "platform cf {\n\tbasic_auth user " + secretHash + "\n\t" + line + "\n}\n" + backendBlock
	}
	backend := func(line string) string {
		return platformBlock + "backend one http://127.0.0.1:1 {\n\t" + line + "\n}\n"
	}
	rest := platformBlock + backendBlock
	for where, block := range map[string]string{
		"bearer_token":                     backend("bearer_token " + unset),
		"token URL":                        backend("oauth2 https://" + unset + " {\n\t\tclient a b\n\t}"),
		"client id":                        backend("oauth2 https://a {\n\t\tclient " + unset + " b\n\t}"),
		"client secret":                    backend("oauth2 https://a {\n\t\tclient a " + unset + "\n\t}"),
		"scopes":                           backend("oauth2 https://a {\n\t\tclient a b\n\t\tscopes c " + unset + "\n\t}"),
		"API key":                          backend("ibm_iam " + unset),
		"ibm_iam: URL":                     backend("ibm_iam a " + unset),
		"max_in_flight":                    backend("max_in_flight " + unset),
		"breaker: failures":                backend("breaker " + unset + " 1s"),
		"breaker: open":                    backend("breaker 1 " + unset),
		"catalog_version":                  backend("catalog_version " + unset),
		"state_response":                   backend("state_response " + unset),
		"name":                             "name " + unset + "\n" + rest,
		"base_path":                        "base_path /" + unset + "\n" + rest,
		"health_path":                      "health_path /" + unset + "\n" + rest,
		"store file":                       "store file " + unset + "\n" + rest,
		"store redis url":                  "store redis {\n\turl redis://:" + unset + "@host\n}\n" + rest,
		"store redis address":              "store redis {\n\taddress " + unset + "\n}\n" + rest,
		"store redis username":             redis("username " + unset),
		"store redis password":             redis("password " + unset),
		"store redis db":                   redis("db " + unset),
		"store redis key_prefix":           redis("key_prefix " + unset),
		"store redis timeout":              redis("timeout " + unset),
		"store redis sentinel_master":      redis("sentinel_master " + unset),
		"store redis sentinel_username":    redis("sentinel_username " + unset),
		"store redis sentinel_password":    redis("sentinel_password " + unset),
		"store redis wait_replicas":        redis("wait_replicas " + unset + " 1s"),
		"store redis tls ca":               redis("tls {\n\tca " + unset + "\n}"),
		"store redis tls cert":             redis("tls {\n\tcert " + unset + "\n}"),
		"store redis tls key":              redis("tls {\n\tkey " + unset + "\n}"),
		"store redis tls server_name":      redis("tls {\n\tserver_name " + unset + "\n}"),
		"platform":                         "platform " + unset + " {\n\tbasic_auth user " + secretHash + "\n}\n" + backendBlock,
		"platform cf: basic_auth user":     platform("basic_auth " + unset + " " + secretHash),
		"platform cf: basic_auth hash":     platform("basic_auth user " + unset),
		"platform cf: api_version":         platform("api_version " + unset),
		"platform cf: default_api_version": platform("default_api_version " + unset),
		"platform cf: unknown_instances":   platform("unknown_instances " + unset),
		"backend":                          platformBlock + "backend " + unset + " http://127.0.0.1:1\n",
		"backend one: URL":                 platformBlock + "backend one http://" + unset + "\n",
		"backend one: basic_auth user":     backend("basic_auth " + unset + " " + secretPassword),
		"backend one: basic_auth password": backend("basic_auth user " + unset),
		"backend one: header":              backend("header " + unset + " " + secretPassword),
		"backend one: header X-Tenant":     backend("header X-Tenant " + unset),
		"backend one: timeout":             backend("timeout " + unset),
		"backend one: settle":              backend("settle " + unset),
		"backend one: catalog_timeout":     backend("catalog_timeout " + unset),
		"catalog refresh":                  "catalog {\n\trefresh " + unset + "\n}\n" + rest,
		"catalog incomplete":               "catalog {\n\tincomplete " + unset + "\n}\n" + rest,
		"catalog withdraw_after":           "catalog {\n\twithdraw_after " + unset + "\n}\n" + rest,
		"max_request_body":                 "max_request_body " + unset + "\n" + rest,
		"max_response_body":                "max_response_body " + unset + "\n" + rest,
		"identity_log":                     "identity_log " + unset + "\n" + rest,
		"identity_log hash":                "identity_log hash " + unset + "\n" + rest,
	} {
		t.Run(where, func(t *testing.T) {
			checkProblem(t, validate(t, site(block)), where+": evaluated placeholder "+unset+" is empty")
			unknown := strings.ReplaceAll(block, unset, "{osb.test.unknown}")
			checkProblem(t, validate(t, site(unknown)), where+": ")
			unreadable := strings.ReplaceAll(block, unset, "{file./nowhere/at/all}")
			checkProblem(t, validate(t, site(unreadable)), where+": ", "{file./nowhere/at/all}")
		})
	}
}

// TestProvisionSecretWithBraces writes a password that looks like a placeholder.
func TestProvisionSecretWithBraces(t *testing.T) {
	useOwnDirectories(t)
	for where, block := range map[string]string{
		"basic_auth password":  platformBlock + "backend one http://127.0.0.1:1 {\n\tbasic_auth user \"a{%s}b\"\n}\n",
		"header X-Key":         platformBlock + "backend one http://127.0.0.1:1 {\n\theader X-Key \"a{%s}b\"\n}\n",
		"basic_auth hash":      "platform cf {\n\tbasic_auth user \"{%s}\"\n}\n" + backendBlock,
		"store redis password": "store redis {\n\taddress host\n\tpassword \"a{%s}b\"\n}\n" + platformBlock + backendBlock,
		"store redis sentinel_password": "store redis {\n\taddress host\n\tsentinel_password \"a{%s}b\"\n}\n" +
			platformBlock + backendBlock,
		"store redis url":   "store redis {\n\turl \"redis://:a{%s}b@host\"\n}\n" + platformBlock + backendBlock,
		"identity_log hash": "identity_log hash \"a{%s}b\"\n" + platformBlock + backendBlock,
	} {
		t.Run(where, func(t *testing.T) {
			err := validate(t, site(fmt.Sprintf(block, secretPassword)))
			checkProblem(t, err, where+": a placeholder in it is unknown", "before a brace that is meant literally write a backslash")
		})
	}
}
