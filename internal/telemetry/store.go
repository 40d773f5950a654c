package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ObserveStore returns what the store of a gateway calls before each round trip, with the name of the operation: it
// begins a span and returns its context, and a function that ends the span and counts the round trip. The store is one
// of "redis", "file" and "memory". A round trip without a span above it, such as those of the background work, makes
// one all the same.
func ObserveStore(
	t *Tracing, m *Metrics, gateway, store string,
) func(ctx context.Context, operation string) (context.Context, func(err error)) {
	kind, attributes := describeStore(gateway, store)
	return func(ctx context.Context, operation string) (context.Context, func(err error)) {
		span := noSpan
		if t.On(ctx) {
			ctx, span = t.Start(ctx, StoreSpanName(operation), kind, attributes...)
			span.SetAttributes(semconv.DBOperationName(operation))
		}
		start := time.Now()
		return ctx, func(err error) {
			m.StoreOperation(gateway, store, operation, time.Since(start).Seconds(), err)
			EndFailed(span, err)
		}
	}
}

// describeStore returns what all spans of a store have in common. The embedded ones are no clients of anything.
func describeStore(gateway, store string) (trace.SpanKind, []attribute.KeyValue) {
	switch store {
	case "redis":
		return trace.SpanKindClient, []attribute.KeyValue{KeyGateway.String(gateway), semconv.DBSystemNameRedis}
	case "file":
		store = "bbolt"
	}
	return trace.SpanKindInternal, []attribute.KeyValue{
		KeyGateway.String(gateway), semconv.DBSystemNameKey.String(store),
	}
}
