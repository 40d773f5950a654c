package telemetry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// dashboardSecret is the secret of the dashboard_client in the catalog.
const dashboardSecret = "dashboard/secret+marked=1"

// catalog is a broker's catalog with one offering, whose id and name are the given one. Its plans are <name>-sync,
// <name>-async, where everything is asynchronous and ends with the second poll, <name>-slow, where it ends with the
// fourth, and <name>-rotatable.
func catalog(name string) []byte {
	return fmt.Appendf(nil, `{"services": [{
		"id": %[1]q, "name": %[1]q, "description": "An offering for tests.", "bindable": true, "plan_updateable": true,
		"instances_retrievable": true, "bindings_retrievable": true, "allow_context_updates": true,
		"dashboard_client": {"id": "dashboard-%[1]s", "secret": %[2]q, "redirect_uri": "https://dashboard.example.com"},
		"plans": [
			{"id": "%[1]s-sync", "name": "sync", "description": "At once.", "free": true, "bindable": true},
			{"id": "%[1]s-async", "name": "async", "description": "Later.", "free": true, "bindable": true,
				"metadata": {"samplebroker": {"async": true, "async_bindings": true, "polls": 1}}},
			{"id": "%[1]s-slow", "name": "slow", "description": "Much later.", "free": true, "bindable": true,
				"metadata": {"samplebroker": {"async": true, "async_bindings": true, "polls": 3}}},
			{"id": "%[1]s-rotatable", "name": "rotatable", "description": "With rotation.", "free": true, "bindable": true, "binding_rotatable": true}
		]
	}]}`, name, dashboardSecret)
}

// startBroker starts a sample broker with catalog(name).
func startBroker(t testing.TB, name string) *harness.Broker {
	t.Helper()
	return harness.StartBroker(t, samplebroker.Options{Catalog: catalog(name)})
}

// redisStore is a store block for the Redis that the tests share, with keys of the test's own.
func redisStore(t testing.TB) string {
	t.Helper()
	prefix := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	return redisStoreAt(redistest.Shared(t).Addr, prefix)
}

// sharedRedis is the address of the Redis that the tests share.
func sharedRedis(t testing.TB) string {
	t.Helper()
	return redistest.Shared(t).Addr
}

func redisStoreAt(address, prefix string) string {
	return fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n\ttimeout 5s\n}\n", address, prefix)
}

// block is a gateway with one platform, cf, in front of brokers by their names.
func block(store string, backends ...string) string {
	return store + "\n" + harness.Platform("cf", "") + strings.Join(backends, "")
}

// call is a call to the gateway that is found again by its request identity.
type call struct {
	operation string
	harness.Request
	// status is what it has to be answered with.
	status int
}

// identity is what the call sends as X-Broker-API-Request-Identity.
func (c call) identity() string { return c.Header.Get("X-Broker-Api-Request-Identity") }

// newCall makes a call of an operation. Body may be nil.
func newCall(operation, method, target string, body any, status int) call {
	c := call{
		operation: operation, status: status,
		Request: harness.Request{
			Method: method, Target: target,
			Header: http.Header{"X-Broker-Api-Request-Identity": {operation + " " + nextIdentity()}},
		},
	}
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		c.Body = string(content)
	}
	return c
}

// with adds a header.
func (c call) with(name, value string) call {
	c.Header = c.Header.Clone()
	c.Header.Set(name, value)
	return c
}

// do makes the call and checks its status.
func (c call) do(t testing.TB, g *harness.Gateway) harness.Response {
	t.Helper()
	response := g.Do(t, c.Request)
	if response.Status != c.status {
		t.Errorf("%s: got status %d, body %s; want %d", c.operation, response.Status, response.Body, c.status)
	}
	return response
}

// members is a JSON object.
type members = map[string]any

// Paths of the API.
func instancePath(instance string) string { return "/v2/service_instances/" + instance }

func bindingPath(instance, binding string) string {
	return instancePath(instance) + "/service_bindings/" + binding
}

func statePath(instance string) string { return "/bluemix_v1/service_instances/" + instance }

// ids are the ids of offering and plan, as a query.
func ids(offering, plan string) string {
	return "service_id=" + offering + "&plan_id=" + offering + "-" + plan
}

// provision makes an instance of the plan of an offering of catalog(offering).
func provision(instance, offering, plan string) call {
	status := http.StatusCreated
	if plan == "async" || plan == "slow" {
		status = http.StatusAccepted
	}
	return newCall("provision", http.MethodPut, instancePath(instance)+"?accepts_incomplete=true", members{
		"service_id": offering, "plan_id": offering + "-" + plan,
		"organization_guid": "org", "space_guid": "space",
	}, status)
}

func poll(instance string) call {
	return newCall("poll_instance", http.MethodGet, instancePath(instance)+"/last_operation", nil, http.StatusOK)
}

func fetch(instance string) call {
	return newCall("fetch_instance", http.MethodGet, instancePath(instance), nil, http.StatusOK)
}

func deprovision(instance, offering, plan string) call {
	status := http.StatusOK
	if plan == "async" || plan == "slow" {
		status = http.StatusAccepted
	}
	return newCall("deprovision", http.MethodDelete,
		instancePath(instance)+"?accepts_incomplete=true&"+ids(offering, plan), nil, status)
}

// serverSpan finds the span of a call.
func serverSpan(spans []otlptest.Span, c call) (otlptest.Span, bool) {
	for _, span := range spans {
		if span.Kind == otlptest.KindServer && span.Attributes["osb.request_identity"] == c.identity() {
			return span, true
		}
	}
	return otlptest.Span{}, false
}

// awaitCalls waits for the spans of calls, and returns all spans that came by then. A span of a call is exported after
// those below it.
func awaitCalls(t testing.TB, receiver *otlptest.Receiver, calls ...call) []otlptest.Span {
	t.Helper()
	return receiver.Await(t, func(spans []otlptest.Span) bool {
		for _, c := range calls {
			if _, found := serverSpan(spans, c); !found {
				return false
			}
		}
		return true
	})
}

// awaitCall waits for the span of a call.
func awaitCall(t testing.TB, receiver *otlptest.Receiver, c call) otlptest.Span {
	t.Helper()
	span, _ := serverSpan(awaitCalls(t, receiver, c), c)
	return span
}

// children are the spans directly below another one.
func children(spans []otlptest.Span, parent otlptest.Span) []otlptest.Span {
	var found []otlptest.Span
	for _, span := range spans {
		if span.ParentID == parent.SpanID && span.TraceID == parent.TraceID {
			found = append(found, span)
		}
	}
	return found
}

// received finds the request by which a call arrived at a broker.
func received(t testing.TB, broker *harness.Broker, c call) samplebroker.RecordedRequest {
	t.Helper()
	for _, request := range broker.Requests() {
		if request.Header.Get("X-Broker-Api-Request-Identity") == c.identity() {
			return request
		}
	}
	t.Fatalf("%s did not arrive at the broker", c.operation)
	return samplebroker.RecordedRequest{}
}
