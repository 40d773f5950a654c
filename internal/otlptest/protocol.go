package otlptest

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"

	logsv1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracecollectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the compression that OTEL_EXPORTER_OTLP_COMPRESSION can ask for
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	maxMessageBytes = 64 << 20
	protobufType    = "application/x-protobuf"
)

// The services of OTLP over gRPC.
type (
	traceService struct {
		tracecollectorv1.UnimplementedTraceServiceServer

		receiver *Receiver
	}
	metricsService struct {
		metricsv1.UnimplementedMetricsServiceServer

		receiver *Receiver
	}
	logsService struct {
		logsv1.UnimplementedLogsServiceServer

		receiver *Receiver
	}
)

func registerServices(server *grpc.Server, r *Receiver) {
	tracecollectorv1.RegisterTraceServiceServer(server, traceService{receiver: r})
	metricsv1.RegisterMetricsServiceServer(server, metricsService{receiver: r})
	logsv1.RegisterLogsServiceServer(server, logsService{receiver: r})
}

// Export takes spans.
func (s traceService) Export(
	ctx context.Context, request *tracecollectorv1.ExportTraceServiceRequest,
) (*tracecollectorv1.ExportTraceServiceResponse, error) {
	err := s.receiver.takeGRPC(ctx, request, request.GetResourceSpans())
	return new(tracecollectorv1.ExportTraceServiceResponse), err
}

// Export takes metrics.
func (s metricsService) Export(
	ctx context.Context, request *metricsv1.ExportMetricsServiceRequest,
) (*metricsv1.ExportMetricsServiceResponse, error) {
	return new(metricsv1.ExportMetricsServiceResponse), s.receiver.takeGRPC(ctx, request, nil)
}

// Export takes logs.
func (s logsService) Export(
	ctx context.Context, request *logsv1.ExportLogsServiceRequest,
) (*logsv1.ExportLogsServiceResponse, error) {
	return new(logsv1.ExportLogsServiceResponse), s.receiver.takeGRPC(ctx, request, nil)
}

func (r *Receiver) takeGRPC(ctx context.Context, message proto.Message, spans []*tracev1.ResourceSpans) error {
	headers, _ := metadata.FromIncomingContext(ctx)
	return r.take(headers, message, spans)
}

// httpHandler speaks OTLP over HTTP.
func (r *Receiver) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, request *http.Request) {
		message := new(tracecollectorv1.ExportTraceServiceRequest)
		r.takeHTTP(w, request, message, new(tracecollectorv1.ExportTraceServiceResponse), message.GetResourceSpans)
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, request *http.Request) {
		message := new(metricsv1.ExportMetricsServiceRequest)
		r.takeHTTP(w, request, message, new(metricsv1.ExportMetricsServiceResponse), noSpans)
	})
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, request *http.Request) {
		message := new(logsv1.ExportLogsServiceRequest)
		r.takeHTTP(w, request, message, new(logsv1.ExportLogsServiceResponse), noSpans)
	})
	return mux
}

func noSpans() []*tracev1.ResourceSpans { return nil }

// takeHTTP reads a message, keeps it with the spans that it then has, and answers.
func (r *Receiver) takeHTTP(
	w http.ResponseWriter, request *http.Request, message, answer proto.Message, spans func() []*tracev1.ResourceSpans,
) {
	mediaType, _, err := mime.ParseMediaType(request.Header.Get("Content-Type"))
	if err != nil || mediaType != protobufType {
		http.Error(w, "only "+protobufType+" is understood", http.StatusUnsupportedMediaType)
		return
	}
	body, err := readBody(request)
	if err == nil {
		err = proto.Unmarshal(body, message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	encoded, err := proto.Marshal(answer)
	if err == nil {
		err = r.take(request.Header, message, spans())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", protobufType)
	_, _ = w.Write(encoded)
}

func readBody(request *http.Request) ([]byte, error) {
	var body io.Reader = request.Body
	switch encoding := request.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(request.Body)
		if err != nil {
			return nil, fmt.Errorf("opening a compressed body: %w", err)
		}
		body = unzipped
	default:
		return nil, fmt.Errorf("the encoding %q is not understood", encoding)
	}
	return io.ReadAll(io.LimitReader(body, maxMessageBytes))
}
