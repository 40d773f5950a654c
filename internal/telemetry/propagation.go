package telemetry

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The headers of W3C Trace Context and Baggage, spelt as net/http spells them.
const (
	headerTraceparent = "Traceparent"
	headerTracestate  = "Tracestate"
	headerBaggage     = "Baggage"
)

// traceHeaders are all headers that name a span.
var traceHeaders = [...]string{
	headerTraceparent, headerTracestate,
	headerB3, headerB3TraceID, headerB3SpanID, headerB3ParentSpanID, headerB3Sampled, headerB3Flags,
}

// carrier reads trace headers for a propagator.
type carrier http.Header

// Get returns a header. Several traceparents contradict each other and are none; several tracestates are one list.
func (c carrier) Get(key string) string {
	key = http.CanonicalHeaderKey(key)
	values := c[key]
	switch {
	case len(values) == 1:
		return values[0]
	case len(values) == 0 || key == headerTraceparent:
		return ""
	case key == headerTracestate:
		return strings.Join(values, ",")
	default:
		return values[0]
	}
}

// Values returns all values of a header.
func (c carrier) Values(key string) []string { return http.Header(c).Values(key) }

// Set replaces a header.
func (c carrier) Set(key, value string) { http.Header(c).Set(key, value) }

// Keys returns the names of all headers.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}

// Extract returns a context in which the span of the caller, which h names, is the parent of the spans to come. W3C
// Trace Context goes before B3. A span that is in ctx already, such as one made by the server that the gateway runs in,
// goes before both: h is not read then. Nor is it when no own spans are made; Inject leaves the caller's headers alone
// then.
func (t *Tracing) Extract(ctx context.Context, h http.Header) context.Context {
	if t == nil || t.own == nil || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if len(h[headerBaggage]) > 0 {
		ctx = propagation.Baggage{}.Extract(ctx, carrier(h))
	}
	return extractParent(ctx, h)
}

func extractParent(ctx context.Context, h http.Header) context.Context {
	if len(h[headerTraceparent]) > 0 {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier(h))
		if trace.SpanContextFromContext(ctx).IsValid() {
			return ctx
		}
	}
	return contextWithB3(ctx, h)
}

// Inject writes the span in ctx into the headers of a request that is to be sent on, in the forms of W3C Trace Context
// and of B3 with one and with several headers, in place of what they held. Where ctx has no span that began in this
// process (tracing is off) h stays as it is, and what the caller sent passes through. Baggage passes through in any
// case; that of ctx is written where h has none.
func (*Tracing) Inject(ctx context.Context, h http.Header) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() || span.IsRemote() {
		return
	}
	for _, name := range traceHeaders {
		delete(h, name)
	}
	parent := traceparent(span)
	ids := parent[3:52] // {trace}-{span}
	decision, sampled, flags := "-0", "0", ""
	if span.IsSampled() {
		decision, sampled = "-1", "1"
		if b3MarkFromContext(ctx) == b3Debug {
			decision, sampled, flags = "-d", "", "1"
		}
	}
	values := [...]string{parent, ids + decision, ids[:32], ids[33:], sampled, flags}
	for i, name := range [...]string{
		headerTraceparent, headerB3, headerB3TraceID, headerB3SpanID, headerB3Sampled, headerB3Flags,
	} {
		if values[i] != "" {
			h[name] = values[i : i+1 : i+1]
		}
	}
	if state := span.TraceState().String(); state != "" {
		h[headerTracestate] = []string{state}
	}
	if len(h[headerBaggage]) == 0 {
		if members := baggage.FromContext(ctx); members.Len() > 0 {
			h[headerBaggage] = []string{members.String()}
		}
	}
}

// traceparent writes a span context as the header of that name, 55 characters.
func traceparent(span trace.SpanContext) string {
	traceID, spanID := span.TraceID(), span.SpanID()
	flags := [1]byte{byte(span.TraceFlags() & (trace.FlagsSampled | trace.FlagsRandom))}
	text := make([]byte, 0, 55)
	text = append(text, "00-"...)
	text = hex.AppendEncode(text, traceID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, spanID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, flags[:])
	return string(text)
}

// Traceparent returns the span in ctx as a W3C traceparent, to be kept for AddLink. It is "" where ctx has no span that
// began in this process.
func Traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() || span.IsRemote() {
		return ""
	}
	return traceparent(span)
}

// AddLink links a span to the one that Traceparent returned earlier, in this process or in another one. A text that is
// no traceparent links to nothing.
func AddLink(span trace.Span, earlier string) {
	if earlier == "" || !span.IsRecording() {
		return
	}
	if linked := readTraceparent(earlier); linked.IsValid() {
		span.AddLink(trace.Link{SpanContext: linked})
	}
}

// readTraceparent reads what Traceparent returned. What cannot be read is no valid span context.
func readTraceparent(text string) trace.SpanContext {
	if text == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), carrier{headerTraceparent: {text}})
	return trace.SpanContextFromContext(ctx)
}

// TraceID returns the id of the trace that a call belongs to: that of the span in ctx, else the one that the caller's
// headers name, so that logs can be matched with the caller's even when the gateway makes no spans. It is "" where
// there is none.
func TraceID(ctx context.Context, h http.Header) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		span = trace.SpanContextFromContext(extractParent(ctx, h))
	}
	if !span.IsValid() {
		return ""
	}
	return span.TraceID().String()
}

// SampledTraceID returns the id of a span's trace if the span is sampled, else "". It is what exemplars carry: an id
// that leads nowhere helps nobody.
func SampledTraceID(span trace.Span) string {
	if c := span.SpanContext(); c.IsSampled() {
		return c.TraceID().String()
	}
	return ""
}
