package telemetry_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// countedSpans are the spans by what became of them.
func countedSpans(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	counted := make(map[string]float64)
	for _, metric := range gather(t, registryOf(t, m))["trace_spans_total"].GetMetric() {
		counted[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}
	return counted
}

func newCountedTracing(t *testing.T) (*telemetry.Tracing, *telemetry.Metrics) {
	t.Helper()
	m := telemetry.NewMetrics()
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.CountSpans(m))
	if err != nil {
		t.Fatalf("NewTracing: %v", err)
	}
	return tracing, m
}

func makeSpans(t *testing.T, tracing *telemetry.Tracing, spans int) {
	t.Helper()
	for range spans {
		_, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
		span.End()
	}
}

func TestExportedSpansAreCounted(t *testing.T) {
	protocols(t, func(t *testing.T, receiver *otlptest.Receiver) {
		tracing, m := newCountedTracing(t)
		want := map[string]float64{"exported": 0, "failed": 0, "dropped": 0}
		if diff := cmp.Diff(want, countedSpans(t, m)); diff != "" {
			t.Errorf("before the first span (-want +got):\n%s", diff)
		}
		makeSpans(t, tracing, 1000)
		unsampled := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true,
		})
		_, span := tracing.Start(trace.ContextWithSpanContext(t.Context(), unsampled), "osb.catalog", trace.SpanKindServer)
		span.End()
		shutdown(t, tracing)
		makeSpans(t, tracing, 1) // whose end nobody waits for
		want["exported"] = 1000
		if diff := cmp.Diff(want, countedSpans(t, m)); diff != "" {
			t.Errorf("spans counted (-want +got):\n%s", diff)
		}
		if got := len(receiver.Spans()); got != 1000 {
			t.Errorf("got %d spans, want 1000", got)
		}
	})
}

// A collector that says nothing: what does not fit into the queue is dropped, and whoever made it does not wait. What
// was being sent at the end has failed.
func TestDroppedSpansAreCounted(t *testing.T) {
	const room, made = 64, 1000
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			otlptest.Unsetenv(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+silentAddress(t))
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", string(protocol))
			t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", strconv.Itoa(room))
			t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
			tracing, m := newCountedTracing(t)
			makeSpans(t, tracing, made)
			counted := countedSpans(t, m)
			if dropped := counted["dropped"]; dropped < made-room-16 || dropped > made-room {
				t.Errorf("%v of %d spans were dropped, with room for %d and a batch of 16", dropped, made, room)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_ = tracing.Shutdown(ctx)
			// The export that is given up ends a moment later.
			deadline := time.Now().Add(time.Minute)
			for counted["failed"] == 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
				counted = countedSpans(t, m)
			}
			if counted["exported"] != 0 || counted["failed"] == 0 {
				t.Errorf("after the shutdown: got %v, want none exported and some failed", counted)
			}
		})
	}
}

func TestRefusedSpansAreCounted(t *testing.T) {
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			otlptest.Unsetenv(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+refusingAddress(t))
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", string(protocol))
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
			tracing, m := newCountedTracing(t)
			makeSpans(t, tracing, 10)
			_ = tracing.Shutdown(t.Context())
			want := map[string]float64{"exported": 0, "failed": 10, "dropped": 0}
			if diff := cmp.Diff(want, countedSpans(t, m)); diff != "" {
				t.Errorf("spans counted (-want +got):\n%s", diff)
			}
		})
	}
}

// Work that goes on after a call is in the call's trace, sampled as that is; without a call it is a trace of its own.
func TestStartBelow(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.GRPC)
	tracing := newTracing(t)
	for _, parent := range []string{sampled, "00-" + traceID + "-" + spanID + "-00", "", "no traceparent"} {
		_, span := tracing.StartBelow(t.Context(), parent, telemetry.SpanRetry, trace.SpanKindInternal,
			telemetry.KeyInstanceID.String(parent))
		span.End()
	}
	shutdown(t, tracing)
	parents := make(map[string]string)
	for _, span := range receiver.Spans() {
		below := span.ParentID
		if below != "" {
			below += " of " + span.TraceID
		}
		id, _ := span.Attributes["osb.instance_id"].(string)
		parents[id] = below
	}
	want := map[string]string{sampled: spanID + " of " + traceID, "": "", "no traceparent": ""}
	if diff := cmp.Diff(want, parents); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
}

func TestStoreServer(t *testing.T) {
	t.Parallel()
	for address, port := range map[string]int64{
		"redis.example": 6379, "redis.example:7000": 7000, net.JoinHostPort("redis.example", ""): 0,
	} {
		got := make(map[string]any)
		for _, attribute := range telemetry.StoreServer(address, 3) {
			got[string(attribute.Key)] = attribute.Value.AsInterface()
		}
		want := map[string]any{"server.address": "redis.example", "db.namespace": "3"}
		if port != 0 {
			want["server.port"] = port
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", address, diff)
		}
	}
}

func TestUntraced(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.GRPC)
	tracing := newTracing(t)
	ctx := telemetry.Untraced(t.Context())
	if tracing.On(ctx) {
		t.Error("work that is not to be traced is")
	}
	_, span := tracing.Start(ctx, "osb.store.in_progress", trace.SpanKindInternal)
	span.End()
	shutdown(t, tracing)
	if spans := receiver.Spans(); len(spans) > 0 {
		t.Errorf("got the spans %+v, want none", spans)
	}
}
