package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The headers as net/http spells them.
const (
	identityHeader        = "X-Broker-Api-Originating-Identity"
	requestIdentityHeader = "X-Broker-Api-Request-Identity"
)

// originatingIdentity has spaces and padding that a header which was decoded and written anew would not have.
var originatingIdentity = "cloudfoundry   " + base64.StdEncoding.EncodeToString([]byte(`{ "user_id": "end-user" , "x":1}`))

// brokerAuthorization is what a broker must get in the place of the platform's credentials.
var brokerAuthorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("gateway:"+harness.BrokerPassword))

// expect sends a call and checks that its answer has a status, and that it arrived as it was sent at the broker of that
// name and at no other. The empty name stands for no broker at all. Nobody else may send calls meanwhile.
func (w *world) expect(t *testing.T, r harness.Request, status int, broker string) harness.Response {
	t.Helper()
	return w.expectThrough(t, w.Gateway, r, status, broker)
}

func (w *world) expectThrough(
	t *testing.T, gateway *harness.Gateway, r harness.Request, status int, broker string,
) harness.Response {
	t.Helper()
	header := http.Header{identityHeader: {originatingIdentity}, requestIdentityHeader: {newGUID()}}
	maps.Copy(header, r.Header)
	r.Header = header
	w.forget()
	answer := gateway.Do(t, r)
	if answer.Status != status {
		t.Errorf("%s %s: got %d %s, want %d", r.Method, r.Target, answer.Status, answer.Body, status)
	}
	if got := answer.Header.Values(requestIdentityHeader); !slices.Equal(got, header[requestIdentityHeader]) {
		t.Errorf("%s %s: request identity: got %q echoed, want %q", r.Method, r.Target, got, header[requestIdentityHeader])
	}
	for _, name := range brokerNames {
		arrived := w.arrivals(name)
		switch {
		case name != broker && len(arrived) > 0:
			t.Errorf("%s %s: %s got %s %s, want nothing", r.Method, r.Target, name, arrived[0].Method, arrived[0].RequestURI)
		case name == broker && len(arrived) != 1:
			t.Errorf("%s %s: %s got %d calls, want 1", r.Method, r.Target, name, len(arrived))
		case name == broker:
			checkArrival(t, r, arrived[0])
		}
	}
	return answer
}

// checkArrival compares a call with what a broker got of it.
func checkArrival(t *testing.T, sent harness.Request, arrived samplebroker.RecordedRequest) {
	t.Helper()
	type call struct{ Method, Target, Body, Authorization, Identity, RequestIdentity, Version string }
	text := func(header http.Header, name string) string { return strings.Join(header.Values(name), "|") }
	want := call{
		sent.Method, sent.Target, sent.Body, brokerAuthorization, text(sent.Header, identityHeader),
		text(sent.Header, requestIdentityHeader), "2.17",
	}
	got := call{
		arrived.Method, arrived.RequestURI, string(arrived.Body), text(arrived.Header, "Authorization"),
		text(arrived.Header, identityHeader), text(arrived.Header, requestIdentityHeader),
		text(arrived.Header, "X-Broker-API-Version"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s arrived changed (-sent +arrived):\n%s", sent.Method, sent.Target, diff)
	}
}

// forget has the calls that arrived so far count no more.
func (w *world) forget() {
	for _, broker := range w.brokers {
		broker.ForgetRequests()
	}
}

// arrivals are the calls that a broker got since forget, without the fetches of its catalog, which come when they come.
func (w *world) arrivals(broker string) []samplebroker.RecordedRequest {
	return slices.DeleteFunc(w.brokers[broker].Requests(), func(r samplebroker.RecordedRequest) bool {
		return r.RequestURI == "/v2/catalog"
	})
}

// holds tells whether a broker has an instance of that id, decoded.
func holds(broker *harness.Broker, id string) bool { return slices.Contains(broker.Instances(), id) }

// field reads a text from a JSON object.
func field(t *testing.T, object, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		t.Fatalf("reading %q: %v", object, err)
	}
	text, _ := fields[name].(string)
	return text
}

// refused checks an answer that the gateway itself gives: its code, its form, and whether it says when to come again.
func refused(t *testing.T, answer harness.Response, code string) {
	t.Helper()
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type: got %q, want application/json", got)
	}
	if got := field(t, answer.Body, "error"); got != code {
		t.Errorf("error: got %s, want %s", answer.Body, code)
	}
	if got, want := answer.Header.Get("Retry-After") != "", answer.Status == http.StatusServiceUnavailable; got != want {
		t.Errorf("a %d has Retry-After: got %v, want %v", answer.Status, got, want)
	}
}

// path is a regular expression for the path of a call.
func path(r harness.Request) string {
	target, _, _ := strings.Cut(r.Target, "?")
	return "^" + regexp.QuoteMeta(target) + "$"
}
