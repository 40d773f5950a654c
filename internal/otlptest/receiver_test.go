package otlptest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logsv1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	otlpmetricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
)

// message is an export of one span that has one of everything.
func message() *collectorv1.ExportTraceServiceRequest {
	span := &tracev1.Span{
		TraceId:           bytes.Repeat([]byte{0x0a}, 16),
		SpanId:            bytes.Repeat([]byte{0x0b}, 8),
		ParentSpanId:      bytes.Repeat([]byte{0x0c}, 8),
		TraceState:        "a=b",
		Name:              "osb.provision",
		Kind:              tracev1.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1_000_000_000,
		EndTimeUnixNano:   2_000_000_000,
		Attributes: []*commonv1.KeyValue{
			pair("text", &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: "v"}}),
			pair("flag", &commonv1.AnyValue{Value: &commonv1.AnyValue_BoolValue{BoolValue: true}}),
			pair("number", &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: 7}}),
			pair("fraction", &commonv1.AnyValue{Value: &commonv1.AnyValue_DoubleValue{DoubleValue: 0.5}}),
			pair("list", &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: &commonv1.ArrayValue{
				Values: []*commonv1.AnyValue{{Value: &commonv1.AnyValue_IntValue{IntValue: 1}}},
			}}}),
		},
		Events: []*tracev1.Span_Event{{Name: "event"}},
		Links: []*tracev1.Span_Link{
			{TraceId: bytes.Repeat([]byte{0x0d}, 16), SpanId: bytes.Repeat([]byte{0x0e}, 8)},
		},
		Status: &tracev1.Status{Code: tracev1.Status_STATUS_CODE_ERROR, Message: "why"},
	}
	return &collectorv1.ExportTraceServiceRequest{ResourceSpans: []*tracev1.ResourceSpans{{
		Resource: &resourcev1.Resource{Attributes: []*commonv1.KeyValue{
			pair("service.name", &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: "svc"}}),
		}},
		ScopeSpans: []*tracev1.ScopeSpans{{
			Scope: &commonv1.InstrumentationScope{Name: "tracer", Version: "1"}, Spans: []*tracev1.Span{span},
		}},
	}}}
}

func pair(key string, value *commonv1.AnyValue) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: value}
}

// received is what the receiver makes of message.
func received() otlptest.Span {
	return otlptest.Span{
		TraceID: strings.Repeat("0a", 16), SpanID: strings.Repeat("0b", 8), ParentID: strings.Repeat("0c", 8),
		TraceState: "a=b", Name: "osb.provision", Kind: otlptest.KindServer,
		Start: time.Unix(1, 0), End: time.Unix(2, 0),
		Attributes: map[string]any{
			"text": "v", "flag": true, "number": int64(7), "fraction": 0.5, "list": []any{int64(1)},
		},
		Events: []otlptest.Event{{Name: "event", Attributes: map[string]any{}}},
		Links: []otlptest.Link{
			{TraceID: strings.Repeat("0d", 16), SpanID: strings.Repeat("0e", 8), Attributes: map[string]any{}},
		},
		Status: otlptest.StatusError, StatusMessage: "why",
		Resource: map[string]any{"service.name": "svc"},
		Scope:    otlptest.Scope{Name: "tracer", Version: "1"},
	}
}

func dial(t *testing.T, receiver *otlptest.Receiver) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(receiver.GRPCEndpoint(), "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestReceivesOverGRPC(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	client := collectorv1.NewTraceServiceClient(dial(t, receiver))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-header", "in-a-header")
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(grpcgzip.Name)}} {
		if _, err := client.Export(ctx, message(), options...); err != nil {
			t.Fatalf("exporting: %v", err)
		}
	}
	spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2 })
	if diff := cmp.Diff([]otlptest.Span{received(), received()}, spans); diff != "" {
		t.Errorf("spans differ (-want +got):\n%s", diff)
	}
	checkRaw(t, receiver, "osb.provision", "in-a-header")
}

func TestReceivesOverHTTP(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	body := marshal(t, message())
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write(body)
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	post(t, receiver, "/v1/traces", http.Header{}, body, http.StatusOK)
	post(t, receiver, "/v1/traces", http.Header{"Content-Encoding": {"gzip"}}, zipped.Bytes(), http.StatusOK)
	if diff := cmp.Diff([]otlptest.Span{received(), received()}, receiver.Spans()); diff != "" {
		t.Errorf("spans differ (-want +got):\n%s", diff)
	}
	checkRaw(t, receiver, "osb.provision")
}

func TestTakesMetricsAndLogs(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	metrics := &metricsv1.ExportMetricsServiceRequest{ResourceMetrics: []*otlpmetricsv1.ResourceMetrics{
		{ScopeMetrics: []*otlpmetricsv1.ScopeMetrics{{Metrics: []*otlpmetricsv1.Metric{{Name: "some_metric"}}}}},
	}}
	conn := dial(t, receiver)
	if _, err := metricsv1.NewMetricsServiceClient(conn).Export(t.Context(), metrics); err != nil {
		t.Errorf("exporting metrics: %v", err)
	}
	logs := new(logsv1.ExportLogsServiceRequest)
	if _, err := logsv1.NewLogsServiceClient(conn).Export(t.Context(), logs); err != nil {
		t.Errorf("exporting logs: %v", err)
	}
	post(t, receiver, "/v1/metrics", http.Header{}, marshal(t, metrics), http.StatusOK)
	post(t, receiver, "/v1/logs", http.Header{}, nil, http.StatusOK)
	if spans := receiver.Spans(); len(spans) != 0 {
		t.Errorf("got spans %+v, want none", spans)
	}
	checkRaw(t, receiver, "some_metric")
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	tests := []struct {
		name   string
		header http.Header
		body   string
		status int
	}{
		{"JSON", http.Header{"Content-Type": {"application/json"}}, "{}", http.StatusUnsupportedMediaType},
		{"no protobuf", http.Header{}, "\xff", http.StatusBadRequest},
		{"no gzip", http.Header{"Content-Encoding": {"gzip"}}, "plain", http.StatusBadRequest},
		{"another encoding", http.Header{"Content-Encoding": {"br"}}, "plain", http.StatusBadRequest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			post(t, receiver, "/v1/traces", test.header, []byte(test.body), test.status)
		})
	}
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func post(t *testing.T, receiver *otlptest.Receiver, path string, header http.Header, body []byte, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, receiver.HTTPEndpoint()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	maps.Copy(request.Header, header)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("posting to %s: %v", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Errorf("posting to %s: got status %d, body %q, error %v; want status %d",
			path, response.StatusCode, answer, err, want)
	}
}

func checkRaw(t *testing.T, receiver *otlptest.Receiver, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !bytes.Contains(receiver.Raw(), []byte(text)) {
			t.Errorf("raw messages do not hold %q", text)
		}
	}
}
