package telemetry

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// The headers of B3, spelt as net/http spells them: the single one, then those of the older form.
const (
	headerB3             = "B3"
	headerB3TraceID      = "X-B3-Traceid"
	headerB3SpanID       = "X-B3-Spanid"
	headerB3ParentSpanID = "X-B3-Parentspanid"
	headerB3Sampled      = "X-B3-Sampled"
	headerB3Flags        = "X-B3-Flags"
)

// b3Mark is the sampling state of B3 headers. It has values that the sampled bit of a span context has no room for.
type b3Mark uint8

const (
	b3Absent    b3Mark = iota // no B3 headers, or none that can be read
	b3Undecided               // ids alone: whoever reads them decides
	b3Deny
	b3Accept
	b3Debug // accepted, and everyone on the way is to do the same
)

type b3ContextKey struct{}

func b3MarkFromContext(ctx context.Context) b3Mark {
	mark, _ := ctx.Value(b3ContextKey{}).(b3Mark)
	return mark
}

// contextWithB3 returns a context with what the B3 headers say, or ctx where they say nothing.
func contextWithB3(ctx context.Context, h http.Header) context.Context {
	parent, mark := readB3(h)
	if mark == b3Absent {
		return ctx
	}
	if parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		if mark == b3Accept || mark == b3Deny {
			return ctx // the span context says it all
		}
	}
	return context.WithValue(ctx, b3ContextKey{}, mark)
}

// readB3 reads the single header, and where it is missing or malformed the others. The span context is not valid where
// there is a decision without ids.
func readB3(h http.Header) (trace.SpanContext, b3Mark) {
	if value := h.Get(headerB3); value != "" {
		if parent, mark := readB3Single(value); mark != b3Absent {
			return parent, mark
		}
	}
	return readB3Multi(h)
}

// readB3Single reads {trace}-{span}[-{decision}[-{parent}]] or {decision} alone.
func readB3Single(value string) (trace.SpanContext, b3Mark) {
	traceID, rest, ids := strings.Cut(value, "-")
	if !ids {
		return trace.SpanContext{}, b3Decision(value)
	}
	spanID, rest, decided := strings.Cut(rest, "-")
	mark := b3Undecided
	if decided {
		decision, parentID, hasParent := strings.Cut(rest, "-")
		mark = b3Decision(decision)
		if _, err := trace.SpanIDFromHex(parentID); hasParent && err != nil {
			mark = b3Absent
		}
	}
	return b3SpanContext(traceID, spanID, mark)
}

func readB3Multi(h http.Header) (trace.SpanContext, b3Mark) {
	mark := b3Absent
	switch sampled := h.Get(headerB3Sampled); strings.ToLower(sampled) {
	case "1", "true":
		mark = b3Accept
	case "0", "false":
		mark = b3Deny
	}
	if h.Get(headerB3Flags) == "1" {
		mark = b3Debug
	}
	traceID, spanID := h.Get(headerB3TraceID), h.Get(headerB3SpanID)
	if traceID == "" && spanID == "" {
		return trace.SpanContext{}, mark
	}
	if mark == b3Absent {
		mark = b3Undecided
	}
	return b3SpanContext(traceID, spanID, mark)
}

// b3Decision reads the decision of the single header.
func b3Decision(text string) b3Mark {
	switch text {
	case "1":
		return b3Accept
	case "0":
		return b3Deny
	case "d":
		return b3Debug
	default:
		return b3Absent
	}
}

// b3SpanContext makes a span context of hexadecimal ids; a trace id may have half the usual length. The mark is
// b3Absent if they are malformed.
func b3SpanContext(traceID, spanID string, mark b3Mark) (trace.SpanContext, b3Mark) {
	if len(traceID) == 16 {
		traceID = "0000000000000000" + traceID
	}
	config := trace.SpanContextConfig{Remote: true}
	var traceErr, spanErr error
	config.TraceID, traceErr = trace.TraceIDFromHex(traceID)
	config.SpanID, spanErr = trace.SpanIDFromHex(spanID)
	if traceErr != nil || spanErr != nil || mark == b3Absent {
		return trace.SpanContext{}, b3Absent
	}
	if mark == b3Accept || mark == b3Debug {
		config.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(config), mark
}
