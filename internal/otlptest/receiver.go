// Package otlptest runs a real OTLP receiver for tests. It speaks gRPC and HTTP with protobuf, compressed with gzip or
// not, on free ports of 127.0.0.1, and is ended with the test. Spans and metrics are kept for the test to look at; logs
// are taken and kept as bytes only.
package otlptest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricsdatav1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// awaitDeadline is generous: it is only ever reached when something is broken.
const awaitDeadline = 2 * time.Minute

// Protocol is a way to speak OTLP, spelt as in OTEL_EXPORTER_OTLP_PROTOCOL.
type Protocol string

// The protocols.
const (
	GRPC Protocol = "grpc"
	HTTP Protocol = "http/protobuf"
)

// Receiver keeps what it is sent. It is safe for concurrent use.
type Receiver struct {
	grpcAddress, httpAddress string

	mu    sync.Mutex
	spans []Span
	// metrics are the latest of each name.
	metrics map[string]*metricsdatav1.Metric
	raw     bytes.Buffer
	// changed is closed when something came, and replaced.
	changed chan struct{}
}

// Start starts a receiver that ends with the test.
func Start(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{changed: make(chan struct{}), metrics: make(map[string]*metricsdatav1.Metric)}
	r.grpcAddress = r.serveGRPC(tb)
	r.httpAddress = r.serveHTTP(tb)
	return r
}

func (r *Receiver) serveGRPC(tb testing.TB) string {
	tb.Helper()
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessageBytes))
	registerServices(server, r)
	return serve(tb, server.Serve, server.Stop)
}

func (r *Receiver) serveHTTP(tb testing.TB) string {
	tb.Helper()
	server := &http.Server{Handler: r.httpHandler(), ReadHeaderTimeout: awaitDeadline}
	return serve(tb, server.Serve, func() { _ = server.Close() })
}

// serve runs a server on a free port until the end of the test, and returns its address.
func serve(tb testing.TB, run func(net.Listener) error, stop func()) string {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listening for OTLP: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = run(listener) // the error of being stopped
	}()
	tb.Cleanup(func() {
		stop()
		<-ended
	})
	return listener.Addr().String()
}

// GRPCEndpoint is what OTEL_EXPORTER_OTLP_ENDPOINT is set to for gRPC.
func (r *Receiver) GRPCEndpoint() string { return "http://" + r.grpcAddress }

// HTTPEndpoint is what OTEL_EXPORTER_OTLP_ENDPOINT is set to for HTTP.
func (r *Receiver) HTTPEndpoint() string { return "http://" + r.httpAddress }

// Env returns the variables, each as NAME=value, that have a process send its spans here at once.
func (r *Receiver) Env(protocol Protocol) []string {
	endpoint := r.HTTPEndpoint()
	if protocol == GRPC {
		endpoint = r.GRPCEndpoint()
	}
	return []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
		"OTEL_EXPORTER_OTLP_PROTOCOL=" + string(protocol),
		"OTEL_BSP_SCHEDULE_DELAY=20",
	}
}

// Setenv sets the variables of Env for this process, and unsets the other ones that could have spans sent elsewhere,
// until the test ends.
func (r *Receiver) Setenv(t *testing.T, protocol Protocol) {
	t.Helper()
	Unsetenv(t)
	for _, variable := range r.Env(protocol) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// Unsetenv empties the variables that concern traces until the test ends. To OpenTelemetry an empty one is not set.
func Unsetenv(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS",
		"OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
		"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
		"OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
		"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
		"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
	} {
		t.Setenv(name, "")
	}
}

// Spans returns what came so far, in the order in which it came.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Raw returns all messages that came, uncompressed, with their headers before them. Texts in it are as they were sent,
// to be searched for what should not have been.
func (r *Receiver) Raw() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.raw.Bytes())
}

// Await waits until the spans that came satisfy the condition, and returns them. Should they never, the test fails.
func (r *Receiver) Await(tb testing.TB, condition func([]Span) bool) []Span {
	tb.Helper()
	deadline := time.NewTimer(awaitDeadline)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		spans, changed := slices.Clone(r.spans), r.changed
		r.mu.Unlock()
		if condition(spans) {
			return spans
		}
		select {
		case <-changed:
		case <-deadline.C:
			tb.Fatalf("the awaited spans did not come; these did:\n%s", list(spans))
		}
	}
}

// takeMetrics keeps metrics. The caller holds mu.
func (r *Receiver) takeMetrics(exported *metricsv1.ExportMetricsServiceRequest) {
	for _, resource := range exported.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				r.metrics[metric.GetName()] = metric
			}
		}
	}
}

// AwaitMetric waits until a metric of this name came that satisfies the condition, and returns it. Should none ever, the
// test fails.
func (r *Receiver) AwaitMetric(tb testing.TB, name string, condition func(*metricsdatav1.Metric) bool) *metricsdatav1.Metric {
	tb.Helper()
	deadline := time.NewTimer(awaitDeadline)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		metric, changed := r.metrics[name], r.changed
		names := slices.Sorted(maps.Keys(r.metrics))
		r.mu.Unlock()
		if metric != nil && condition(metric) {
			return metric
		}
		select {
		case <-changed:
		case <-deadline.C:
			tb.Fatalf("the awaited metric %s did not come; the last was %v, and these came: %v", name, metric, names)
		}
	}
}

func list(spans []Span) string {
	var b strings.Builder
	for _, span := range spans {
		fmt.Fprintf(&b, "%+v\n", span)
	}
	return b.String()
}

// take keeps a message, with its headers.
func (r *Receiver) take(headers map[string][]string, message proto.Message, spans []*tracev1.ResourceSpans) error {
	encoded, err := proto.Marshal(message)
	if err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	flat := flatten(spans)
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, values := range headers {
		for _, value := range values {
			fmt.Fprintf(&r.raw, "%s: %s\n", name, value)
		}
	}
	r.raw.Write(encoded)
	r.raw.WriteByte('\n')
	r.spans = append(r.spans, flat...)
	if exported, ok := message.(*metricsv1.ExportMetricsServiceRequest); ok {
		r.takeMetrics(exported)
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}
