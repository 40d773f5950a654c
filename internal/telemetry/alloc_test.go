package telemetry_test

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// requestContext is a context as deep as those of a server's requests.
func requestContext(t testing.TB) context.Context {
	type key int
	ctx := t.Context()
	for i := range 8 {
		ctx = context.WithValue(ctx, key(i), i)
	}
	return ctx
}

// untracedCall is what a call costs where nobody wants traces.
func untracedCall(ctx context.Context, tracing *telemetry.Tracing, incoming, outgoing http.Header) {
	ctx = tracing.Extract(ctx, incoming)
	ctx, server := tracing.Start(ctx, telemetry.ServerSpanName(osb.PollInstance), trace.SpanKindServer)
	if tracing.On(ctx) || server.IsRecording() {
		panic("tracing is on")
	}
	clientCtx, client := tracing.Start(ctx, telemetry.BackendSpanName(osb.PollInstance), trace.SpanKindClient)
	tracing.Inject(clientCtx, outgoing)
	telemetry.EndBackend(client, osb.PollInstance, http.StatusOK)
	telemetry.EndServer(server, http.StatusOK)
	if telemetry.Traceparent(ctx) != "" || telemetry.SampledTraceID(server) != "" {
		panic("a span without a provider")
	}
}

func TestOffAllocatesNothing(t *testing.T) {
	otlptest.Unsetenv(t)
	tracing := newTracing(t)
	ctx := requestContext(t)
	incoming := headers("traceparent", sampled, "b3", traceID+"-"+spanID, "baggage", "a=b")
	outgoing := incoming.Clone()
	allocations := testing.AllocsPerRun(100, func() { untracedCall(ctx, tracing, incoming, outgoing) })
	if allocations != 0 {
		t.Errorf("got %v allocations in a call without traces, want 0", allocations)
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	m := telemetry.NewMetrics()
	request := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.PollInstance, Backend: "pg"}
	sending := telemetry.BackendLabels{Gateway: "gw", Backend: "pg", Operation: osb.PollInstance}
	allocations := testing.AllocsPerRun(100, func() {
		m.BackendStarted(sending).Done(http.StatusOK, 0.002, "")
		m.StoreOperation("gw", "redis", "read", 0.0001, nil)
		m.Request(request, http.StatusOK, 0.003, "")
	})
	if allocations != 0 {
		t.Errorf("got %v allocations for the metrics of a call, want 0", allocations)
	}
}

// A call without traces, from a platform that sends trace headers.
func BenchmarkTracingOff(b *testing.B) {
	tracing := new(telemetry.Tracing)
	ctx := requestContext(b)
	incoming := headers("traceparent", sampled, "b3", traceID+"-"+spanID)
	outgoing := incoming.Clone()
	b.ReportAllocs()
	for b.Loop() {
		untracedCall(ctx, tracing, incoming, outgoing)
	}
}

// The two spans of a call below one of the server, without their attributes and without their export.
func BenchmarkTracingOn(b *testing.B) {
	tracing := new(telemetry.Tracing)
	s := newServer(b)
	s.provider.UnregisterSpanProcessor(s.spans)
	ctx, span := s.start(requestContext(b))
	defer span.End()
	incoming := headers("traceparent", sampled)
	b.ReportAllocs()
	for b.Loop() {
		call(ctx, tracing, incoming)
	}
}

// The metrics of one call, on all processors at once.
func BenchmarkMetrics(b *testing.B) {
	m := telemetry.NewMetrics()
	request := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.PollInstance, Backend: "pg"}
	sending := telemetry.BackendLabels{Gateway: "gw", Backend: "pg", Operation: osb.PollInstance}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.BackendStarted(sending).Done(http.StatusOK, 0.002, "")
			m.Request(request, http.StatusOK, 0.003, "")
		}
	})
}

// The same with an exemplar.
func BenchmarkRequestMetricsWithExemplar(b *testing.B) {
	m := telemetry.NewMetrics()
	request := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.PollInstance, Backend: "pg"}
	b.ReportAllocs()
	for b.Loop() {
		m.Request(request, http.StatusOK, 0.003, traceID)
	}
}
