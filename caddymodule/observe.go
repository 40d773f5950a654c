package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// tracings holds the one tracer of the process while any configuration has a gateway, so that a reload neither loses
// spans nor leaves an exporter behind.
var tracings = caddy.NewUsagePool()

const tracingKey = "tracing"

// sharedTracing is the tracer in the pool.
type sharedTracing struct{ *telemetry.Tracing }

// Destruct sends the spans that wait. It implements caddy.Destructor.
func (s *sharedTracing) Destruct() error {
	return s.Shutdown(context.Background()) // which has a bound of its own
}

// logExportErrors takes what OpenTelemetry says on its own, such as that a collector cannot be reached, from standard
// error to Caddy's log, each text once until another comes.
var logExportErrors = sync.OnceFunc(func() {
	var last atomic.Value
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if text := err.Error(); last.Swap(text) != text {
			caddy.Log().Named("osb_gateway.tracing").Warn(
				"traces are not exported; look at the OTEL_* variables and the collector", zap.Error(err))
		}
	}))
})

// takeTracing returns the tracer. Give it back with release.
func takeTracing() (*sharedTracing, error) {
	value, _, err := tracings.LoadOrNew(tracingKey, func() (caddy.Destructor, error) {
		logExportErrors()
		tracing, err := telemetry.NewTracing(context.Background(), telemetry.CountSpans(telemetry.Default()))
		if err != nil {
			return nil, err
		}
		return &sharedTracing{tracing}, nil
	})
	if err != nil {
		return nil, err
	}
	shared, ok := value.(*sharedTracing)
	if !ok {
		return nil, fmt.Errorf("the pool holds a %T", value)
	}
	return shared, nil
}

// release gives the tracer back. Spans that cannot be sent any more are no trouble of the configuration's.
func (s *sharedTracing) release() {
	_, _ = tracings.Delete(tracingKey)
}

// observeStore makes spans and metrics of the store's round trips, and logs when its state changes.
func (rt *runtime) observeStore() routing.Observer {
	observe := telemetry.ObserveStore(
		rt.tracing.Tracing, rt.metrics, rt.name, rt.settings.store.Kind, rt.settings.store.server()...)
	health := &storeHealth{logger: rt.logger.With(zap.String("gateway", rt.name), zap.String("store", rt.settings.store.Kind))}
	return func(ctx context.Context, operation string) (context.Context, func(err error)) {
		ctx, finish := observe(ctx, operation)
		return ctx, func(err error) {
			finish(err)
			health.note(err)
		}
	}
}

// open begins a call: its name, its place in a trace, its placeholders.
func (c *call) open() {
	var ok bool
	if c.requestIdentity, ok = osb.CleanRequestIdentity(c.r.Header.Get(osb.HeaderRequestIdentity)); !ok {
		c.requestIdentity = osb.NewRequestIdentity()
	}
	ctx := c.rt.tracing.Extract(c.r.Context(), c.r.Header)
	c.traced = c.rt.tracing.On(ctx)
	ctx, c.span = c.rt.tracing.Start(ctx, telemetry.ServerSpanName(c.path.Operation), trace.SpanKindServer)
	if c.traced { // else it is the same context, and the request need not be copied
		c.r = c.r.WithContext(ctx)
	}
	c.setPlaceholders()
}

// close ends a call: span, metrics, audit line, and a log line where the gateway answered for trouble of its own.
func (c *call) close(a answer) {
	elapsed := time.Since(c.start)
	c.describe(a)
	c.rt.metrics.Request(telemetry.RequestLabels{
		Gateway: c.rt.name, Platform: c.platformName(), Operation: c.path.Operation, Backend: c.backendName(),
	}, a.status, elapsed.Seconds(), telemetry.SampledTraceID(c.span))
	c.writeAudit(a, elapsed)
	c.logTrouble(a)
	telemetry.EndServer(c.span, a.status)
}

// describe writes what is known of the call to its span.
func (c *call) describe(a answer) {
	if !c.traced || !c.span.IsRecording() {
		return
	}
	attributes := append(telemetry.ServerAttributes(c.r, c.rt.basePath+telemetry.Route(c.path.Operation)),
		telemetry.KeyGateway.String(c.rt.name),
		telemetry.KeyOperation.String(c.path.Operation.String()),
		telemetry.KeyRequestIdentity.String(c.requestIdentity),
		telemetry.KeyAsync.Bool(a.status == 202),
	)
	// It is the platform's own, not that of a proxy between, as far as Caddy is told to trust proxies.
	if address, ok := caddyhttp.GetVar(c.r.Context(), caddyhttp.ClientIPVarKey).(string); ok && address != "" {
		attributes = append(attributes, telemetry.ClientAddress(address))
	}
	service, plan := c.spanIDs()
	for _, known := range [...]struct {
		key   attribute.Key
		value string
	}{
		{telemetry.KeyPlatform, c.platformName()},
		{telemetry.KeyBackend, c.backendName()},
		{telemetry.KeyInstanceID, c.path.Instance},
		{telemetry.KeyBindingID, c.path.Binding},
		{telemetry.KeyServiceID, service},
		{telemetry.KeyPlanID, plan},
		{telemetry.KeyIdentityPlatform, c.identity.Platform},
		{telemetry.KeyIdentityUser, c.identity.User},
	} {
		if known.value != "" {
			attributes = append(attributes, known.key.String(known.value))
		}
	}
	c.span.SetAttributes(attributes...)
	if c.path.Operation.Poll() {
		telemetry.AddLink(c.span, c.beganBy())
	}
}

