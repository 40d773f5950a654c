package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// shutdownTimeout bounds a shutdown whose context has no deadline.
const shutdownTimeout = 3 * time.Second

// noSpan is the span of those who make none. It is a value without size, so that it costs nothing.
var noSpan trace.Span = noop.Span{}

// untracedSpan is the span of work that is not to be traced.
type untracedSpan struct{ noop.Span }

// Untraced returns a context below which no spans are made: for work that is done again and again, that is no call's, and
// that would fill a trace viewer with what nobody looks for.
func Untraced(ctx context.Context) context.Context { return trace.ContextWithSpan(ctx, untracedSpan{}) }

// Tracing makes spans. It is safe for concurrent use. A nil one and one made without NewTracing make spans only below
// those of others.
type Tracing struct {
	provider  *sdktrace.TracerProvider
	processor sdktrace.SpanProcessor
	abort     func()
	own       trace.Tracer

	// borrowed is the tracer of the provider whose span was met last. Asking a provider takes a lock of all its users.
	borrowed atomic.Pointer[borrowedTracer]
}

type borrowedTracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTracing sets tracing up as the standard OTEL_* variables say: OTLP over gRPC or HTTP, sampler, batches, limits,
// resource. It dials nothing and does not wait for a collector. Where the variables do not ask for traces (see Enabled)
// its result makes no spans of its own. The error is that of a variable that names something unknown.
func NewTracing(ctx context.Context, options ...TracingOption) (*Tracing, error) {
	t := new(Tracing)
	if !Enabled() {
		return t, nil
	}
	var o tracingOptions
	for _, option := range options {
		option(&o)
	}
	var err error
	if t.provider, t.processor, t.abort, err = newPipeline(ctx, o); err != nil {
		return nil, err
	}
	t.own = newTracer(t.provider)
	return t, nil
}

func newTracer(provider trace.TracerProvider) trace.Tracer {
	return provider.Tracer(modulePath,
		trace.WithInstrumentationVersion(moduleVersion()), trace.WithSchemaURL(semconv.SchemaURL))
}

// On tells whether Start would begin a span, so that callers can leave out building attributes. Whether the span is
// sampled only its IsRecording tells.
func (t *Tracing) On(ctx context.Context) bool { return t.tracer(ctx) != nil }

// Start begins a span as a child of the one in ctx, and returns a context that holds it. It is made by the provider of
// the span in ctx if that began in this process, such as the server's own, else by the one of NewTracing. Without
// either it returns ctx and a span that does nothing, and allocates nothing unless attributes are passed.
func (t *Tracing) Start(
	ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	tracer := t.tracer(ctx)
	switch {
	case tracer == nil:
		return ctx, noSpan
	case len(attributes) == 0:
		return tracer.Start(ctx, name, trace.WithSpanKind(kind)) //nolint:spancheck // the caller ends it
	default:
		options := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(attributes...)}
		return tracer.Start(ctx, name, options...) //nolint:spancheck // the caller ends it
	}
}

// StartBelow is Start for work that goes on after a call, maybe in another process: the span's parent is the one that
// Traceparent returned earlier. It is sampled if that was. Without a parent it is the root of a trace.
func (t *Tracing) StartBelow(
	ctx context.Context, parent, name string, kind trace.SpanKind, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	if earlier := readTraceparent(parent); earlier.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, earlier)
	}
	return t.Start(ctx, name, kind, attributes...)
}

// tracer finds who makes the next span; nil for nobody.
func (t *Tracing) tracer(ctx context.Context) trace.Tracer {
	span := trace.SpanFromContext(ctx)
	if _, untraced := span.(untracedSpan); untraced {
		return nil
	}
	if c := span.SpanContext(); c.IsValid() && !c.IsRemote() {
		provider := span.TracerProvider()
		if sdk, ok := provider.(*sdktrace.TracerProvider); ok {
			return t.borrow(sdk)
		}
		if span.IsRecording() {
			return newTracer(provider)
		}
	}
	if t == nil {
		return nil
	}
	return t.own
}

// borrow returns the tracer of a provider.
func (t *Tracing) borrow(provider *sdktrace.TracerProvider) trace.Tracer {
	if t == nil {
		return newTracer(provider)
	}
	if provider == t.provider {
		return t.own
	}
	if b := t.borrowed.Load(); b != nil && b.provider == provider {
		return b.tracer
	}
	b := &borrowedTracer{provider: provider, tracer: newTracer(provider)}
	t.borrowed.Store(b)
	return b.tracer
}

// Shutdown exports the spans that have ended and releases what NewTracing took. It returns when ctx ends at the latest,
// three seconds from now where ctx has no deadline, with the error of ctx; what is not exported by then is lost. Exports
// that fail are told to OpenTelemetry's error handler, as they are before. Spans that are begun later go nowhere.
// Calling it again does nothing.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil || t.provider == nil {
		return nil
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, shutdownTimeout)
		defer cancel()
	}
	// The processor goes first: a provider whose context has ended leaves its processors running.
	err := t.processor.Shutdown(ctx)
	t.abort()
	return errors.Join(err, t.provider.Shutdown(context.WithoutCancel(ctx)))
}
