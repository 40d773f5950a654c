package telemetry_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestCaddysTracing has Caddy's own directive in the site. Its span is the parent then, and its exporter in use.
func TestCaddysTracing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// environment is added to that of OTLP.
		environment []string
		header      http.Header
		// parent is the span above Caddy's; unsampled: there are no spans at all.
		parent    string
		unsampled bool
	}{
		{name: "root"},
		{
			name:   "traceparent",
			header: http.Header{"Traceparent": {"00-" + otherTrace + "-" + platformSpan + "-01"}}, parent: platformSpan,
		},
		{
			name:        "B3, which Caddy reads where it is told to",
			environment: []string{"OTEL_PROPAGATORS=tracecontext,baggage,b3"},
			header:      http.Header{"B3": {otherTrace + "-" + platformSpan + "-1"}}, parent: platformSpan,
		},
		{
			name:      "unsampled",
			header:    http.Header{"Traceparent": {"00-" + otherTrace + "-" + platformSpan + "-00"}},
			unsampled: true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			gateway := harness.Start(t, harness.Options{
				Block: block("store memory", broker.Backend("pg", "")), Site: "tracing {\n\tspan front\n}\n",
				Environment: append(receiver.Env(otlptest.GRPC), test.environment...),
			})
			c := provision("one", "db", "sync")
			maps.Copy(c.Header, test.header)
			c.do(t, gateway)
			header := received(t, broker, c).Header
			if test.unsampled {
				parent := header.Get("Traceparent")
				if len(parent) != 55 || parent[3:35] != otherTrace || parent[36:52] == platformSpan {
					t.Fatalf("the broker got traceparent %q, want another span of trace %s", parent, otherTrace)
				}
				checkTraceHeaders(t, header, otherTrace, parent[36:52], false)
				gateway.Stop(t)
				if slices.ContainsFunc(receiver.Spans(), func(s otlptest.Span) bool { return s.TraceID == otherTrace }) {
					t.Error("got spans of a trace that is not sampled")
				}
				return
			}
			front := awaitFront(t, receiver, c)
			spans := receiver.Spans()
			if front.ParentID != test.parent || front.Kind != otlptest.KindServer {
				t.Errorf("Caddy's %s span is below %q, want %q", front.Kind, front.ParentID, test.parent)
			}
			if test.parent != "" && front.TraceID != otherTrace {
				t.Errorf("Caddy's span is of trace %s, want %s", front.TraceID, otherTrace)
			}
			below := children(spans, front)
			if len(below) != 1 || below[0].Name != "osb.provision" {
				t.Fatalf("spans below Caddy's: got %+v, want that of the call alone", below)
			}
			client := clientSpan(t, spans, below[0])
			checkTraceHeaders(t, header, front.TraceID, client.SpanID, true)
			for _, span := range spans {
				if span.TraceID == front.TraceID && span.Resource["webengine.name"] != front.Resource["webengine.name"] {
					t.Errorf("span %s came from another exporter: %v", span.Name, span.Resource)
				}
			}
		})
	}
}

// awaitFront waits for the span of Caddy that is above that of the call; it ends last.
func awaitFront(t *testing.T, receiver *otlptest.Receiver, c call) otlptest.Span {
	t.Helper()
	var front otlptest.Span
	receiver.Await(t, func(spans []otlptest.Span) bool {
		server, found := serverSpan(spans, c)
		if !found {
			return false
		}
		n := slices.IndexFunc(spans, func(s otlptest.Span) bool { return s.SpanID == server.ParentID })
		if n >= 0 {
			front = spans[n]
		}
		return n >= 0
	})
	if front.Name != "front" {
		t.Errorf("the call's span is below %q, want Caddy's", front.Name)
	}
	return front
}

// TestTracingOff: without an exporter there are no spans, and what the platform sent goes through as it came.
func TestTracingOff(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string]func(*otlptest.Receiver) []string{
		"nothing asks for it": func(*otlptest.Receiver) []string { return nil },
		"no exporter": func(r *otlptest.Receiver) []string {
			return append(r.Env(otlptest.HTTP), "OTEL_TRACES_EXPORTER=none")
		},
		"disabled": func(r *otlptest.Receiver) []string {
			return append(r.Env(otlptest.GRPC), "OTEL_SDK_DISABLED=true")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			gateway := harness.Start(t, harness.Options{
				Block: block("store memory", broker.Backend("pg", "")), Environment: environment(receiver),
			})
			headers := map[string]string{
				"Traceparent": "00-" + otherTrace + "-" + platformSpan + "-01", "Tracestate": "vendor=opaque",
				"B3": otherTrace + "-" + platformSpan, "X-B3-Traceid": otherTrace, "X-B3-Spanid": platformSpan,
				"X-B3-Parentspanid": otherSpan, "X-B3-Sampled": "1", "Baggage": "tenant=a",
			}
			c := provision("one", "db", "sync")
			for header, value := range headers {
				c = c.with(header, value)
			}
			c.do(t, gateway)
			without := provision("two", "db", "sync")
			without.do(t, gateway)
			for header, want := range headers {
				if got := received(t, broker, c).Header.Values(header); len(got) != 1 || got[0] != want {
					t.Errorf("the broker got %s %q, want %q", header, got, want)
				}
				if got := received(t, broker, without).Header.Values(header); len(got) != 0 {
					t.Errorf("of a call without it the broker got %s %q", header, got)
				}
			}
			gateway.Stop(t)
			if spans := receiver.Spans(); len(spans) > 0 {
				t.Errorf("got spans %+v, want none", spans)
			}
			if line := auditLine(t, gateway, c); line["trace_id"] != otherTrace {
				t.Errorf("the audit line has trace_id %v, want the platform's %s", line["trace_id"], otherTrace)
			}
		})
	}
}
