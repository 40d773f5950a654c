package e2e_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// refusal is what the gateway itself answers a call with, without any broker hearing of it.
type refusal struct {
	method string
	// path makes the path of the instance's id; nil is the path of the binding.
	path   func(id string) string
	status int
	code   string
}

func instancePoll(id string) string { return instancePath(id) + "/last_operation" }

// expectRefusals sends calls on an instance and on a binding of it, and expects each to be refused. The caller's
// credentials and query come from r.
func (w *world) expectRefusals(
	t *testing.T, r harness.Request, id, binding string, onInstance, onBinding []refusal, body string,
) {
	t.Helper()
	query := r.Target
	for _, refusals := range [][]refusal{onInstance, onBinding} {
		for _, want := range refusals {
			r.Method, r.Body = want.method, ""
			if want.method == http.MethodPut || want.method == http.MethodPatch {
				r.Body = body
			}
			if want.path != nil {
				r.Target = want.path(id) + query
			} else {
				r.Target = bindingPath(id, binding) + query
			}
			answer := w.expect(t, r, want.status, "")
			if answer.Status == want.status {
				refused(t, answer, want.code)
			}
		}
	}
	r.Method, r.Body, r.Target = http.MethodGet, "", bindingPath(id, binding)+"/last_operation"+query
	refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
}

// expectUnreachable sends every call but the creation, with every hint there is, and expects it to be answered as if there
// were no such instance. A deletion is 404 or, where the platform asked for the instance and did not get it, 410.
func (w *world) expectUnreachable(t *testing.T, r harness.Request, id, binding, broker string, deletion int) {
	t.Helper()
	r.Target = ids(broker, small)
	notFound := func(method string, path func(string) string) refusal {
		return refusal{method, path, http.StatusNotFound, "NotFound"}
	}
	w.expectRefusals(t, r, id, binding, []refusal{
		notFound(http.MethodGet, instancePath),
		notFound(http.MethodPatch, instancePath),
		notFound(http.MethodGet, statePath),
		notFound(http.MethodPut, statePath),
		{http.MethodGet, instancePoll, http.StatusServiceUnavailable, "OwnershipUnavailable"},
	}, []refusal{
		notFound(http.MethodPut, nil),
		notFound(http.MethodGet, nil),
		notFound(http.MethodDelete, nil),
	}, `{"service_id":"`+serviceID(broker)+`","plan_id":"`+planID(broker, small)+`","enabled":false}`)

	r.Method, r.Target = http.MethodDelete, instancePath(id)+ids(broker, small)
	answer := w.expect(t, r, deletion, "")
	if deletion == http.StatusGone {
		if answer.Body != "{}" {
			t.Errorf("410: got %q, want {}", answer.Body)
		}
		return
	}
	refused(t, answer, "NotFound")
}
