package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// logLine is a line of a process's log.
type logLine map[string]any

// text is a field as text.
func (l logLine) text(name string) string {
	value, _ := l[name].(string)
	return value
}

// logLines are the lines that one logger wrote about the call with a request identity.
func (w *world) logLines(t *testing.T, logger, requestIdentity string) []logLine {
	t.Helper()
	var lines []logLine
	for text := range strings.SplitSeq(w.Output(), "\n") {
		if !strings.Contains(text, requestIdentity) {
			continue
		}
		var line logLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			continue // a line that is being written
		}
		if strings.HasPrefix(line.text("logger"), logger) {
			lines = append(lines, line)
		}
	}
	return lines
}

const auditLogger = "http.handlers.osb_gateway.audit"

// auditKeys are the fields of an audit line besides those that every line has.
func auditKeys(line logLine) []string {
	fields := maps.Clone(line)
	for _, name := range []string{"level", "ts", "logger", "msg"} {
		delete(fields, name)
	}
	return slices.Sorted(maps.Keys(fields))
}

// logCase is a call and what the logs are to say of it.
type logCase struct {
	r         harness.Request
	operation string
	status    int
	audit     map[string]any
}

func TestLogs(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{
		Block: w.block(fileStore),
		Site: `log {
		output stderr
		format json
	}
	log_append operation {http.osb_gateway.operation}
	log_append backend {http.osb_gateway.backend}
	log_append instance {http.osb_gateway.instance_id}
	log_append caller {http.osb_gateway.platform}
	log_append user {http.osb_gateway.identity.user}
	log_append user_of {http.osb_gateway.identity.platform}
	log_append correlation {http.request.header.X-Broker-API-Request-Identity}
	`,
	})
	id, binding := "crn%3Av1%3Aa%2F1%3A"+newGUID(), newGUID()
	instance := instancePath(id)
	always := map[string]any{
		"gateway": "default", "platform": "cf", "instance_id": decoded(t, id), "backend": beta,
		"identity_platform": "cloudfoundry", "identity_user": "end-user",
	}
	of := func(more map[string]any) map[string]any {
		fields := maps.Clone(always)
		maps.Copy(fields, more)
		return fields
	}
	cloudFoundry := `{"service_id":"` + serviceID(beta) + `","plan_id":"` + planID(beta, slow) + `","context":{` +
		`"platform":"cloudfoundry","organization_name":"our org","organization_guid":"org-1","space_guid":"space-1",` +
		`"space_name":"our space","instance_name":"our db"},"parameters":{"password":"parameter-marked"}}`
	kubernetes := `{"service_id":"` + serviceID(beta) + `","plan_id":"` + planID(beta, slow) + `","context":{` +
		`"platform":"kubernetes","namespace":"team","clusterid":"cluster-1"},"bind_resource":{"app_guid":"app"}}`
	service, plan := serviceID(beta), planID(beta, slow)
	w.checkAllLogs(t, decoded(t, id), []logCase{
		{get("/v2/catalog"), "catalog", http.StatusOK, nil},
		{put(instance+asynchronous, cloudFoundry), "provision", http.StatusAccepted, of(map[string]any{
			"service_id": service, "plan_id": plan, "organization": "org-1", "space": "space-1", "instance_name": "our db",
			"async": true,
		})},
		{get(instance + "/last_operation"), "poll_instance", http.StatusOK, nil},
		{get(instance + "/last_operation"), "poll_instance", http.StatusOK, nil},
		{get(instance), "fetch_instance", http.StatusOK, nil},
		{patch(instance, change(beta, slow, small)), "update", http.StatusOK, of(map[string]any{
			"service_id": service, "plan_id": planID(beta, small),
		})},
		{put(statePath(id), `{"enabled":true}`), "set_state", http.StatusNoContent, of(nil)},
		{get(statePath(id)), "get_state", http.StatusOK, nil},
		{
			put(bindingPath(id, binding), strings.Replace(kubernetes, plan, planID(beta, small), 1)), "bind", http.StatusCreated,
			of(map[string]any{
				"service_id": service, "plan_id": planID(beta, small), "namespace": "team", "cluster": "cluster-1",
				"binding_id": binding,
			}),
		},
		{get(bindingPath(id, binding)), "fetch_binding", http.StatusOK, nil},
		{get(bindingPath(id, binding) + "/last_operation"), "poll_binding", http.StatusOK, nil},
		{del(bindingPath(id, binding) + ids(beta, small)), "unbind", http.StatusOK, of(map[string]any{
			"service_id": service, "plan_id": planID(beta, small), "binding_id": binding,
		})},
		{del(instance + "?service_id=" + service), "deprovision", http.StatusBadRequest, of(map[string]any{
			"service_id": service,
		})},
		{del(instance + ids(beta, small)), "deprovision", http.StatusOK, of(map[string]any{
			"service_id": service, "plan_id": planID(beta, small),
		})},
		{put(instance, `{"service_id":"nobody's","plan_id":"none"}`), "provision", http.StatusBadRequest, map[string]any{
			"gateway": "default", "platform": "cf", "instance_id": decoded(t, id), "service_id": "nobody's", "plan_id": "none",
			"identity_platform": "cloudfoundry", "identity_user": "end-user", "error": "BadRequest",
		}},
	})
	for _, secret := range []string{"parameter-marked", harness.Password, harness.BrokerPassword, "adminpassword"} {
		if strings.Contains(w.Output(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// checkAllLogs sends the calls one after the other.
func (w *world) checkAllLogs(t *testing.T, instance string, cases []logCase) {
	t.Helper()
	for _, c := range cases {
		w.checkLogs(t, c, instance)
	}
}

// checkLogs sends a call and reads what the access log and the audit log say of it.
func (w *world) checkLogs(t *testing.T, c logCase, instance string) {
	t.Helper()
	requestIdentity := newGUID()
	c.r.Header = http.Header{
		requestIdentityHeader: {requestIdentity}, identityHeader: {originatingIdentity},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}
	if answer := w.Do(t, c.r); answer.Status != c.status {
		t.Fatalf("%s: got %d %s, want %d", c.operation, answer.Status, answer.Body, c.status)
	}
	var access []logLine
	harness.Await(t, "the access log", func() bool {
		access = w.logLines(t, "http.log.access", requestIdentity)
		return len(access) > 0
	})
	backend := beta
	if c.operation == "catalog" {
		backend, instance = "", ""
	} else if c.audit != nil && c.audit["backend"] == nil {
		backend = ""
	}
	want := map[string]string{
		"operation": c.operation, "backend": backend, "instance": instance, "caller": "cf", "user": "end-user",
		"user_of": "cloudfoundry",
	}
	got := make(map[string]string)
	for name := range want {
		got[name] = access[0].text(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: access log (-want +got):\n%s", c.operation, diff)
	}

	// It is written before the access log.
	audit := w.logLines(t, auditLogger, requestIdentity)
	if c.audit == nil {
		if len(audit) > 0 {
			t.Errorf("%s: a read has an audit line: %v", c.operation, audit)
		}
		return
	}
	if len(audit) != 1 {
		t.Fatalf("%s: got %d audit lines, want 1", c.operation, len(audit))
	}
	fields := map[string]any{
		"operation": c.operation, "status": float64(c.status), "async": false, "request_identity": requestIdentity,
		"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "duration": audit[0]["duration"],
	}
	maps.Copy(fields, c.audit)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), auditKeys(audit[0])); diff != "" {
		t.Errorf("%s: keys of the audit line (-want +got):\n%s", c.operation, diff)
	}
	for name, want := range fields {
		if diff := cmp.Diff(want, audit[0][name]); diff != "" {
			t.Errorf("%s: audit line: %s (-want +got):\n%s", c.operation, name, diff)
		}
	}
	if duration, ok := audit[0]["duration"].(float64); !ok || duration <= 0 {
		t.Errorf("%s: audit line: got duration %v, want seconds", c.operation, audit[0]["duration"])
	}
}
