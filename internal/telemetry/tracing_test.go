package telemetry_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

func TestEnabled(t *testing.T) {
	tests := []struct {
		name      string
		variables map[string]string
		want      bool
	}{
		{"nothing set", nil, false},
		{"endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		{"endpoint of traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/x"}, true},
		{"exporter", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		{"exporter none", map[string]string{"OTEL_TRACES_EXPORTER": "none"}, false},
		{
			"exporter none with an endpoint",
			map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
			false,
		},
		{
			"disabled",
			map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
			false,
		},
		{
			"not disabled",
			map[string]string{"OTEL_SDK_DISABLED": "no", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
			true,
		},
		{"another signal's endpoint", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:4318"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			otlptest.Unsetenv(t)
			for name, value := range test.variables {
				t.Setenv(name, value)
			}
			if got := telemetry.Enabled(); got != test.want {
				t.Errorf("Enabled: got %t, want %t", got, test.want)
			}
			tracing := newTracing(t)
			if got := tracing.On(t.Context()); got != test.want {
				t.Errorf("On: got %t, want %t", got, test.want)
			}
		})
	}
}

func TestNewTracingRefusesUnknownNames(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "pigeon", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/smoke",
	} {
		t.Run(name, func(t *testing.T) {
			otlptest.Unsetenv(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
			t.Setenv(name, value)
			if _, err := telemetry.NewTracing(t.Context()); err == nil {
				t.Errorf("NewTracing with %s=%s: got no error", name, value)
			}
		})
	}
}

// The spans of a whole call: parents, kinds, names, attributes, statuses, and the backend's view of them.
func TestSpansOfACall(t *testing.T) {
	protocols(t, func(t *testing.T, receiver *otlptest.Receiver) {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
		tracing := newTracing(t)
		outgoing := wholeCall(t, tracing)
		spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 4 })
		server, client := only(t, spans, "osb.provision"), only(t, spans, "osb.backend.provision")
		read, swap := only(t, spans, "osb.store.read"), only(t, spans, "osb.store.swap")

		if server.TraceID != traceID || server.ParentID != spanID {
			t.Errorf("server span is in trace %s below %s, want %s below %s",
				server.TraceID, server.ParentID, traceID, spanID)
		}
		for _, child := range []otlptest.Span{client, read, swap} {
			if child.TraceID != traceID || child.ParentID != server.SpanID {
				t.Errorf("%s is in trace %s below %s, want %s below %s",
					child.Name, child.TraceID, child.ParentID, traceID, server.SpanID)
			}
		}
		want := "00-" + traceID + "-" + client.SpanID + "-01"
		if got := outgoing.Get("Traceparent"); got != want {
			t.Errorf("backend got traceparent %q, want %q", got, want)
		}
		checkSpan(t, server, otlptest.KindServer, otlptest.StatusUnset, map[string]any{
			"osb.gateway": "gw", "osb.platform": "cf", "osb.operation": "provision", "osb.backend": "pg",
			"osb.instance_id": "i", "osb.binding_id": "b", "osb.service_id": "s", "osb.plan_id": "p", "osb.async": true,
			"osb.identity.platform": "cloudfoundry", "osb.identity.user": "u", "osb.request_identity": "r",
			"http.request.method": "PUT", "url.scheme": "http", "url.path": "/v2/service_instances/crn%3Av1",
			"server.address": "gateway.example", "server.port": int64(8080),
			"http.route": "/v2/service_instances/{instance_id}", "network.protocol.version": "1.1",
			"user_agent.original": "cc", "http.response.status_code": int64(201),
		})
		checkSpan(t, client, otlptest.KindClient, otlptest.StatusError, map[string]any{
			"http.request.method": "PUT", "url.full": "https://pg.example/base/v2/service_instances/crn%3Av1",
			"server.address": "pg.example", "server.port": int64(443),
			"http.response.status_code": int64(422), "error.type": "422",
		})
		checkSpan(t, read, otlptest.KindClient, otlptest.StatusUnset, map[string]any{
			"osb.gateway": "gw", "db.system.name": "redis", "db.operation.name": "read",
		})
		checkSpan(t, swap, otlptest.KindClient, otlptest.StatusError, map[string]any{
			"osb.gateway": "gw", "db.system.name": "redis", "db.operation.name": "swap", "error.type": "timeout",
		})
		if got, want := server.Scope.Name, "github.com/osb-gateway/caddy-osb-gateway"; got != want {
			t.Errorf("tracer: got %q, want %q", got, want)
		}
		for name, want := range map[string]string{
			"service.name": "osb-gateway", "deployment.environment.name": "test", "telemetry.sdk.language": "go",
		} {
			if got := server.Resource[name]; got != want {
				t.Errorf("resource %s: got %v, want %q", name, got, want)
			}
		}
	})
}

