package telemetry_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// parents are headers that name a sampled parent, whose ids are traceID and spanID.
var parents = []struct {
	name   string
	header http.Header
}{
	{"W3C", headers("traceparent", sampled)},
	{"W3C of a later version", headers("traceparent", "01-"+traceID+"-"+spanID+"-01-more")},
	{"B3 single", headers("b3", traceID+"-"+spanID+"-1")},
	{"B3 single with parent", headers("b3", traceID+"-"+spanID+"-1-"+otherSpanID)},
	{"B3 single debug", headers("b3", traceID+"-"+spanID+"-d")},
	{"B3 single undecided", headers("b3", traceID+"-"+spanID)},
	{"B3 multi", headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID, "X-B3-Sampled", "1")},
	{
		"B3 multi with parent",
		headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID, "X-B3-Sampled", "true",
			"X-B3-ParentSpanId", otherSpanID),
	},
	{"B3 multi debug", headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID, "X-B3-Flags", "1")},
	{"B3 multi undecided", headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID)},
	{
		"W3C and B3",
		headers("traceparent", sampled, "b3", otherTraceID+"-"+otherSpanID+"-0",
			"X-B3-TraceId", otherTraceID, "X-B3-SpanId", otherSpanID, "X-B3-Sampled", "0"),
	},
	{
		"B3 single and multi",
		headers("b3", traceID+"-"+spanID+"-1", "X-B3-TraceId", otherTraceID, "X-B3-SpanId", otherSpanID),
	},
	{"malformed W3C and B3", headers("traceparent", "00-zz-"+spanID+"-01", "b3", traceID+"-"+spanID+"-1")},
	{
		"two W3C, which contradict each other, and B3",
		headers("traceparent", "00-"+otherTraceID+"-"+otherSpanID+"-01", "traceparent", sampled,
			"b3", traceID+"-"+spanID+"-1"),
	},
	{
		"malformed B3 single and multi",
		headers("b3", traceID+"-"+spanID+"-x", "X-B3-TraceId", traceID, "X-B3-SpanId", spanID, "X-B3-Sampled", "1"),
	},
}

// Whatever way the platform names its span, it becomes the parent, and the backend is told of the client span in all.
func TestParentsAndInjection(t *testing.T) {
	protocols(t, func(t *testing.T, receiver *otlptest.Receiver) {
		tracing := newTracing(t)
		for i, parent := range parents {
			outgoing := call(t.Context(), tracing, parent.header)
			spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2*(i+1) })[2*i:]
			server, client := only(t, spans, "osb.provision"), only(t, spans, "osb.backend.provision")
			if server.TraceID != traceID || server.ParentID != spanID {
				t.Errorf("%s: server span is in trace %s below %q", parent.name, server.TraceID, server.ParentID)
			}
			if client.TraceID != traceID || client.ParentID != server.SpanID {
				t.Errorf("%s: client span is in trace %s below %q", parent.name, client.TraceID, client.ParentID)
			}
			want := headers("Traceparent", "00-"+traceID+"-"+client.SpanID+"-01",
				"B3", traceID+"-"+client.SpanID+"-1", "X-B3-TraceId", traceID, "X-B3-SpanId", client.SpanID)
			if parent.header.Get("X-B3-Flags") == "1" || parent.name == "B3 single debug" {
				want.Set("B3", traceID+"-"+client.SpanID+"-d")
				want.Set("X-B3-Flags", "1")
			} else {
				want.Set("X-B3-Sampled", "1")
			}
			if diff := cmp.Diff(want, outgoing); diff != "" {
				t.Errorf("%s: headers of the backend differ (-want +got):\n%s", parent.name, diff)
			}
		}
	})
}

func TestShortB3TraceIDs(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	const short, long = "8448eb211c80319c", "00000000000000008448eb211c80319c"
	for _, incoming := range []http.Header{
		headers("b3", short+"-"+spanID+"-1"), headers("X-B3-TraceId", short, "X-B3-SpanId", spanID),
	} {
		if got := call(t.Context(), tracing, incoming).Get("X-B3-Traceid"); got != long {
			t.Errorf("trace id after %v: got %q, want %q", incoming, got, long)
		}
	}
}

