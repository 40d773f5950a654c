package telemetry_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// Spans of the platform, as its headers name them. Only their last digits differ from test to test.
const (
	platformSpan = "00f067aa0ba902b7"
	otherSpan    = "b7ad6b7169203331"
	otherTrace   = "0af7651916cd43dd8448eb211c80319c"
)

// TestParent sends headers that name a span of the platform.
func TestParent(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")), Environment: receiver.Env(otlptest.HTTP),
	})
	provision("known", "db", "sync").do(t, gateway)

	tests := []struct {
		name    string
		headers func(trace string) http.Header
		// root: the headers name no span, and the call is a trace of its own.
		root bool
		// unsampled: the platform decided that nobody shall see the call.
		unsampled bool
		// debug: the decision goes to everybody below.
		debug bool
		// short: of the id of the trace only the last half was sent.
		short bool
	}{
		{name: "traceparent", headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {"00-" + trace + "-" + platformSpan + "-01"}}
		}},
		{name: "traceparent of a later version", headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {"01-" + trace + "-" + platformSpan + "-01-more"}}
		}},
		{name: "single B3", headers: func(trace string) http.Header {
			return http.Header{"B3": {trace + "-" + platformSpan + "-1-" + otherSpan}}
		}},
		{name: "several B3", headers: func(trace string) http.Header {
			return http.Header{"X-B3-Traceid": {trace}, "X-B3-Spanid": {platformSpan}, "X-B3-Sampled": {"1"}}
		}},
		{name: "B3 without a decision, as Cloud Foundry sends it", headers: func(trace string) http.Header {
			return http.Header{
				"B3": {trace + "-" + platformSpan}, "X-B3-Traceid": {trace}, "X-B3-Spanid": {platformSpan},
			}
		}},
		{name: "B3 with half a trace id", short: true, headers: func(trace string) http.Header {
			return http.Header{"B3": {trace[16:] + "-" + platformSpan + "-1"}}
		}},
		{name: "B3 for debugging", debug: true, headers: func(trace string) http.Header {
			return http.Header{"B3": {trace + "-" + platformSpan + "-d"}}
		}},
		{name: "W3C goes before B3", headers: func(trace string) http.Header {
			return http.Header{
				"Traceparent": {"00-" + trace + "-" + platformSpan + "-01"}, "B3": {otherTrace + "-" + otherSpan + "-0"},
				"X-B3-Traceid": {otherTrace}, "X-B3-Spanid": {otherSpan}, "X-B3-Sampled": {"0"},
			}
		}},
		{name: "B3 where traceparent is malformed", headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {"00-x-y-01"}, "B3": {trace + "-" + platformSpan + "-1"}}
		}},
		{name: "two traceparents", root: true, headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {
				"00-" + trace + "-" + platformSpan + "-01", "00-" + otherTrace + "-" + otherSpan + "-01",
			}}
		}},
		{name: "malformed", root: true, headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {"00-" + trace}, "B3": {trace}, "X-B3-Traceid": {"x"}}
		}},
		{name: "unsampled traceparent", unsampled: true, headers: func(trace string) http.Header {
			return http.Header{"Traceparent": {"00-" + trace + "-" + platformSpan + "-00"}}
		}},
		{name: "unsampled single B3", unsampled: true, headers: func(trace string) http.Header {
			return http.Header{"B3": {trace + "-" + platformSpan + "-0"}}
		}},
		{name: "unsampled several B3", unsampled: true, headers: func(trace string) http.Header {
			return http.Header{"X-B3-Traceid": {trace}, "X-B3-Spanid": {platformSpan}, "X-B3-Sampled": {"0"}}
		}},
	}
	for n, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			trace := fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n)
			c := fetch("known")
			maps.Copy(c.Header, test.headers(trace))
			c.do(t, gateway)
			if test.short {
				trace = "0000000000000000" + trace[16:]
			}
			header := received(t, broker, c).Header
			if test.unsampled {
				checkUnsampled(t, gateway, receiver, header, trace)
				return
			}
			spans := awaitCalls(t, receiver, c)
			server, _ := serverSpan(spans, c)
			switch {
			case test.root && (server.ParentID != "" || server.TraceID == trace || server.TraceID == otherTrace):
				t.Errorf("got a span below %q of trace %s, want a root", server.ParentID, server.TraceID)
			case !test.root && (server.ParentID != platformSpan || server.TraceID != trace):
				t.Errorf("got a span below %q of trace %s, want %s of %s", server.ParentID, server.TraceID, platformSpan, trace)
			}
			client := clientSpan(t, spans, server)
			if test.debug {
				checkDebugHeaders(t, header, client)
				return
			}
			checkTraceHeaders(t, header, client.TraceID, client.SpanID, true)
		})
	}
}

// clientSpan finds the one span of the sending to the broker.
func clientSpan(t *testing.T, spans []otlptest.Span, server otlptest.Span) otlptest.Span {
	t.Helper()
	var clients []otlptest.Span
	for _, span := range children(spans, server) {
		if span.Name == "osb.backend."+fmt.Sprint(server.Attributes["osb.operation"]) {
			clients = append(clients, span)
		}
	}
	if len(clients) != 1 {
		t.Fatalf("%s has the client spans %+v, want one", server.Name, clients)
	}
	return clients[0]
}

// checkUnsampled expects that the broker was told of the decision, and that the collector got nothing. The span of
// another call, made later, is waited for before.
func checkUnsampled(
	t *testing.T, g *harness.Gateway, receiver *otlptest.Receiver, header http.Header, trace string,
) {
	t.Helper()
	if parent := header.Get("Traceparent"); len(parent) != 55 || parent[3:35] != trace || parent[36:52] == platformSpan {
		t.Errorf("the broker got traceparent %q, want another span of trace %s", parent, trace)
	} else {
		checkTraceHeaders(t, header, trace, parent[36:52], false)
	}
	later := fetch("known")
	later.do(t, g)
	for _, span := range awaitCalls(t, receiver, later) {
		if span.TraceID == trace {
			t.Errorf("got span %s of the trace, want none", span.Name)
		}
	}
}

// checkDebugHeaders expects headers that name a span and B3's demand that everybody below records what they do.
func checkDebugHeaders(t *testing.T, header http.Header, span otlptest.Span) {
	t.Helper()
	want := map[string]string{
		"Traceparent":  "00-" + span.TraceID + "-" + span.SpanID + "-01",
		"B3":           span.TraceID + "-" + span.SpanID + "-d",
		"X-B3-Traceid": span.TraceID, "X-B3-Spanid": span.SpanID, "X-B3-Flags": "1", "X-B3-Sampled": "",
	}
	got := make(map[string]string)
	for name := range want {
		got[name] = header.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
}

// TestStateAndBaggage: what travels with the ids of the trace arrives too.
func TestStateAndBaggage(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")), Environment: receiver.Env(otlptest.GRPC),
	})
	c := provision("one", "db", "sync").
		with("Traceparent", "00-"+otherTrace+"-"+platformSpan+"-01").
		with("Tracestate", "vendor=opaque,other=1").with("Baggage", "tenant=a,region=b")
	c.do(t, gateway)
	header := received(t, broker, c).Header
	for name, want := range map[string]string{"Tracestate": "vendor=opaque,other=1", "Baggage": "tenant=a,region=b"} {
		if got := header.Get(name); got != want {
			t.Errorf("the broker got %s %q, want %q", name, got, want)
		}
	}
	if span := awaitCall(t, receiver, c); span.TraceState != "vendor=opaque,other=1" {
		t.Errorf("the span has the trace state %q", span.TraceState)
	}
}
