package caddymodule

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// observeRetry makes the span of an attempt to write down, once more, what became of a call. It belongs to the call's
// trace, though the call was answered long ago: there somebody looks who wonders why the record was late.
func (rt *runtime) observeRetry(ctx context.Context, retry routing.Retry) (context.Context, func(error)) {
	if !rt.tracing.On(ctx) {
		return ctx, func(error) {}
	}
	operation := operationOf(retry.Kind, retry.Key.Binding != "").String()
	attributes := []attribute.KeyValue{
		telemetry.KeyGateway.String(rt.name), telemetry.KeyPlatform.String(string(retry.Platform)),
		telemetry.KeyOperation.String(operation), telemetry.KeyInstanceID.String(string(retry.Key.Instance)),
	}
	if retry.Key.Binding != "" {
		attributes = append(attributes, telemetry.KeyBindingID.String(string(retry.Key.Binding)))
	}
	if b := rt.broker(retry.Backend); b != nil {
		attributes = append(attributes, telemetry.KeyBackend.String(b.name))
	}
	ctx, span := rt.tracing.StartBelow(ctx, retry.Trace, telemetry.SpanRetry, trace.SpanKindInternal, attributes...)
	return ctx, func(err error) { telemetry.EndFailed(span, err) }
}
