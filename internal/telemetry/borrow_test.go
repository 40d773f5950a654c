package telemetry_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// server is another provider of this process, as the server has one whose tracing is configured.
type server struct {
	spans    *tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
}

func newServer(t testing.TB, options ...sdktrace.TracerProviderOption) server {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return server{spans, provider}
}

func (s server) start(ctx context.Context) (context.Context, trace.Span) {
	tracer := s.provider.Tracer("server")
	kind := trace.WithSpanKind(trace.SpanKindServer)
	return tracer.Start(ctx, "server", kind) //nolint:spancheck // the caller ends it
}

// check looks for the two spans of call below the server's.
func (s server) check(t *testing.T, parent trace.Span) {
	t.Helper()
	ended := s.spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("the server's provider has %d spans, want 2", len(ended))
	}
	client, own := ended[0], ended[1]
	if own.Name() != "osb.provision" || own.Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Errorf("got span %q below %s, want osb.provision below the server's", own.Name(), own.Parent().SpanID())
	}
	if client.Parent().SpanID() != own.SpanContext().SpanID() ||
		client.SpanContext().TraceID() != parent.SpanContext().TraceID() {
		t.Errorf("span %q is not below %q in the server's trace", client.Name(), own.Name())
	}
	if got, want := own.InstrumentationScope().Name, "github.com/osb-gateway/caddy-osb-gateway"; got != want {
		t.Errorf("tracer: got %q, want %q", got, want)
	}
}

// A span that the server began is the parent, whatever the headers say, and its provider makes the gateway's spans.
func TestServersSpanIsTheParent(t *testing.T) {
	incoming := headers("traceparent", "00-"+otherTraceID+"-"+otherSpanID+"-01", "b3", traceID+"-"+spanID)
	run := func(t *testing.T, tracing *telemetry.Tracing) {
		t.Helper()
		for range 2 { // the second server takes the place of the first, as after a reload
			s := newServer(t)
			ctx, parent := s.start(t.Context())
			if !tracing.On(ctx) {
				t.Error("On: got false below a span of the server")
			}
			outgoing := call(ctx, tracing, incoming)
			s.check(t, parent)
			want := "00-" + parent.SpanContext().TraceID().String() + "-" +
				s.spans.Ended()[0].SpanContext().SpanID().String()
			if got := outgoing.Get("Traceparent"); len(got) != 55 || got[:52] != want {
				t.Errorf("backend got traceparent %q, want %q", got, want)
			}
		}
	}
	t.Run("off", func(t *testing.T) {
		otlptest.Unsetenv(t)
		run(t, newTracing(t))
	})
	t.Run("nil", func(t *testing.T) { run(t, nil) })
	t.Run("on", func(t *testing.T) {
		receiver := otlptest.Start(t)
		receiver.Setenv(t, otlptest.HTTP)
		tracing := newTracing(t)
		run(t, tracing)
		// Background work has no span above it, and goes its own way.
		_, span := tracing.Start(t.Context(), telemetry.SpanCatalogFetch, trace.SpanKindInternal)
		span.End()
		shutdown(t, tracing)
		if spans := receiver.Spans(); len(spans) != 1 || spans[0].Name != telemetry.SpanCatalogFetch {
			t.Errorf("own provider exported %+v, want the one span of the background work", spans)
		}
	})
}

// A server that does not sample the call has decided for the gateway too.
func TestServerDoesNotSample(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	s := newServer(t, sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx, parent := s.start(t.Context())
	outgoing := call(ctx, tracing, headers("traceparent", sampled))
	if got, want := outgoing.Get("X-B3-Traceid"), parent.SpanContext().TraceID().String(); got != want {
		t.Errorf("trace: got %q, want the server's %q", got, want)
	}
	if got := outgoing.Get("X-B3-Sampled"); got != "0" {
		t.Errorf("sampled: got %q, want 0", got)
	}
	shutdown(t, tracing)
	if spans := receiver.Spans(); len(spans) != 0 {
		t.Errorf("own provider exported %+v, want none", spans)
	}
}

// otherProvider is a provider that is not the SDK's.
type otherProvider struct {
	embedded.TracerProvider

	sdk *sdktrace.TracerProvider
}

type otherTracer struct {
	embedded.Tracer

	provider otherProvider
	sdk      trace.Tracer
}

type otherSpan struct {
	trace.Span

	provider otherProvider
}

func (p otherProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return otherTracer{provider: p, sdk: p.sdk.Tracer(name, options...)}
}

func (o otherTracer) Start(
	ctx context.Context, name string, options ...trace.SpanStartOption,
) (context.Context, trace.Span) {
	ctx, span := o.sdk.Start(ctx, name, options...) //nolint:spancheck // the caller ends it
	wrapped := otherSpan{span, o.provider}
	return trace.ContextWithSpan(ctx, wrapped), wrapped //nolint:spancheck // the caller ends it
}

func (s otherSpan) TracerProvider() trace.TracerProvider { return s.provider }

func TestProviderThatIsNotTheSDKs(t *testing.T) {
	otlptest.Unsetenv(t)
	s := newServer(t)
	ctx, parent := otherProvider{sdk: s.provider}.Tracer("server").Start(t.Context(), "server")
	defer parent.End()
	call(ctx, newTracing(t), headers("traceparent", sampled))
	s.check(t, parent)
}
