package answers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The platforms of an estate. All have the same password.
const (
	// otherUser is a second platform.
	otherUser = "other"
	// rejectUser is a platform whose unknown instances are rejected.
	rejectUser = "closed"
	// strictUser must announce version 2.14 or later.
	strictUser = "strict"
	// defaultUser gets 2.13 announced where it announces nothing.
	defaultUser = "defaulted"
)

// nextHandler is what the site answers beyond the gateway.
const nextHandler = "the next handler"

const (
	maxRequestBytes  = 16 << 10
	maxResponseBytes = 64 << 10
)

// estate is a gateway in front of two brokers.
type estate struct {
	*harness.Gateway
	one, two *rawBroker
}

// offering is an offering of a catalog.
func offering(id, name string, plans ...string) string {
	listed := make([]string, len(plans))
	for i, plan := range plans {
		listed[i] = fmt.Sprintf(`{"id":%q,"name":"plan-%d","description":"a plan"}`, plan, i)
	}
	return fmt.Sprintf(`{"id":%q,"name":%q,"description":"an offering","bindable":true,"plans":[%s]}`,
		id, name, strings.Join(listed, ","))
}

func catalogOf(offerings ...string) string {
	return `{"services":[` + strings.Join(offerings, ",") + `]}`
}

// startEstate starts an estate whose catalogs are fetched once. The offering `shared` is published by both brokers.
func startEstate(t testing.TB) *estate {
	t.Helper()
	one := startRawBroker(t, catalogOf(
		offering("alpha-id", "alpha", "alpha-small", "alpha-large"),
		offering("beta-id", "beta", "beta-small"),
		offering("shared-id", "shared", "shared-plan")))
	two := startRawBroker(t, catalogOf(
		offering("gamma-id", "gamma", "gamma-small", "gamma-large"),
		offering("shared-id", "shared", "shared-plan")))
	block := strings.Join([]string{
		"store memory",
		"catalog {\n\trefresh 1h\n}",
		fmt.Sprintf("max_request_body %d", maxRequestBytes),
		fmt.Sprintf("max_response_body %d", maxResponseBytes),
		harness.Platform("main", "unknown_instances forward"),
		platform(otherUser, "unknown_instances forward"),
		platform(rejectUser, "unknown_instances reject"),
		platform(strictUser, "unknown_instances forward\n\tapi_version 2.14 required"),
		platform(defaultUser, "unknown_instances forward\n\tdefault_api_version 2.13"),
		one.backend("one", ""),
		two.backend("two", ""),
	}, "\n")
	g := start(t, harness.Options{Block: block, Site: fmt.Sprintf("respond %q 299", nextHandler)})
	return &estate{Gateway: g, one: one, two: two}
}

// platform is the block of a platform that is named like its user.
func platform(user, lines string) string {
	return fmt.Sprintf("platform %s {\n\tbasic_auth %s %s\n\t%s\n}\n", user, user, harness.PasswordHash, lines)
}

// refuses expects an answer of the gateway's own, and that no broker heard of the call.
func (e *estate) refuses(t testing.TB, r request, want own) answer {
	t.Helper()
	a, identity := do(t, e.Gateway, r)
	want.check(t, a, identity)
	if got := append(e.one.gotIdentity(identity), e.two.gotIdentity(identity)...); len(got) > 0 {
		t.Errorf("%s %s reached a broker: %q", r.method, r.target, got[0].Head)
	}
	return a
}

// relays expects that a call reaches a broker once, and no other broker, and that its answer is relayed.
func (e *estate) relays(t testing.TB, r request, b *rawBroker, status int) (answer, rawRequest) {
	t.Helper()
	a, identity := do(t, e.Gateway, r)
	if a.status != status {
		t.Errorf("%s %s: got status %d, want %d; the body is %q", r.method, r.target, a.status, status, a.body)
	}
	if got := a.header.Get("X-Broker-API-Request-Identity"); got != identity {
		t.Errorf("%s %s: got request identity %q, want %q", r.method, r.target, got, identity)
	}
	there, elsewhere := b.gotIdentity(identity), 0
	for _, other := range []*rawBroker{e.one, e.two} {
		if other != b {
			elsewhere += len(other.gotIdentity(identity))
		}
	}
	if len(there) != 1 || elsewhere != 0 {
		t.Fatalf("%s %s reached the right broker %d times, the other %d times; want once and never",
			r.method, r.target, len(there), elsewhere)
	}
	return a, there[0]
}

// makeInstance makes an instance at a broker, of its first offering.
func (e *estate) makeInstance(t testing.TB, id string, b *rawBroker) {
	t.Helper()
	e.relays(t, provision(id, b.offers()), b, http.StatusCreated)
}

// instancePath is the path of an instance, with what follows it.
func instancePath(id, rest string) string { return "/v2/service_instances/" + id + rest }

func provision(id, members string) request {
	return request{method: http.MethodPut, target: instancePath(id, ""), body: "{" + members + "}"}
}

// call is one kind of call on an instance.
type call struct {
	name, method string
	// path is the target, with %s for the instance's id.
	path string
	// body is a body without any hint, where there is one.
	body string
	poll bool
	// binding tells that it is about a binding; creates and deletes that it is a PUT of one of the two, or a DELETE.
	binding, creates, deletes bool
}

// calls are all kinds of calls on an instance, without any hint of a broker.
var calls = []call{
	{name: "provision", method: "PUT", path: "/v2/service_instances/%s", body: `{}`, creates: true},
	{name: "fetch_instance", method: "GET", path: "/v2/service_instances/%s"},
	{name: "update", method: "PATCH", path: "/v2/service_instances/%s", body: `{}`},
	{name: "deprovision", method: "DELETE", path: "/v2/service_instances/%s", deletes: true},
	{name: "poll_instance", method: "GET", path: "/v2/service_instances/%s/last_operation", poll: true},
	{
		name: "bind", method: "PUT", path: "/v2/service_instances/%s/service_bindings/b", body: `{}`,
		binding: true, creates: true,
	},
	{name: "fetch_binding", method: "GET", path: "/v2/service_instances/%s/service_bindings/b", binding: true},
	{name: "unbind", method: "DELETE", path: "/v2/service_instances/%s/service_bindings/b", binding: true, deletes: true},
	{
		name: "poll_binding", method: "GET", path: "/v2/service_instances/%s/service_bindings/b/last_operation",
		binding: true, poll: true,
	},
	{name: "get_state", method: "GET", path: "/bluemix_v1/service_instances/%s"},
	{name: "set_state", method: "PUT", path: "/bluemix_v1/service_instances/%s", body: `{"enabled":true}`},
}

// on is the call on an instance.
func (c call) on(id string) request {
	return request{method: c.method, target: fmt.Sprintf(c.path, id), body: c.body}
}

// withHint adds a service_id and a plan_id, to the body where there is one, else to the query.
func (c call) withHint(id, service, plan string) request {
	r := c.on(id)
	hint := fmt.Sprintf(`"service_id":%q,"plan_id":%q`, service, plan)
	switch r.body {
	case "":
		r.target += "?service_id=" + service + "&plan_id=" + plan
	case "{}":
		r.body = "{" + hint + "}"
	default:
		r.body = strings.TrimSuffix(r.body, "}") + "," + hint + "}"
	}
	return r
}

// as makes a call another platform's.
func (r request) as(user string) request {
	r.user = user
	return r
}