// wholeCall does what the gateway does for a provision, and returns the headers that the backend got.
func wholeCall(t *testing.T, tracing *telemetry.Tracing) http.Header {
	t.Helper()
	const target = "/v2/service_instances/crn%3Av1?operation=secret"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, target, nil)
	r.Host = "gateway.example:8080"
	r.Header = headers("Traceparent", sampled, "User-Agent", "cc", "Authorization", "Basic secret")
	ctx := tracing.Extract(r.Context(), r.Header)
	ctx, server := tracing.Start(ctx, telemetry.ServerSpanName(osb.Provision), trace.SpanKindServer,
		telemetry.ServerAttributes(r, telemetry.Route(osb.Provision))...)
	server.SetAttributes(
		telemetry.KeyGateway.String("gw"), telemetry.KeyPlatform.String("cf"),
		telemetry.KeyOperation.String(osb.Provision.String()), telemetry.KeyBackend.String("pg"),
		telemetry.KeyInstanceID.String("i"), telemetry.KeyBindingID.String("b"), telemetry.KeyServiceID.String("s"),
		telemetry.KeyPlanID.String("p"), telemetry.KeyAsync.Bool(true),
		telemetry.KeyIdentityPlatform.String("cloudfoundry"), telemetry.KeyIdentityUser.String("u"),
		telemetry.KeyRequestIdentity.String("r"),
	)
	observe := telemetry.ObserveStore(tracing, telemetry.NewMetrics(), "gw", "redis")
	_, finish := observe(ctx, "read")
	finish(nil)
	_, finish = observe(ctx, "swap")
	finish(&net.OpError{Op: "read", Err: context.DeadlineExceeded})

	base := &url.URL{Scheme: "https", Host: "pg.example", Path: "/base/", User: url.UserPassword("u", "secret")}
	clientCtx, client := tracing.Start(ctx, telemetry.BackendSpanName(osb.Provision), trace.SpanKindClient,
		telemetry.ClientAttributes(r.Method, base, r.URL.EscapedPath())...)
	outgoing := make(http.Header)
	tracing.Inject(clientCtx, outgoing)
	telemetry.EndBackend(client, osb.Provision, http.StatusUnprocessableEntity)
	telemetry.EndServer(server, http.StatusCreated)
	return outgoing
}

func checkSpan(
	t *testing.T, span otlptest.Span, kind otlptest.Kind, status otlptest.Status, attributes map[string]any,
) {
	t.Helper()
	if span.Kind != kind || span.Status != status {
		t.Errorf("%s: got kind %s, status %s; want %s, %s", span.Name, span.Kind, span.Status, kind, status)
	}
	if diff := cmp.Diff(attributes, span.Attributes); diff != "" {
		t.Errorf("attributes of %s differ (-want +got):\n%s", span.Name, diff)
	}
}

func TestServiceName(t *testing.T) {
	for variable, value := range map[string]string{
		"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "service.name=mine",
	} {
		t.Run(variable, func(t *testing.T) {
			receiver := otlptest.Start(t)
			receiver.Setenv(t, otlptest.HTTP)
			t.Setenv(variable, value)
			call(t.Context(), newTracing(t), http.Header{})
			spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2 })
			if got := spans[0].Resource["service.name"]; got != "mine" {
				t.Errorf("service name: got %v, want mine", got)
			}
		})
	}
}

