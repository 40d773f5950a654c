package telemetry_test

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	sampled = "00-" + traceID + "-" + spanID + "-01"
	// otherTraceID and otherSpanID are for the headers that are not to win.
	otherTraceID = "11111111111111111111111111111111"
	otherSpanID  = "2222222222222222"
)

func TestMain(m *testing.M) {
	// Exports that fail are what some of the tests are about.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	goleak.VerifyTestMain(m)
}

// protocols runs a test over each protocol. It changes the environment, so nothing runs beside it.
func protocols(t *testing.T, test func(t *testing.T, receiver *otlptest.Receiver)) {
	t.Helper()
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			receiver := otlptest.Start(t)
			receiver.Setenv(t, protocol)
			test(t, receiver)
		})
	}
}

func newTracing(t *testing.T) *telemetry.Tracing {
	t.Helper()
	tracing, err := telemetry.NewTracing(t.Context())
	if err != nil {
		t.Fatalf("NewTracing: %v", err)
	}
	t.Cleanup(func() { shutdown(t, tracing) })
	return tracing
}

func shutdown(t *testing.T, tracing *telemetry.Tracing) {
	t.Helper()
	if err := tracing.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// call takes a call with these headers through tracing, as the gateway does, and returns the headers that a backend
// gets.
func call(ctx context.Context, tracing *telemetry.Tracing, incoming http.Header) http.Header {
	ctx = tracing.Extract(ctx, incoming)
	ctx, server := tracing.Start(ctx, "osb.provision", trace.SpanKindServer)
	defer server.End()
	ctx, client := tracing.Start(ctx, "osb.backend.provision", trace.SpanKindClient)
	defer client.End()
	outgoing := incoming.Clone()
	tracing.Inject(ctx, outgoing)
	return outgoing
}

// headers makes a header of pairs of names and values.
func headers(pairs ...string) http.Header {
	h := make(http.Header, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// only returns the one span of this name.
func only(t *testing.T, spans []otlptest.Span, name string) otlptest.Span {
	t.Helper()
	named := otlptest.Named(spans, name)
	if len(named) != 1 {
		t.Fatalf("got %d spans %q among %+v, want 1", len(named), name, spans)
	}
	return named[0]
}
