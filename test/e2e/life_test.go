package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// spelling is how a platform writes ids in paths.
type spelling struct {
	name, broker      string
	instance, binding string
	successor         string // of the binding
	tail              string // after a binding's path
}

func spellings() []spelling {
	crn := func(broker, colon, slash string) string {
		return strings.Join([]string{
			"crn", "v1", "bluemix", "public", serviceName(broker), "us-south", "a" + slash + newGUID(), newGUID(), "", "",
		}, colon)
	}
	return []spelling{
		{name: "GUID", broker: alpha, instance: newGUID(), binding: newGUID(), successor: newGUID()},
		{
			name: "CRN", broker: beta, instance: crn(beta, "%3A", "%2F"), binding: crn(beta, "%3A", "%2F"),
			successor: crn(beta, "%3A", "%2F"),
		},
		{
			name: "CRN with raw colons", broker: gamma, instance: crn(gamma, ":", "%2F"), binding: crn(gamma, ":", "%2F"),
			successor: crn(gamma, ":", "%2F"),
		},
		{
			name: "CRN with lower-case hex and a trailing slash", broker: gamma, instance: crn(gamma, "%3a", "%2f"),
			binding: crn(gamma, "%3a", "%2f"), successor: crn(gamma, "%3a", "%2f"), tail: "/",
		},
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		for _, s := range spellings() {
			if !t.Run(s.name, func(t *testing.T) { w.liveAtOnce(t, s) }) {
				return
			}
		}
		for _, s := range spellings() {
			if !t.Run(s.name+", asynchronous", func(t *testing.T) { w.liveSlowly(t, s) }) {
				return
			}
		}
	})
}

// liveAtOnce is the life of an instance of plans that do everything at once.
func (w *world) liveAtOnce(t *testing.T, s spelling) {
	instance, binding := instancePath(s.instance), bindingPath(s.instance, s.binding)+s.tail
	successor := bindingPath(s.instance, s.successor) + s.tail
	id, err := url.PathUnescape(s.instance)
	if err != nil {
		t.Fatal(err)
	}

	w.expect(t, put(instance, create(s.broker, small)), http.StatusCreated, s.broker)
	if !holds(w.brokers[s.broker], id) {
		t.Fatalf("%s does not have %s", s.broker, id)
	}
	w.expect(t, put(instance, create(s.broker, small)), http.StatusOK, s.broker)
	fetched := w.expect(t, get(instance), http.StatusOK, s.broker)
	if got, want := field(t, fetched.Body, "plan_id"), planID(s.broker, small); got != want {
		t.Errorf("plan: got %q, want %q", got, want)
	}
	w.expect(t, get(instance+"/last_operation"), http.StatusOK, s.broker)

	w.expect(t, patch(instance, change(s.broker, small, large)), http.StatusOK, s.broker)
	fetched = w.expect(t, get(instance+ids(s.broker, large)), http.StatusOK, s.broker)
	if got, want := field(t, fetched.Body, "plan_id"), planID(s.broker, large); got != want {
		t.Errorf("plan after the update: got %q, want %q", got, want)
	}

	w.expect(t, put(binding, bind(s.broker, large)), http.StatusCreated, s.broker)
	again := w.expect(t, put(binding, bind(s.broker, large)), http.StatusOK, s.broker)
	if bound := w.expect(t, get(binding), http.StatusOK, s.broker); !strings.Contains(again.Body, "credentials") ||
		!strings.Contains(bound.Body, "credentials") {
		t.Errorf("credentials are missing: got %s and %s", again.Body, bound.Body)
	}
	rotation := `{"service_id":"` + serviceID(s.broker) + `","predecessor_binding_id":"` + decoded(t, s.binding) + `"}`
	w.expect(t, put(successor, rotation), http.StatusCreated, s.broker)

	w.setStates(t, s)

	w.expect(t, del(binding+ids(s.broker, large)), http.StatusOK, s.broker)
	w.expect(t, del(binding+ids(s.broker, large)), http.StatusGone, s.broker)
	w.expect(t, get(binding), http.StatusNotFound, s.broker)
	w.expect(t, del(successor+ids(s.broker, large)), http.StatusOK, s.broker)

	w.expect(t, del(instance+ids(s.broker, large)), http.StatusOK, s.broker)
	w.expect(t, del(instance+ids(s.broker, large)), http.StatusGone, s.broker)
	// The sample broker has 410 for asynchronous deletions only; what it says is relayed.
	w.expect(t, get(instance+"/last_operation"), http.StatusNotFound, s.broker)
	w.expect(t, get(instance), http.StatusNotFound, s.broker)

	// The id is free again, for any broker.
	other := alpha
	if s.broker == alpha {
		other = beta
	}
	w.expect(t, put(instance, create(other, small)), http.StatusCreated, other)
	w.expect(t, get(instance), http.StatusOK, other)
	w.expect(t, del(instance+ids(other, small)), http.StatusOK, other)
}

// setStates disables an instance and enables it again, as IBM Cloud does.
func (w *world) setStates(t *testing.T, s spelling) {
	t.Helper()
	state := statePath(s.instance)
	for _, body := range []string{
		`{"enabled":false,"initiator_id":"null","reason_code":"IBMCLOUD_ACCT_SUSPEND"}`, `{"enabled":true,"initiator_id":"IBMid-1"}`,
	} {
		w.expect(t, get(state), http.StatusOK, s.broker)
		if answer := w.expect(t, put(state, body), http.StatusNoContent, s.broker); answer.Body != "" {
			t.Errorf("PUT of the state: got body %q, want none", answer.Body)
		}
		disabled := strings.Contains(body, "false")
		if got := w.expect(t, get(state), http.StatusOK, s.broker).Body; strings.Contains(got, `"enabled":false`) != disabled {
			t.Errorf("state: got %s, want it as in %s", got, body)
		}
	}
}

func decoded(t *testing.T, escaped string) string {
	t.Helper()
	id, err := url.PathUnescape(escaped)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
