package telemetry_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// audited is a call and what its line has beside the gateway, the platform, the operation, the request's identity, the
// status and what is different each time. A read has no line, and wants nothing.
type audited struct {
	call
	want map[string]any
	// anonymous: the platform is not known.
	anonymous bool
}

// The contexts of three platforms, with more in them than the log has.
var (
	cloudFoundryContext = members{
		"platform": "cloudfoundry", "organization_guid": "org-guid", "organization_name": "the org",
		"space_guid": "space-guid", "space_name": "the space", "instance_name": "orders-db",
	}
	kubernetesContext = members{
		"platform": "kubernetes", "namespace": "shop", "clusterid": "cluster-7", "instance_name": "orders",
	}
	ibmContext = members{
		"platform": "ibmcloud", "account_id": "4ea1882a", "crn": crnDecoded, "resource_group_crn": "crn:v1:group",
		"target_crn": "crn:v1:target", "name": "Orders",
	}
)

// auditedCalls are calls that change something, in an order in which they work.
func auditedCalls() []audited {
	object := func(context members) members {
		return members{
			"service_id": "db", "plan_id": "db-sync", "context": context, "parameters": members{"size": 1, "name": "not logged"},
		}
	}
	inPlace := func(more map[string]any) map[string]any {
		fields := map[string]any{"instance_id": "cf", "backend": "pg", "service_id": "db", "plan_id": "db-sync"}
		for key, value := range more {
			if value == nil {
				delete(fields, key)
				continue
			}
			fields[key] = value
		}
		return fields
	}
	cf := originatingIdentity("cloudfoundry", members{"user_id": userID})
	ibm := originatingIdentity("ibmcloud", members{"iam_id": "IBMid-7"})
	query := "?" + ids("db", "sync")
	wrong := newCall("provision", http.MethodPut, instancePath("other"), object(cloudFoundryContext), 401)
	wrong.Password, wrong.User = "wrong", harness.User
	malformed := newCall("provision", http.MethodPut, instancePath("other"), nil, 400)
	malformed.Body = `{"service_id": "db", "plan_id": `
	const identity = "X-Broker-API-Originating-Identity"
	return []audited{
		{
			call: newCall("provision", http.MethodPut, instancePath("cf"), object(cloudFoundryContext), 201).with(identity, cf),
			want: inPlace(map[string]any{
				"organization": "org-guid", "space": "space-guid", "instance_name": "orders-db",
				"identity_platform": "cloudfoundry", "identity_user": userID,
			}),
		},
		{
			call: newCall("provision", http.MethodPut, instancePath("k8s"), object(kubernetesContext), 201).
				with(identity, originatingIdentity("kubernetes", members{"username": "jane", "groups": []string{"admin"}})),
			want: inPlace(map[string]any{
				"instance_id": "k8s", "namespace": "shop", "cluster": "cluster-7", "instance_name": "orders",
				"identity_platform": "kubernetes", "identity_user": "jane",
			}),
		},
		{
			call: newCall("provision", http.MethodPut, instancePath(crn), object(ibmContext), 201).with(identity, ibm),
			want: inPlace(map[string]any{
				"instance_id": crnDecoded, "account": "4ea1882a", "identity_platform": "ibmcloud", "identity_user": "IBMid-7",
			}),
		},
		{
			call: newCall("set_state", http.MethodPut, statePath(crn), members{"enabled": true}, 204).
				with(identity, originatingIdentity("ibmcloud", "IBMid-bare")),
			want: map[string]any{
				"instance_id": crnDecoded, "backend": "pg", "identity_platform": "ibmcloud", "identity_user": "IBMid-bare",
			},
		},
		{
			call: newCall("update", http.MethodPatch, instancePath("cf")+"?accepts_incomplete=true",
				members{"service_id": "db", "plan_id": "db-async", "context": cloudFoundryContext}, 202),
			want: inPlace(map[string]any{
				"plan_id": "db-async", "async": true,
				"organization": "org-guid", "space": "space-guid", "instance_name": "orders-db",
			}),
		},
		{call: poll("cf")},
		{call: poll("cf")},
		{
			call: newCall("bind", http.MethodPut, bindingPath("cf", "bound")+"?accepts_incomplete=true",
				members{"service_id": "db", "plan_id": "db-async"}, 202),
			want: inPlace(map[string]any{"plan_id": "db-async", "binding_id": "bound", "async": true}),
		},
		{
			call: newCall("unbind", http.MethodDelete, bindingPath("cf", "bound")+"?"+ids("db", "async"), nil, 422),
			want: inPlace(map[string]any{
				"plan_id": "db-async", "binding_id": "bound", "error": "ConcurrencyError",
			}),
		},
		{
			call: newCall("deprovision", http.MethodDelete, instancePath("k8s")+query, nil, 200),
			want: inPlace(map[string]any{"instance_id": "k8s"}),
		},
		{
			call: newCall("provision", http.MethodPut, instancePath("fails"), object(nil), 500),
			want: inPlace(map[string]any{"instance_id": "fails", "error": "OutOfSpace"}),
		},
		{call: wrong, want: map[string]any{"instance_id": "other", "error": "Unauthorized"}, anonymous: true},
		{call: malformed, want: map[string]any{"instance_id": "other", "error": "BadRequest"}},
		{
			call: newCall("deprovision", http.MethodDelete, instancePath("unknown")+"?service_id=none&plan_id=none", nil, 400),
			want: map[string]any{
				"instance_id": "unknown", "service_id": "none", "plan_id": "none", "error": "BadRequest",
			},
		},
	}
}

