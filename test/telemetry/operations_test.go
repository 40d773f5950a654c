package telemetry_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const (
	crn        = "crn%3Av1%3Abluemix%3Apublic%3Adb%3Aus-south%3Aa%2F4ea1882a%3Aone%3A%3A"
	crnDecoded = "crn:v1:bluemix:public:db:us-south:a/4ea1882a:one::"
	userID     = "683ea748-3092-4ff4-b656-39cacc4d5360"
)

// tracedCall is a call with what its spans have to say.
type tracedCall struct {
	call
	// route is that of http.route, and binding tells that the call names one.
	route   string
	binding bool
	// service and plan are the ids that the call names.
	service, plan string
}

const (
	instanceRoute = "/v2/service_instances/{instance_id}"
	bindingRoute  = instanceRoute + "/service_bindings/{binding_id}"
	stateRoute    = "/bluemix_v1/service_instances/{instance_id}"
)

// allOperations is a life in which every operation occurs. Everything happens at an asynchronous plan.
func allOperations() []tracedCall {
	const binding, plan = "binding-1", "db-async"
	instance, bound := instancePath(crn), bindingPath(crn, binding)
	object := members{"service_id": "db", "plan_id": plan}
	pollInstance := func(status int) tracedCall {
		return tracedCall{
			call:  newCall("poll_instance", http.MethodGet, instance+"/last_operation", nil, status),
			route: instanceRoute + "/last_operation",
		}
	}
	pollBinding := func(status int) tracedCall {
		return tracedCall{
			call:  newCall("poll_binding", http.MethodGet, bound+"/last_operation", nil, status),
			route: bindingRoute + "/last_operation", binding: true,
		}
	}
	update := members{"service_id": "db", "parameters": members{"size": 2}, "previous_values": members{"plan_id": plan}}
	calls := []tracedCall{
		{call: newCall("catalog", http.MethodGet, "/v2/catalog", nil, 200), route: "/v2/catalog"},
		{
			call:  newCall("provision", http.MethodPut, instance+"?accepts_incomplete=true", object, 202),
			route: instanceRoute, service: "db", plan: plan,
		},
		pollInstance(200), pollInstance(200),
		{call: newCall("fetch_instance", http.MethodGet, instance, nil, 200), route: instanceRoute},
		{
			call:  newCall("update", http.MethodPatch, instance+"?accepts_incomplete=true", update, 202),
			route: instanceRoute, service: "db",
		},
		pollInstance(200), pollInstance(200),
		{
			call:  newCall("bind", http.MethodPut, bound+"?accepts_incomplete=true", object, 202),
			route: bindingRoute, binding: true, service: "db", plan: plan,
		},
		pollBinding(200), pollBinding(200),
		{call: newCall("fetch_binding", http.MethodGet, bound, nil, 200), route: bindingRoute, binding: true},
		{call: newCall("get_state", http.MethodGet, statePath(crn), nil, 200), route: stateRoute},
		{
			call:  newCall("set_state", http.MethodPut, statePath(crn), members{"enabled": true}, 204),
			route: stateRoute,
		},
		{
			call:  newCall("unbind", http.MethodDelete, bound+"?accepts_incomplete=true&"+ids("db", "async"), nil, 202),
			route: bindingRoute, binding: true, service: "db", plan: plan,
		},
		pollBinding(200), pollBinding(410),
		{
			call:  newCall("deprovision", http.MethodDelete, instance+"?accepts_incomplete=true&"+ids("db", "async"), nil, 202),
			route: instanceRoute, service: "db", plan: plan,
		},
		pollInstance(200), pollInstance(410),
	}
	identity := originatingIdentity("cloudfoundry", members{"user_id": userID})
	for i := range calls {
		calls[i].call = calls[i].with("X-Broker-API-Originating-Identity", identity)
	}
	return calls
}

// TestEveryOperationIsTraced looks at the spans of every operation, over both protocols of OTLP and with both stores.
func TestEveryOperationIsTraced(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		protocol otlptest.Protocol
		store    func(testing.TB) string
		kind     otlptest.Kind
		// described is what the spans of the store say of it.
		described map[string]any
	}{
		{otlptest.GRPC, redisStore, otlptest.KindClient, map[string]any{
			"db.system.name": "redis", "db.namespace": "0", "server.address": "127.0.0.1",
			"server.port": port(t, "http://"+redistest.Shared(t).Addr),
		}},
		{
			otlptest.HTTP, func(testing.TB) string { return "store file" }, otlptest.KindInternal,
			map[string]any{"db.system.name": "bbolt"},
		},
	} {
		t.Run(string(test.protocol), func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			gateway := harness.Start(t, harness.Options{
				Block:       "name traced\n" + block(test.store(t), broker.Backend("pg", "")),
				Environment: receiver.Env(test.protocol),
			})
			calls := allOperations()
			seen := make(map[string]bool)
			for _, c := range calls {
				c.do(t, gateway)
				seen[c.operation] = true
			}
			if len(seen) != 12 {
				t.Fatalf("the life has %d operations, want all 12", len(seen))
			}
			untraced := make([]call, len(calls))
			for i, c := range calls {
				untraced[i] = c.call
			}
			spans := awaitCalls(t, receiver, untraced...)
			for _, c := range calls {
				checkServerSpan(t, gateway, spans, c)
				checkStoreSpans(t, spans, c, test.described, test.kind)
				if c.operation != "catalog" {
					checkBackendSpan(t, broker, spans, c)
				}
			}
		})
	}
}

