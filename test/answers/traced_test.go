package answers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// traced is what a gateway's calls have to leave behind.
type traced struct {
	gateway  *harness.Gateway
	receiver *otlptest.Receiver

	mu    sync.Mutex
	calls []tracedCall
}

// tracedCall is a call and how it was answered.
type tracedCall struct {
	request
	status int
}

// allTraced are the gateways that start started.
var allTraced sync.Map // of *traced by *harness.Gateway

// start starts a gateway whose every call must leave a span, and a line of the audit log if it is to change something.
// So each answer of the table, and each that is relayed, is looked at from that side too, when the test has ended.
func start(t testing.TB, options harness.Options) *harness.Gateway {
	t.Helper()
	w := &traced{receiver: otlptest.Start(t)}
	t.Cleanup(func() { w.check(t) }) // after the gateway has ended, and so has sent what it had
	options.Environment = append(w.receiver.Env(otlptest.HTTP), options.Environment...)
	w.gateway = harness.Start(t, options)
	allTraced.Store(w.gateway, w)
	return w.gateway
}

// noteTraced remembers a call that the gateway answered by itself or relayed, which is one that it named.
func noteTraced(g *harness.Gateway, r request, a answer) {
	if w, ok := allTraced.Load(g); ok && a.header.Get("X-Broker-Api-Request-Identity") == r.identity {
		w := w.(*traced)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, tracedCall{r, a.status})
	}
}

func (w *traced) check(t testing.TB) {
	t.Helper()
	spans := w.receiver.Spans()
	below := make(map[string][]otlptest.Span)
	servers := make(map[any][]otlptest.Span)
	for _, span := range spans {
		below[span.ParentID] = append(below[span.ParentID], span)
		if span.Kind == otlptest.KindServer {
			identity := span.Attributes["osb.request_identity"]
			servers[identity] = append(servers[identity], span)
		}
	}
	audited := auditedStatuses(w.gateway.Output())
	for _, c := range w.calls {
		found := servers[c.identity]
		if len(found) != 1 {
			t.Errorf("%s %s: got %d server spans, want one", c.method, c.target, len(found))
			continue
		}
		c.checkSpan(t, found[0])
		for _, span := range below[found[0].SpanID] {
			if span.TraceID != found[0].TraceID {
				t.Errorf("%s %s: the span %s below it is of another trace", c.method, c.target, span.Name)
			}
		}
		var want []int
		operation, _ := found[0].Attributes["osb.operation"].(string)
		if slices.Contains([]string{"provision", "update", "deprovision", "bind", "unbind", "set_state"}, operation) {
			want = []int{c.status}
		}
		if got := audited[c.identity]; !slices.Equal(got, want) {
			t.Errorf("%s %s (%s): got audit lines with the statuses %v, want %v", c.method, c.target, operation, got, want)
		}
	}
	raw := w.receiver.Raw()
	for _, secret := range []string{
		harness.Password, harness.BrokerPassword, harness.PasswordHash,
		strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(harness.User+":"+harness.Password)), "="),
	} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the spans hold %q", secret)
		}
	}
}

// checkSpan compares the span of a call with its answer.
func (c tracedCall) checkSpan(t testing.TB, span otlptest.Span) {
	t.Helper()
	operation, _ := span.Attributes["osb.operation"].(string)
	_, platform := span.Attributes["osb.platform"]
	status, errorType := otlptest.StatusUnset, any(nil)
	if c.status >= http.StatusInternalServerError {
		status, errorType = otlptest.StatusError, strconv.Itoa(c.status)
	}
	switch {
	case operation == "" || span.Name != "osb."+operation:
		t.Errorf("%s %s: the span is called %q, its operation %q", c.method, c.target, span.Name, operation)
	case span.ParentID != "" && !strings.Contains(strings.ToLower(c.header), "traceparent"):
		t.Errorf("%s %s: the span is below %s, want a root", c.method, c.target, span.ParentID)
	case span.Attributes["http.response.status_code"] != int64(c.status) || span.Status != status ||
		span.Attributes["error.type"] != errorType:
		t.Errorf("%s %s was answered with %d; the span says %v, %s, %v", c.method, c.target, c.status,
			span.Attributes["http.response.status_code"], span.Status, span.Attributes["error.type"])
	case platform != (c.status != http.StatusUnauthorized):
		t.Errorf("%s %s was answered with %d; the span names a platform: %t", c.method, c.target, c.status, platform)
	}
}

// auditedStatuses are the statuses in the lines of the audit log, by request identity.
func auditedStatuses(output string) map[string][]int {
	statuses := make(map[string][]int)
	for text := range strings.Lines(output) {
		var line struct {
			Logger   string
			Identity string `json:"request_identity"`
			Status   int
		}
		if json.Unmarshal([]byte(text), &line) == nil && line.Logger == "http.handlers.osb_gateway.audit" {
			statuses[line.Identity] = append(statuses[line.Identity], line.Status)
		}
	}
	return statuses
}