// TestAuditLines: whatever changes something, or tries to, is one line; what reads is none.
func TestAuditLines(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := harness.StartBroker(t, samplebroker.Options{
		Catalog: catalog("db"),
		Faults: []samplebroker.Fault{{
			Path: "/fails$", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: 500,
			Body: `{"error": "OutOfSpace", "description": "no room"}`,
		}},
	})
	gateway := harness.Start(t, harness.Options{
		Block: "name audited\n" + block("store memory", broker.Backend("pg", "")), Environment: receiver.Env(otlptest.HTTP),
	})
	calls := auditedCalls()
	for _, c := range calls {
		c.do(t, gateway)
	}
	reads := []call{
		newCall("catalog", http.MethodGet, "/v2/catalog", nil, 200), fetch("cf"), poll("cf"),
		newCall("get_state", http.MethodGet, statePath(crn), nil, 200),
		newCall("poll_binding", http.MethodGet, bindingPath("cf", "bound")+"/last_operation", nil, 200),
		newCall("fetch_binding", http.MethodGet, bindingPath("cf", "bound"), nil, 200),
	}
	for _, c := range reads {
		if response := gateway.Do(t, c.Request); response.Status >= 500 {
			t.Errorf("%s: got %d", c.operation, response.Status)
		}
	}
	gateway.Stop(t) // everything is written then
	output := gateway.Output()
	spans := receiver.Spans()
	expected := 0
	for _, c := range calls {
		if c.want == nil {
			reads = append(reads, c.call)
			continue
		}
		expected++
		span, _ := serverSpan(spans, c.call)
		checkAuditLine(t, output, c, span.TraceID)
	}
	for _, c := range reads {
		if lines := auditLines(output, c); len(lines) != 0 {
			t.Errorf("%s: got the lines %v, want none", c.operation, lines)
		}
	}
	if all := logLines(output, auditLogger); len(all) != expected {
		t.Errorf("got %d lines for %d calls that change something", len(all), expected)
	}
	if strings.Contains(output, "not logged") {
		t.Error("the log has a parameter")
	}
}

// checkAuditLine compares the whole line.
func checkAuditLine(t *testing.T, output string, c audited, traceID string) {
	t.Helper()
	lines := auditLines(output, c.call)
	if len(lines) != 1 {
		t.Errorf("%s: got the lines %v, want one", c.identity(), lines)
		return
	}
	line := lines[0]
	if duration, ok := line["duration"].(float64); !ok || duration <= 0 {
		t.Errorf("%s: duration: got %v, want a number of seconds", c.identity(), line["duration"])
	}
	for _, own := range []string{"duration", "ts", "level", "logger", "msg"} {
		delete(line, own)
	}
	want := map[string]any{
		"gateway": "audited", "platform": "cf", "operation": c.operation, "status": float64(c.status), "async": false,
		"request_identity": c.identity(), "trace_id": traceID,
	}
	if c.anonymous {
		delete(want, "platform")
	}
	maps.Copy(want, c.want)
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("%s: the line differs (-want +got):\n%s", c.identity(), diff)
	}
}
