package otlptest

import (
	"encoding/hex"
	"time"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is a span as it was received. Ids are hexadecimal; ParentID is empty for the root of a trace. Values of
// attributes are string, bool, int64, float64, []byte, []any or map[string]any.
type Span struct {
	TraceID, SpanID, ParentID string
	TraceState                string
	Name                      string
	Kind                      Kind
	Start, End                time.Time
	Attributes                map[string]any
	Events                    []Event
	Links                     []Link
	Status                    Status
	// StatusMessage goes with an error.
	StatusMessage string
	// Resource holds the attributes of the process.
	Resource map[string]any
	Scope    Scope
}

// Event is something that happened during a span.
type Event struct {
	Name       string
	Attributes map[string]any
}

// Link names another span.
type Link struct {
	TraceID, SpanID string
	Attributes      map[string]any
}

// Scope is the tracer that made a span.
type Scope struct{ Name, Version string }

// Kind is the role of a span.
type Kind string

// The kinds.
const (
	KindUnspecified Kind = "unspecified"
	KindInternal    Kind = "internal"
	KindServer      Kind = "server"
	KindClient      Kind = "client"
	KindProducer    Kind = "producer"
	KindConsumer    Kind = "consumer"
)

// Status tells how a span ended.
type Status string

// The statuses.
const (
	StatusUnset Status = "unset"
	StatusOK    Status = "ok"
	StatusError Status = "error"
)

// Named returns the spans of this name.
func Named(spans []Span, name string) []Span {
	var named []Span
	for _, span := range spans {
		if span.Name == name {
			named = append(named, span)
		}
	}
	return named
}

func flatten(resources []*tracev1.ResourceSpans) []Span {
	var flat []Span
	for _, resource := range resources {
		described := attributes(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			from := Scope{Name: scope.GetScope().GetName(), Version: scope.GetScope().GetVersion()}
			for _, s := range scope.GetSpans() {
				span := spanOf(s)
				span.Resource, span.Scope = described, from
				flat = append(flat, span)
			}
		}
	}
	return flat
}

func spanOf(s *tracev1.Span) Span {
	span := Span{
		TraceID:       hex.EncodeToString(s.GetTraceId()),
		SpanID:        hex.EncodeToString(s.GetSpanId()),
		ParentID:      hex.EncodeToString(s.GetParentSpanId()),
		TraceState:    s.GetTraceState(),
		Name:          s.GetName(),
		Kind:          kindOf(s.GetKind()),
		Start:         timeOf(s.GetStartTimeUnixNano()),
		End:           timeOf(s.GetEndTimeUnixNano()),
		Attributes:    attributes(s.GetAttributes()),
		Status:        statusOf(s.GetStatus().GetCode()),
		StatusMessage: s.GetStatus().GetMessage(),
	}
	for _, e := range s.GetEvents() {
		span.Events = append(span.Events, Event{Name: e.GetName(), Attributes: attributes(e.GetAttributes())})
	}
	for _, l := range s.GetLinks() {
		span.Links = append(span.Links, Link{
			TraceID:    hex.EncodeToString(l.GetTraceId()),
			SpanID:     hex.EncodeToString(l.GetSpanId()),
			Attributes: attributes(l.GetAttributes()),
		})
	}
	return span
}

func timeOf(unixNano uint64) time.Time {
	return time.Unix(0, int64(unixNano))
}

func kindOf(kind tracev1.Span_SpanKind) Kind {
	switch kind {
	case tracev1.Span_SPAN_KIND_INTERNAL:
		return KindInternal
	case tracev1.Span_SPAN_KIND_SERVER:
		return KindServer
	case tracev1.Span_SPAN_KIND_CLIENT:
		return KindClient
	case tracev1.Span_SPAN_KIND_PRODUCER:
		return KindProducer
	case tracev1.Span_SPAN_KIND_CONSUMER:
		return KindConsumer
	default:
		return KindUnspecified
	}
}

func statusOf(code tracev1.Status_StatusCode) Status {
	switch code {
	case tracev1.Status_STATUS_CODE_OK:
		return StatusOK
	case tracev1.Status_STATUS_CODE_ERROR:
		return StatusError
	default:
		return StatusUnset
	}
}

func attributes(list []*commonv1.KeyValue) map[string]any {
	values := make(map[string]any, len(list))
	for _, kv := range list {
		values[kv.GetKey()] = valueOf(kv.GetValue())
	}
	return values
}

func valueOf(value *commonv1.AnyValue) any {
	switch v := value.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return v.StringValue
	case *commonv1.AnyValue_BoolValue:
		return v.BoolValue
	case *commonv1.AnyValue_IntValue:
		return v.IntValue
	case *commonv1.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonv1.AnyValue_BytesValue:
		return v.BytesValue
	case *commonv1.AnyValue_ArrayValue:
		values := make([]any, 0, len(v.ArrayValue.GetValues()))
		for _, element := range v.ArrayValue.GetValues() {
			values = append(values, valueOf(element))
		}
		return values
	case *commonv1.AnyValue_KvlistValue:
		return attributes(v.KvlistValue.GetValues())
	default:
		return nil
	}
}
