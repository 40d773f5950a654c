package telemetry

import (
	"context"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ObserveStore returns what the store of a gateway calls before each round trip, with the name of the operation: it
// begins a span and returns its context, and a function that ends the span and counts the round trip. The store is one
// of "redis", "file" and "memory"; where is what StoreServer says of it. A round trip without a span above it, such as
// those of the background work, makes one all the same.
func ObserveStore(
	t *Tracing, m *Metrics, gateway, store string, where ...attribute.KeyValue,
) func(ctx context.Context, operation string) (context.Context, func(err error)) {
	kind, attributes := describeStore(gateway, store)
	attributes = append(attributes, where...)
	return func(ctx context.Context, operation string) (context.Context, func(err error)) {
		span := noSpan
		if !belowUnsampled(ctx) && t.On(ctx) {
			ctx, span = t.Start(ctx, StoreSpanName(operation), kind)
			if span.IsRecording() { // a root is not known to be sampled before it is made
				span.SetAttributes(attributes...)
				span.SetAttributes(semconv.DBOperationName(operation))
			}
		}
		start := time.Now()
		return ctx, func(err error) {
			m.StoreOperation(gateway, store, operation, time.Since(start).Seconds(), err)
			EndFailed(span, err)
		}
	}
}

// belowUnsampled tells whether the context's span began here and is not sampled, as most of a busy gateway are not. One
// below it would not be either, and the store, unlike a backend, is not told of it: nothing needs to be made.
func belowUnsampled(ctx context.Context) bool {
	span := trace.SpanFromContext(ctx)
	parent := span.SpanContext()
	return parent.IsValid() && !parent.IsRemote() && !parent.IsSampled() && !span.IsRecording()
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

// StoreServer describes a database server by the semantic conventions: its address, and the number of the database in
// it. An address without a port is one at Redis' own.
func StoreServer(address string, db int) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, "6379"
	}
	attributes := []attribute.KeyValue{semconv.ServerAddress(host), semconv.DBNamespace(strconv.Itoa(db))}
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		attributes = append(attributes, semconv.ServerPort(int(number)))
	}
	return attributes
}
