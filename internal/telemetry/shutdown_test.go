package telemetry_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// queueSize is the number of spans that the batch processor keeps, by default.
const queueSize = 2048

func TestShutdownFlushes(t *testing.T) {
	protocols(t, func(t *testing.T, receiver *otlptest.Receiver) {
		// Were the spans not sent by the shutdown, they would be sent in an hour.
		t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
		tracing := newTracing(t)
		for range 100 {
			_, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
			span.End()
		}
		shutdown(t, tracing)
		if got := len(receiver.Spans()); got != 100 {
			t.Errorf("got %d spans after the shutdown, want 100", got)
		}
		_, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
		span.End()
		shutdown(t, tracing)
	})
}

func TestShutdownLeavesNothing(t *testing.T) {
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Run("", func(t *testing.T) {
				otlptest.Start(t).Setenv(t, protocol)
				tracing := newTracing(t)
				_, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
				span.End()
				shutdown(t, tracing)
			})
			goleak.VerifyNone(t, before)
		})
	}
}

// A collector that is not there, or that takes connections and says nothing, never holds up those who make spans, and
// holds up a shutdown no longer than it may take. Afterwards nothing is left that waits for it.
func TestCollectorDown(t *testing.T) {
	collectors := map[string]func(*testing.T) string{"refusing": refusingAddress, "silent": silentAddress}
	for name, collector := range collectors {
		for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
			t.Run(name+" "+string(protocol), func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				t.Run("", func(t *testing.T) { useDeadCollector(t, protocol, collector(t)) })
				goleak.VerifyNone(t, before)
			})
		}
	}
}

func useDeadCollector(t *testing.T, protocol otlptest.Protocol, address string) {
	t.Helper()
	otlptest.Unsetenv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", string(protocol))
	tracing, err := telemetry.NewTracing(t.Context())
	if err != nil {
		t.Fatalf("NewTracing: %v", err)
	}
	for range 4 * queueSize {
		_, span := tracing.Start(t.Context(), "osb.catalog", trace.SpanKindServer)
		span.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	// Exports that fail at once leave time to try them all.
	if err := tracing.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: got error %v, want none or that of the deadline", err)
	}
}

func TestShutdownWithoutTime(t *testing.T) {
	otlptest.Start(t).Setenv(t, otlptest.GRPC)
	before := goleak.IgnoreCurrent()
	tracing, err := telemetry.NewTracing(t.Context())
	if err != nil {
		t.Fatalf("NewTracing: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = tracing.Shutdown(ctx) // nothing was to be flushed: it may or may not find the time
	goleak.VerifyNone(t, before)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	return listener
}

// refusingAddress is one that nobody listens at.
func refusingAddress(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// silentAddress is one whose listener accepts and says nothing.
func silentAddress(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		var connections []net.Conn
		for {
			connection, err := listener.Accept()
			if err != nil {
				break
			}
			connections = append(connections, connection)
		}
		for _, connection := range connections {
			_ = connection.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		accepting.Wait()
	})
	return listener.Addr().String()
}
