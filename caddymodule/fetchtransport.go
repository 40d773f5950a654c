package caddymodule

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// fetchTransport carries what the gateway fetches for itself, the keys of issuers and the tokens of backends. It gives
// Caddy's transport what that expects of a request's context, and each fetch a span: the fetch is everybody's who waits
// for it, so the span is nobody's child.
type fetchTransport struct {
	http.RoundTripper
	rt   *runtime
	span string
	// about says whose fetch it is.
	about []attribute.KeyValue
}

// RoundTrip sends a request. It implements http.RoundTripper.
func (t fetchTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	attributes := append(telemetry.ClientAttributes(r.Method, r.URL, ""), telemetry.KeyGateway.String(t.rt.name))
	ctx, span := t.rt.tracing.Start(r.Context(), t.span, trace.SpanKindClient, append(attributes, t.about...)...)
	response, err := t.RoundTripper.RoundTrip(r.WithContext(withReplacer(ctx)))
	if err != nil {
		telemetry.EndFailed(span, err)
		return nil, err
	}
	telemetry.EndBackend(span, osb.Unknown, response.StatusCode)
	return response, nil
}
