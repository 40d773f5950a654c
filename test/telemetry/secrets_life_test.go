package telemetry_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// call makes a call with the platform's credentials and its identity, and keeps what may not hold secrets of the answer.
func (w *secretWorld) call(t *testing.T, c call) harness.Response {
	t.Helper()
	if c.User == "" {
		c.User, c.Password = "platform", platformPassword.value
	}
	c = c.with("X-Broker-API-Originating-Identity", secretIdentity)
	response := c.do(t, w.Gateway)
	fmt.Fprintf(&w.answers, "%s %d %v\n", c.identity(), response.Status, response.Header)
	if response.Status >= http.StatusBadRequest {
		w.answers.WriteString(response.Body + "\n")
	}
	return response
}

// credentials makes a call that is answered with credentials, and takes note of them.
func (w *secretWorld) credentials(t *testing.T, c call) {
	t.Helper()
	var answer struct {
		Credentials struct{ URI, Password, Username string }
	}
	response := w.call(t, c)
	if err := json.Unmarshal([]byte(response.Body), &answer); err != nil || answer.Credentials.Password == "" {
		t.Fatalf("%s: got no credentials: %s, %v", c.operation, response.Body, err)
	}
	w.found = append(w.found,
		secret{"credentials of a binding", answer.Credentials.Password, answer.Credentials.Username},
		secret{name: "the URI of a binding", value: answer.Credentials.URI})
}

// withParameter is the body of a create.
func withParameter(offering, plan string, parameter secret, more members) members {
	body := members{
		"service_id": offering, "plan_id": offering + "-" + plan, "parameters": members{"password": parameter.value},
		"context": cloudFoundryContext,
	}
	maps.Copy(body, more)
	return body
}

// live is the life of some instances, and of everything that can go wrong with secrets on the way.
func (w *secretWorld) live(t *testing.T) {
	t.Helper()
	create := func(instance, offering, plan string, status int) call {
		return newCall("provision", http.MethodPut, instancePath(instance)+"?accepts_incomplete=true",
			withParameter(offering, plan, createParameter, nil), status)
	}
	bind := func(instance, binding, offering, plan string, status int) call {
		return newCall("bind", http.MethodPut, bindingPath(instance, binding)+"?accepts_incomplete=true",
			withParameter(offering, plan, bindParameter, nil), status)
	}
	w.call(t, newCall("catalog", http.MethodGet, "/v2/catalog", nil, 200))

	// At once, at the broker whose password is in a file; the identity of IBM Cloud's instances is a CRN.
	w.call(t, create(crn, "queue", "rotatable", 201))
	w.call(t, newCall("fetch_instance", http.MethodGet, instancePath(crn), nil, 200))
	w.call(t, newCall("set_state", http.MethodPut, statePath(crn), members{"enabled": true}, 204))
	w.call(t, newCall("get_state", http.MethodGet, statePath(crn), nil, 200))
	w.call(t, newCall("update", http.MethodPatch, instancePath(crn),
		withParameter("queue", "rotatable", updateParameter, nil), 200))
	w.credentials(t, bind(crn, "first", "queue", "rotatable", 201))
	w.credentials(t, newCall("bind", http.MethodPut, bindingPath(crn, "second"),
		withParameter("queue", "rotatable", bindParameter, members{"predecessor_binding_id": "first"}), 201))
	w.credentials(t, newCall("fetch_binding", http.MethodGet, bindingPath(crn, "second"), nil, 200))
	for _, binding := range []string{"first", "second"} {
		w.call(t, newCall("unbind", http.MethodDelete, bindingPath(crn, binding)+"?"+ids("queue", "rotatable"), nil, 200))
	}
	w.call(t, deprovision(crn, "queue", "rotatable"))

	// Later, with polls.
	pollTwice := func(operation, path string, last int) {
		w.call(t, newCall(operation, http.MethodGet, path+"/last_operation", nil, 200))
		w.call(t, newCall(operation, http.MethodGet, path+"/last_operation", nil, last))
	}
	bound := bindingPath("living", "bound")
	w.call(t, create("living", "db", "async", 202))
	pollTwice("poll_instance", instancePath("living"), 200)
	w.call(t, newCall("update", http.MethodPatch, instancePath("living")+"?accepts_incomplete=true",
		withParameter("db", "async", updateParameter, nil), 202))
	pollTwice("poll_instance", instancePath("living"), 200)
	w.call(t, bind("living", "bound", "db", "async", 202))
	pollTwice("poll_binding", bound, 200)
	w.credentials(t, newCall("fetch_binding", http.MethodGet, bound, nil, 200))
	w.call(t, newCall("unbind", http.MethodDelete, bound+"?accepts_incomplete=true&"+ids("db", "async"), nil, 202))
	pollTwice("poll_binding", bound, 410)

	w.troubles(t, create, bind)
	// The instance stays, for the store to have something in it.
}

// troubles are the calls that go wrong.
func (w *secretWorld) troubles(
	t *testing.T, create func(string, string, string, int) call, bind func(string, string, string, string, int) call,
) {
	t.Helper()
	for instance, status := range map[string]int{
		"echo-header": 500, "echo-password": 502, "echo-form": 500, "echo-key": 503, "echo-cut": 500, "echo-body": 500,
		"echo-raw": 500, "echo-identity": 500, "echo-user": 500, "redirect": 502, "denied": 502, "truncated": 502,
	} {
		w.call(t, create(instance, "db", "sync", status))
	}
	code := create("echo-code", "db", "sync", 400)
	code.User, code.Password = "platform", platformPassword.value
	code.do(t, w.Gateway) // its answer is the broker's, and the platform knows its own parameters
	w.call(t, bind("living", "echo-bind", "db", "async", 500))
	wrong := create("living", "db", "async", 401)
	wrong.User, wrong.Password = "platform", wrongPlatformPassword.value
	w.call(t, wrong)
	wrong = newCall("catalog", http.MethodGet, "/v2/catalog", nil, 401)
	wrong.User, wrong.Password = "nobody", wrongPlatformPassword.value
	w.call(t, wrong)
	for _, authorization := range []string{
		"Bearer " + wrongPlatformPassword.value, "Basic " + wrongPlatformPassword.forms()["base64"],
		wrongPlatformPassword.value,
	} {
		c := newCall("catalog", http.MethodGet, "/v2/catalog", nil, 401).with("Authorization", authorization)
		c.User = "-"
		w.call(t, c)
	}
	for _, body := range []string{
		`{"service_id": "db", "plan_id": "db-sync", "parameters": {"password": ` + quoted(malformedParameter),
		`{"service_id": "db", "plan_id": "db-sync", "parameters": {}} ` + quoted(malformedParameter),
		`{"service_id": [` + quoted(malformedParameter) + `], "plan_id": "db-sync"}`,
		`{"service_id": "db", "plan_id": "db-sync", ` + quoted(malformedParameter) + `: 1, ` +
			quoted(malformedParameter) + `: 2}`,
		quoted(malformedParameter),
	} {
		c := newCall("provision", http.MethodPut, instancePath("malformed"), nil, 400)
		c.Body = body
		w.call(t, c)
	}
}

func quoted(s secret) string {
	text, err := json.Marshal(s.value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