// checkServerSpan compares the span of a call with what it should be.
func checkServerSpan(t *testing.T, g *harness.Gateway, spans []otlptest.Span, c tracedCall) {
	t.Helper()
	span, _ := serverSpan(spans, c.call)
	path, _, _ := strings.Cut(c.Target, "?")
	want := map[string]any{
		"osb.gateway": "traced", "osb.platform": "cf", "osb.operation": c.operation,
		"osb.identity.platform": "cloudfoundry", "osb.identity.user": userID, "osb.request_identity": c.identity(),
		"osb.async":           c.status == http.StatusAccepted,
		"http.request.method": c.Method, "http.response.status_code": int64(c.status), "http.route": c.route,
		"url.scheme": "http", "url.path": path, "server.address": "127.0.0.1", "server.port": port(t, g.URL),
		"network.protocol.version": "1.1", "user_agent.original": "Go-http-client/1.1", "client.address": "127.0.0.1",
	}
	if c.operation != "catalog" {
		want["osb.backend"], want["osb.instance_id"] = "pg", crnDecoded
		// Whatever the call does not name is known from the record.
		want["osb.service_id"], want["osb.plan_id"] = "db", "db-async"
	}
	if c.binding {
		want["osb.binding_id"] = "binding-1"
	}
	if c.service != "" {
		want["osb.service_id"] = c.service
	}
	if c.plan != "" {
		want["osb.plan_id"] = c.plan
	}
	if diff := cmp.Diff(want, span.Attributes); diff != "" {
		t.Errorf("%s: attributes of the server span differ (-want +got):\n%s", c.identity(), diff)
	}
	if span.Name != "osb."+c.operation || span.ParentID != "" || span.Status != otlptest.StatusUnset {
		t.Errorf("%s: got span %q below %q with status %s, want osb.%s, a root, unset",
			c.identity(), span.Name, span.ParentID, span.Status, c.operation)
	}
	if got := span.Scope.Name; got != "github.com/osb-gateway/caddy-osb-gateway" {
		t.Errorf("%s: tracer: got %q", c.identity(), got)
	}
	if got := span.Resource["service.name"]; got != "osb-gateway" {
		t.Errorf("%s: service: got %v", c.identity(), got)
	}
}

// checkStoreSpans expects children for the round trips to the store. What changes something is written there; what is
// read may be known without it.
func checkStoreSpans(
	t *testing.T, spans []otlptest.Span, c tracedCall, described map[string]any, kind otlptest.Kind,
) {
	t.Helper()
	server, _ := serverSpan(spans, c.call)
	count := make(map[string]int)
	for _, span := range children(spans, server) {
		operation, isStore := strings.CutPrefix(span.Name, "osb.store.")
		if !isStore {
			continue
		}
		count[operation]++
		want := map[string]any{"osb.gateway": "traced", "db.operation.name": operation}
		maps.Copy(want, described)
		if diff := cmp.Diff(want, span.Attributes); diff != "" || span.Kind != kind {
			t.Errorf("%s: %s is of kind %s, want %s; attributes (-want +got):\n%s",
				c.identity(), span.Name, span.Kind, kind, diff)
		}
	}
	switch c.operation {
	case "catalog":
		if len(count) != 0 {
			t.Errorf("%s: got round trips to the store %v, want none", c.identity(), count)
		}
	case "provision", "update", "bind", "unbind", "deprovision", "set_state":
		if count["swap"] == 0 {
			t.Errorf("%s: got round trips to the store %v, want a swap", c.identity(), count)
		}
	}
}

// checkBackendSpan expects one child for the sending to the broker, which was told of it in both notations.
func checkBackendSpan(t *testing.T, broker *harness.Broker, spans []otlptest.Span, c tracedCall) {
	t.Helper()
	server, _ := serverSpan(spans, c.call)
	var clients []otlptest.Span
	for _, span := range children(spans, server) {
		if strings.HasPrefix(span.Name, "osb.backend.") {
			clients = append(clients, span)
		}
	}
	if len(clients) != 1 {
		t.Errorf("%s: got spans of sendings %+v, want one", c.identity(), clients)
		return
	}
	client := clients[0]
	path, _, _ := strings.Cut(c.Target, "?")
	want := map[string]any{
		"osb.backend": "pg", "http.request.method": c.Method, "http.response.status_code": int64(c.status),
		"url.full": broker.URL + path, "server.address": "127.0.0.1", "server.port": port(t, broker.URL),
	}
	if diff := cmp.Diff(want, client.Attributes); diff != "" {
		t.Errorf("%s: attributes of the client span differ (-want +got):\n%s", c.identity(), diff)
	}
	if client.Name != "osb.backend."+c.operation || client.Kind != otlptest.KindClient ||
		client.Status != otlptest.StatusUnset {
		t.Errorf("%s: got %s span %q with status %s, want a client span osb.backend.%s, unset",
			c.identity(), client.Kind, client.Name, client.Status, c.operation)
	}
	checkTraceHeaders(t, received(t, broker, c.call).Header, client.TraceID, client.SpanID, true)
}

// checkTraceHeaders expects headers that name a span, in W3C's notation and in both of B3.
func checkTraceHeaders(t *testing.T, header http.Header, traceID, spanID string, sampled bool) {
	t.Helper()
	bit := "0"
	if sampled {
		bit = "1"
	}
	for name, want := range map[string]string{
		"Traceparent":  fmt.Sprintf("00-%s-%s-0%s", traceID, spanID, bit),
		"B3":           fmt.Sprintf("%s-%s-%s", traceID, spanID, bit),
		"X-B3-Traceid": traceID, "X-B3-Spanid": spanID, "X-B3-Sampled": bit,
	} {
		if got := header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("the broker got %s %q, want %q", name, got, want)
		}
	}
}

// port is the port of a URL, as an attribute has it.
func port(t *testing.T, address string) int64 {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(parsed.Port(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}