// beganBy returns the traceparent of the call that began the operation that this one polls.
func (c *call) beganBy() string {
	if record := c.record(); record != nil {
		return record.Op.Trace
	}
	return ""
}

// record is the record that the call was led by; nil without one. That of an instance which the call was refused for is
// none of its business.
func (c *call) record() *routing.Record {
	if c.entry == nil || c.entry.Decision.Refusal != routing.RefusalNone {
		return nil
	}
	return c.entry.Subject()
}

// spanIDs are the offering and plan that the call names or, where it names none, those of its record.
func (c *call) spanIDs() (service, plan string) {
	service, plan = c.ids()
	if record := c.record(); record != nil {
		service = cmp.Or(service, string(record.SpelledService), string(record.Service))
		plan = cmp.Or(plan, string(record.SpelledPlan), string(record.Plan))
	}
	return service, plan
}

// ids are the offering and plan as far as the call names them.
func (c *call) ids() (service, plan string) {
	service, plan = c.fields.ServiceID, c.fields.PlanID
	if service == "" {
		service = c.query.ServiceID
	}
	if plan == "" {
		plan = c.query.PlanID
	}
	return service, plan
}

// observeForward makes the span and the metrics of a sending to a backend.
func (c *call) observeForward(ctx context.Context) (context.Context, func(*backend.Response, error)) {
	var span trace.Span
	operation := c.path.Operation
	if c.traced {
		ctx, span = c.rt.tracing.Start(ctx, telemetry.BackendSpanName(operation), trace.SpanKindClient)
		if span.IsRecording() {
			span.SetAttributes(telemetry.ClientAttributes(c.r.Method, c.broker.url, c.path.Escaped)...)
			span.SetAttributes(telemetry.KeyBackend.String(c.broker.name))
		}
	}
	sending := c.rt.metrics.BackendStarted(telemetry.BackendLabels{
		Gateway: c.rt.name, Backend: c.broker.name, Operation: operation,
	})
	start := time.Now()
	return ctx, func(response *backend.Response, err error) {
		status := 0
		if err == nil {
			status = response.Status
		}
		if neverSent(err) {
			sending.Refused()
		} else {
			sending.Done(status, time.Since(start).Seconds(), telemetry.SampledTraceID(c.span))
		}
		if span != nil {
			endSending(span, operation, status, err)
		}
	}
}

// neverSent tells whether the gateway itself refused to send a call to its backend.
func neverSent(err error) bool {
	return errors.Is(err, backend.ErrOpen) || errors.Is(err, backend.ErrBusy) || errors.Is(err, backend.ErrNoCredentials)
}

// endSending ends the span of a sending to a backend: with the status of its answer, or the error in place of one.
func endSending(span trace.Span, operation osb.Operation, status int, err error) {
	switch {
	case err == nil:
		telemetry.EndBackend(span, operation, status)
	case notReached(err):
		telemetry.EndNotReached(span, err)
	default:
		telemetry.EndFailed(span, err)
	}
}

// observeCatalogFetch makes the spans and the metrics of a catalog fetch in the background.
func (rt *runtime) observeCatalogFetch(
	ctx context.Context, b *broker,
) (context.Context, func(notModified bool, err error)) {
	ctx, fetch := rt.tracing.Start(ctx, telemetry.SpanCatalogFetch, trace.SpanKindInternal,
		telemetry.KeyGateway.String(rt.name), telemetry.KeyBackend.String(b.name))
	ctx, client := rt.tracing.Start(ctx, telemetry.BackendSpanName(osb.Catalog), trace.SpanKindClient,
		append(telemetry.ClientAttributes("GET", b.url, "/v2/catalog"), telemetry.KeyBackend.String(b.name))...)
	sending := rt.metrics.BackendStarted(telemetry.BackendLabels{
		Gateway: rt.name, Backend: b.name, Operation: osb.Catalog,
	})
	start := time.Now()
	return ctx, func(notModified bool, err error) {
		status := catalogStatus(notModified, err)
		sending.Done(status, time.Since(start).Seconds(), telemetry.SampledTraceID(client))
		if status != 0 && status != http.StatusOK {
			endSending(client, osb.Catalog, status, nil) // an answer, if not the one that was hoped for
		} else {
			endSending(client, osb.Catalog, status, err)
		}
		telemetry.EndFailed(fetch, err)
	}
}

// catalogStatus is the status that a catalog fetch was answered with; 0 if there was no answer.
func catalogStatus(notModified bool, err error) int {
	var failed *backend.Error
	switch {
	case errors.As(err, &failed):
		return failed.Status
	case err != nil:
		return 0
	case notModified:
		return http.StatusNotModified
	}
	return http.StatusOK
}

// traceparent is the call's span, to be kept in the record for the polls to come.
func (c *call) traceparent() string { return telemetry.Traceparent(c.r.Context()) }

// traceID is the id of the trace that the call belongs to.
func (c *call) traceID() string { return telemetry.TraceID(c.r.Context(), c.r.Header) }
