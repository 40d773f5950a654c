package versions_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestNewerRecords has a newer gateway write records of a version that the older does not understand. The older sends
// nothing on, never says that the instance is gone, and tells its operator what to do; the newer goes on.
func TestNewerRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "OSB_NEWER_VERSION=1")
	s := newSubject()
	steps := life(s)
	checked := 0
	for n, step := range steps {
		w.expect(t, w.newer, step.r, step.want)
		instance, _ := w.records(t, s)
		if instance == nil || instance.V != 2 {
			t.Fatalf("step %d: got the record %+v, want one of version 2", n, instance)
		}
		for _, r := range everyCall(s) {
			w.expectNewer(t, r)
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d calls were made on the older gateway", checked)
	}
	harness.Await(t, "the older gateway to say what to do", func() bool {
		for line := range strings.Lines(w.older.Output()) {
			if strings.Contains(line, s.instance) && strings.Contains(line, "upgrade") {
				return true
			}
		}
		return false
	})
}

// everyCall is one of each kind, with the ids that a platform sends along.
func everyCall(s subject) []harness.Request {
	hinted := func(r harness.Request) harness.Request {
		r.Target += ids
		return r
	}
	return []harness.Request{
		s.create(), s.update(), s.delete(), s.get(), hinted(s.get()), s.poll(), hinted(s.poll()),
		s.bind(), s.unbind(), s.getBinding(), hinted(s.getBinding()), s.pollBinding(), hinted(s.pollBinding()),
		request(http.MethodGet, "/bluemix_v1/service_instances/"+s.instance, ""),
		request(http.MethodPut, "/bluemix_v1/service_instances/"+s.instance, `{"enabled":false}`),
	}
}

// expectNewer wants that the older gateway keeps its hands off.
func (w *world) expectNewer(t *testing.T, r harness.Request) {
	t.Helper()
	answer, arrived := w.send(t, w.older, r)
	var said struct{ Error string }
	_ = json.Unmarshal([]byte(answer.Body), &said) // another body has no code
	if answer.Status != http.StatusServiceUnavailable || said.Error != "OwnershipUnavailable" ||
		answer.Header.Get("Retry-After") == "" || arrived {
		t.Errorf("%s %s on the older gateway: got %d %s, at the broker %t; want 503 OwnershipUnavailable",
			r.Method, r.Target, answer.Status, answer.Body, arrived)
	}
}

// TestRecordsAreUpgraded has the older gateway make and know an instance, and the newer one make it anew.
func TestRecordsAreUpgraded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "OSB_NEWER_VERSION=1")
	s := newSubject()
	w.expect(t, w.older, s.create(), http.StatusAccepted)
	for range 2 {
		w.expect(t, w.older, s.poll(), http.StatusOK)
	}
	w.expect(t, w.older, s.get(), http.StatusOK)
	w.expect(t, w.newer, s.get(), http.StatusOK)
	// What the older made the newer keeps in the version that the older understands.
	w.expect(t, w.newer, s.update(), http.StatusAccepted)
	for range 2 {
		w.expect(t, w.older, s.poll(), http.StatusOK)
	}
	w.expect(t, w.newer, s.delete(), http.StatusAccepted)
	w.expect(t, w.newer, s.poll(), http.StatusOK)
	w.expect(t, w.newer, s.poll(), http.StatusGone)
	w.expect(t, w.older, s.delete(), http.StatusGone)

	w.expect(t, w.newer, s.create(), http.StatusAccepted)
	for range 2 {
		w.expect(t, w.newer, s.poll(), http.StatusOK)
	}
	for _, r := range everyCall(s) {
		if r.Method != http.MethodGet {
			w.expectNewer(t, r)
		}
	}
	// What only reads may know the record from before for a moment, and then hears the broker.
	harness.Await(t, "the older gateway to hear of the new record", func() bool {
		answer, arrived := w.send(t, w.older, s.get())
		if arrived && answer.Status != http.StatusOK || !arrived && answer.Status != http.StatusServiceUnavailable {
			t.Errorf("GET on the older gateway: got %d %s, at the broker %t", answer.Status, answer.Body, arrived)
		}
		return !arrived
	})
	w.expect(t, w.newer, s.get(), http.StatusOK)
}
