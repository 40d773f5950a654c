package telemetry

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// modulePath is the name of the tracer.
const modulePath = "github.com/osb-gateway/caddy-osb-gateway"

// serviceName is how the gateway is called in traces where the environment does not say.
const serviceName = "osb-gateway"

// The standard variables that are read here. The exporters and the batch processor read those that concern them.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envSampler        = "OTEL_TRACES_SAMPLER"
	envSamplerArg     = "OTEL_TRACES_SAMPLER_ARG"
	envQueueSize      = "OTEL_BSP_MAX_QUEUE_SIZE"
)

// Enabled tells whether the environment asks for traces: OTEL_TRACES_EXPORTER names an exporter other than "none", or
// it is not set and OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is. OTEL_SDK_DISABLED=true
// overrides them all.
func Enabled() bool {
	if strings.EqualFold(variable(envDisabled), "true") {
		return false
	}
	switch variable(envExporter) {
	case "none":
		return false
	case "":
		return variable(envEndpoint) != "" || variable(envTracesEndpoint) != ""
	default:
		return true
	}
}

func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// newPipeline makes a provider from the environment, with its processor and the function that gives up its exports.
func newPipeline(
	ctx context.Context, o tracingOptions,
) (*sdktrace.TracerProvider, sdktrace.SpanProcessor, func(), error) {
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making the exporter of traces: %w", err)
	}
	abortable, spans := newAbortableExporter(exporter), newWaitingSpans(o)
	processor := countingProcessor{
		sdktrace.NewBatchSpanProcessor(countingExporter{abortable, spans}, sdktrace.WithMaxQueueSize(int(spans.room))), spans,
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithSpanProcessor(processor),
		sdktrace.WithResource(describeService(ctx)),
	}
	if root, parentBased := rootSampler(); parentBased {
		options = append(options, sdktrace.WithSampler(newPlatformSampler(root)))
	}
	return sdktrace.NewTracerProvider(options...), processor, abortable.abort, nil
}

// describeService says whose spans they are. What the environment says goes before what is known here.
func describeService(ctx context.Context) *resource.Resource {
	attributes := []attribute.KeyValue{semconv.ServiceName(serviceName)}
	if version := moduleVersion(); version != "" {
		attributes = append(attributes, semconv.ServiceVersion(version))
	}
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithAttributes(attributes...),
		resource.WithFromEnv(),
	)
	if err != nil {
		// What could be found out is there; a variable that cannot be read keeps nobody from serving.
		otel.Handle(fmt.Errorf("describing the service: %w", err))
	}
	return described
}

// moduleVersion is the version of this module in the running program, "" where it is not known.
var moduleVersion = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, module := range modules {
		if module.Path == modulePath && module.Version != "(devel)" {
			return module.Version
		}
	}
	return ""
})

// rootSampler reads which new traces are sampled, and whether the sampler is one that follows the parent. Values that
// it cannot read count as the SDK counts them, which also reports them.
func rootSampler() (root sdktrace.Sampler, parentBased bool) {
	switch strings.ToLower(variable(envSampler)) {
	case "always_on", "always_off", "traceidratio":
		return nil, false
	case "parentbased_always_off":
		return sdktrace.NeverSample(), true
	case "parentbased_traceidratio":
		ratio, err := strconv.ParseFloat(variable(envSamplerArg), 64)
		if err != nil || ratio < 0 || ratio > 1 {
			ratio = 1
		}
		return sdktrace.TraceIDRatioBased(ratio), true
	default:
		return sdktrace.AlwaysSample(), true
	}
}