// What names no span begins a new trace, and does not reach the backend.
func TestUnreadableParents(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	for _, incoming := range []http.Header{
		{},
		headers("traceparent", "nonsense"),
		headers("traceparent", "ff-"+traceID+"-"+spanID+"-01"),
		headers("traceparent", "00-00000000000000000000000000000000-"+spanID+"-01"),
		headers("b3", "nonsense"),
		headers("b3", ""),
		headers("b3", "-"),
		headers("b3", "---"),
		headers("b3", traceID),
		headers("b3", traceID+"-"+spanID+"-"),
		headers("b3", traceID+"-"+spanID+"-1-"),
		headers("b3", traceID+"-"+spanID+"-1-short"),
		headers("b3", traceID[1:]+"-"+spanID+"-1"),
		headers("b3", traceID+"-0000000000000000-1"),
		headers("X-B3-TraceId", traceID),
		headers("X-B3-SpanId", spanID, "X-B3-Sampled", "1"),
		headers("X-B3-TraceId", traceID, "X-B3-SpanId", "nonsense"),
	} {
		outgoing := call(t.Context(), tracing, incoming)
		parent := outgoing.Get("Traceparent")
		if len(parent) != 55 || parent[3:35] == traceID {
			t.Errorf("after %v: got traceparent %q, want one of a new trace", incoming, parent)
		}
		if outgoing.Get("X-B3-Traceid") != parent[3:35] {
			t.Errorf("after %v: B3 and W3C name different traces: %v", incoming, outgoing)
		}
	}
}

func TestTracestatePasses(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	outgoing := call(t.Context(), newTracing(t),
		headers("traceparent", sampled, "tracestate", "a=1,b=2", "tracestate", "c=3"))
	if got, want := outgoing["Tracestate"], []string{"a=1,b=2,c=3"}; !cmp.Equal(got, want) {
		t.Errorf("tracestate: got %q, want %q", got, want)
	}
	spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2 })
	if got, want := spans[0].TraceState, "a=1,b=2,c=3"; got != want {
		t.Errorf("tracestate of the span: got %q, want %q", got, want)
	}
}

func TestBaggage(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	const odd = "a=1 ; p=2 ,  b = 3"
	incoming := headers("baggage", odd)
	if got := baggage.FromContext(tracing.Extract(t.Context(), incoming)).Member("b").Value(); got != "3" {
		t.Errorf("member of the baggage: got %q, want 3", got)
	}
	if got := call(t.Context(), tracing, incoming)["Baggage"]; !cmp.Equal(got, []string{odd}) {
		t.Errorf("baggage: got %q, want it as it came: %q", got, odd)
	}
	member, err := baggage.NewMember("k", "v")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	outgoing := call(baggage.ContextWithBaggage(t.Context(), bag), tracing, http.Header{})
	if got := outgoing.Get("Baggage"); got != "k=v" {
		t.Errorf("baggage of the context: got %q, want k=v", got)
	}
}

// Off, the backend gets what the platform sent, to the last byte.
func TestHeadersPassWhenOff(t *testing.T) {
	otlptest.Unsetenv(t)
	tracing := newTracing(t)
	incoming := headers("traceparent", sampled, "tracestate", "a=1", "tracestate", "b= 2", "b3", traceID+"-"+spanID,
		"X-B3-TraceId", otherTraceID, "X-B3-SpanId", otherSpanID, "X-B3-ParentSpanId", spanID, "X-B3-Sampled", "odd",
		"X-B3-Flags", "1", "baggage", "a=1 ; odd")
	want := incoming.Clone()
	if diff := cmp.Diff(want, call(t.Context(), tracing, incoming)); diff != "" {
		t.Errorf("headers of the backend differ (-want +got):\n%s", diff)
	}
	if got := telemetry.TraceID(t.Context(), incoming); got != traceID {
		t.Errorf("TraceID: got %q, want that of the platform, %q", got, traceID)
	}
	if got := telemetry.Traceparent(tracing.Extract(t.Context(), incoming)); got != "" {
		t.Errorf("Traceparent: got %q, want none", got)
	}
}

// A context that only names the platform's span, in which none began, leaves the headers alone too.
func TestInjectNeedsASpanOfOurs(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	incoming := headers("traceparent", sampled, "b3", traceID+"-"+spanID)
	outgoing := incoming.Clone()
	tracing.Inject(tracing.Extract(t.Context(), incoming), outgoing)
	if diff := cmp.Diff(incoming, outgoing); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
}

func TestTraceIDOfASpan(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	ctx, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
	defer span.End()
	want := span.SpanContext().TraceID().String()
	if got := telemetry.TraceID(ctx, headers("traceparent", sampled)); got != want {
		t.Errorf("TraceID: got %q, want %q", got, want)
	}
	if got := telemetry.SampledTraceID(span); got != want {
		t.Errorf("SampledTraceID: got %q, want %q", got, want)
	}
	if got := telemetry.TraceID(t.Context(), http.Header{}); got != "" {
		t.Errorf("TraceID of nothing: got %q", got)
	}
}