func TestPollIsLinked(t *testing.T) {
	protocols(t, func(t *testing.T, receiver *otlptest.Receiver) {
		tracing := newTracing(t)
		ctx, create := tracing.Start(t.Context(), "osb.provision", trace.SpanKindServer)
		kept := telemetry.Traceparent(ctx)
		create.End()
		_, poll := tracing.Start(t.Context(), "osb.poll_instance", trace.SpanKindServer)
		telemetry.AddLink(poll, kept)
		telemetry.AddLink(poll, "")
		telemetry.AddLink(poll, "no traceparent")
		poll.End()
		spans := receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2 })
		created := only(t, spans, "osb.provision")
		want := []otlptest.Link{
			{TraceID: created.TraceID, SpanID: created.SpanID, Attributes: map[string]any{}},
		}
		if diff := cmp.Diff(want, only(t, spans, "osb.poll_instance").Links); diff != "" {
			t.Errorf("links differ (-want +got):\n%s", diff)
		}
	})
}

// Below a span that nobody will see the store makes none.
func TestNoStoreSpansBelowUnsampled(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
	tracing := newTracing(t)
	observe := telemetry.ObserveStore(tracing, nil, "gw", "redis")
	for name, test := range map[string]struct {
		parent string
		below  bool
	}{"unsampled": {"", false}, "sampled": {sampled, true}} {
		header := make(http.Header)
		if test.parent != "" {
			header.Set("Traceparent", test.parent)
		}
		ctx, server := tracing.Start(tracing.Extract(t.Context(), header), "osb.provision", trace.SpanKindServer)
		inner, finish := observe(ctx, "read")
		finish(nil)
		if below := inner != ctx; below != test.below {
			t.Errorf("%s: there is a span of the store: %t, want %t", name, below, test.below)
		}
		server.End()
	}
	receiver.Await(t, func(spans []otlptest.Span) bool { return len(spans) == 2 })
}

func TestStoreSpansOfEmbeddedStores(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	for store, system := range map[string]string{"file": "bbolt", "memory": "memory"} {
		_, finish := telemetry.ObserveStore(tracing, nil, "gw", store)(t.Context(), "swap_document")
		finish(errors.New("with a secret"))
		spans := receiver.Await(t, func(spans []otlptest.Span) bool {
			return len(spans) > 0 && spans[len(spans)-1].Attributes["db.system.name"] == system
		})
		checkSpan(t, spans[len(spans)-1], otlptest.KindInternal, otlptest.StatusError, map[string]any{
			"osb.gateway": "gw", "db.system.name": system, "db.operation.name": "swap_document", "error.type": "_OTHER",
		})
	}
}

// Texts of attributes that the caller passes are its own; those that are picked for it must not hold secrets.
func TestSpansLeaveSecretsOut(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, otlptest.HTTP)
	tracing := newTracing(t)
	wholeCall(t, tracing)
	shutdown(t, tracing)
	for _, span := range receiver.Spans() {
		for name, value := range span.Attributes {
			if text, ok := value.(string); ok && containsSecret(text) {
				t.Errorf("attribute %s of %s holds a secret: %q", name, span.Name, text)
			}
		}
	}
	if raw := string(receiver.Raw()); raw == "" || containsSecret(raw) {
		t.Errorf("nothing was exported, or a secret was: %q", raw)
	}
}

func TestNilTracing(t *testing.T) {
	t.Parallel()
	var tracing *telemetry.Tracing
	incoming := headers("Traceparent", sampled)
	if got := call(t.Context(), tracing, incoming); got.Get("Traceparent") != sampled {
		t.Errorf("got headers %v, want %v", got, incoming)
	}
	if tracing.On(t.Context()) {
		t.Error("a nil Tracing is on")
	}
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	_, span := tracing.Start(t.Context(), "x", trace.SpanKindServer, attribute.Bool("a", true))
	span.End()
}
