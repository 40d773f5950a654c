package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// liveSlowly is the life of an instance of a plan that does everything asynchronously.
func (w *world) liveSlowly(t *testing.T, s spelling) {
	instance, binding := instancePath(s.instance), bindingPath(s.instance, s.binding)
	body := create(s.broker, slow)

	w.expect(t, put(instance, body), http.StatusUnprocessableEntity, s.broker)
	accepted := w.expect(t, put(instance+asynchronous, body), http.StatusAccepted, s.broker)
	again := w.expect(t, put(instance+asynchronous, body), http.StatusAccepted, s.broker)
	if first, second := operation(t, accepted), operation(t, again); first != second {
		t.Errorf("operation of the repeated PUT: got %q, want %q", second, first)
	}
	w.expect(t, get(instance), http.StatusNotFound, s.broker)
	w.pollTo(t, instance, operation(t, accepted), s.broker, slow, http.StatusOK)
	w.expect(t, put(instance+asynchronous, body), http.StatusOK, s.broker)
	w.expect(t, get(instance), http.StatusOK, s.broker)

	accepted = w.expect(t, patch(instance+asynchronous, `{"service_id":"`+serviceID(s.broker)+`","parameters":{"a":1}}`),
		http.StatusAccepted, s.broker)
	w.expect(t, get(instance), http.StatusUnprocessableEntity, s.broker)
	w.pollTo(t, instance, operation(t, accepted), s.broker, slow, http.StatusOK)

	// From a plan that does everything at once to one that does not, and back.
	w.expect(t, patch(instance, change(s.broker, slow, small)), http.StatusOK, s.broker)
	accepted = w.expect(t, patch(instance+asynchronous, change(s.broker, small, slow)), http.StatusAccepted, s.broker)
	w.pollTo(t, instance, operation(t, accepted), s.broker, small, http.StatusOK)

	accepted = w.expect(t, put(binding+s.tail+asynchronous, bind(s.broker, slow)), http.StatusAccepted, s.broker)
	w.expect(t, put(binding+s.tail+asynchronous, bind(s.broker, slow)), http.StatusAccepted, s.broker)
	w.pollTo(t, binding, operation(t, accepted), s.broker, slow, http.StatusOK)
	w.expect(t, get(binding+s.tail), http.StatusOK, s.broker)

	asyncDelete := ids(s.broker, slow) + "&accepts_incomplete=true"
	accepted = w.expect(t, del(binding+s.tail+asyncDelete), http.StatusAccepted, s.broker)
	w.pollTo(t, binding, operation(t, accepted), s.broker, slow, http.StatusGone)
	w.expect(t, del(binding+s.tail+asyncDelete), http.StatusGone, s.broker)

	accepted = w.expect(t, del(instance+asyncDelete), http.StatusAccepted, s.broker)
	w.expect(t, del(instance+asyncDelete), http.StatusAccepted, s.broker)
	w.pollTo(t, instance, operation(t, accepted), s.broker, slow, http.StatusGone)
	w.expect(t, del(instance+asyncDelete), http.StatusGone, s.broker)
}

// operation returns the operation of a 202, which must be the broker's, byte for byte.
func operation(t *testing.T, accepted harness.Response) string {
	t.Helper()
	name := field(t, accepted.Body, "operation")
	if !strings.HasSuffix(name, operationSuffix) {
		t.Fatalf("operation: got %q, want %q at its end", name, operationSuffix)
	}
	return name
}

// pollTo polls an operation through its progress to its end, and once more.
// The plan is that before the operation.
func (w *world) pollTo(t *testing.T, path, operation, broker, plan string, end int) {
	t.Helper()
	target := path + "/last_operation?plan_id=" + planID(broker, plan) + "&operation=" + url.QueryEscape(operation) +
		"&service_id=" + serviceID(broker)
	poll := w.expect(t, get(target), http.StatusOK, broker)
	if got := field(t, poll.Body, "state"); got != "in progress" {
		t.Errorf("first poll: got %s, want it in progress", poll.Body)
	}
	if got := poll.Header.Get("Retry-After"); got != retryAfterSeconds {
		t.Errorf("first poll: got Retry-After %q, want %q", got, retryAfterSeconds)
	}
	for range 2 {
		poll = w.expect(t, get(target), end, broker)
		if got := field(t, poll.Body, "state"); end == http.StatusOK && got != "succeeded" {
			t.Errorf("last poll: got %s, want success", poll.Body)
		}
	}
	// The platform need not say anything but the path.
	w.expect(t, get(path+"/last_operation"), end, broker)
}
