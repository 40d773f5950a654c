package telemetry_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// outcome is how a span ended.
type outcome struct {
	Status    otlptest.Status
	ErrorType any
	Code      any
}

func outcomeOf(span otlptest.Span) outcome {
	return outcome{span.Status, span.Attributes["error.type"], span.Attributes["http.response.status_code"]}
}

// TestSpanStatus: a call's span is an error from 500 on, a sending's where the broker failed it or could not be asked.
func TestSpanStatus(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker, quick, gone := startBroker(t, "db"), startBroker(t, "quick"), startBroker(t, "gone")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", ""), quick.Backend("quick", "timeout 2s"),
			gone.Backend("gone", "")),
		Environment: receiver.Env(otlptest.GRPC),
	})
	gone.Down(t)
	answer := func(path string, status int) samplebroker.Fault {
		return samplebroker.Fault{
			Path: path + "$", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: status, Body: `{}`,
		}
	}
	for broker, faults := range map[*harness.Broker][]samplebroker.Fault{
		broker: {
			answer("/fails", 500), answer("/refuses", 422), answer("/unauthorized", 401),
			{Path: "/closes$", Action: samplebroker.ActionClose, BeforeWork: true},
		},
		quick: {{Path: "/hangs$", Action: samplebroker.ActionHang, BeforeWork: true}},
	} {
		if err := broker.SetFaults(faults); err != nil {
			t.Fatal(err)
		}
	}
	unset := func(code int64) outcome { return outcome{Status: otlptest.StatusUnset, Code: code} }
	failed := func(kind string, code any) outcome {
		return outcome{Status: otlptest.StatusError, ErrorType: kind, Code: code}
	}
	created := provision("there", "db", "sync")
	created.do(t, gateway)
	tests := []struct {
		name           string
		call           call
		status         int
		server, client outcome
	}{
		{"500", provision("fails", "db", "sync"), 500, failed("500", int64(500)), failed("500", int64(500))},
		{"422", provision("refuses", "db", "sync"), 422, unset(422), failed("422", int64(422))},
		{
			"401 of the broker", provision("unauthorized", "db", "sync"), 502,
			failed("502", int64(502)), failed("401", int64(401)),
		},
		{"answer lost", provision("closes", "db", "sync"), 502, failed("502", int64(502)), failed("connection_closed", nil)},
		{"too slow", provision("hangs", "quick", "sync"), 504, failed("504", int64(504)), failed("timeout", nil)},
		{"not reached", provision("down", "gone", "sync"), 503, failed("503", int64(503)), failed("connection_refused", nil)},
		{
			"404", newCall("fetch_binding", http.MethodGet, bindingPath("there", "none"), nil, 0), 404,
			unset(404), failed("404", int64(404)),
		},
		{
			"410 of a delete", newCall("unbind", http.MethodDelete, bindingPath("there", "none")+"?"+ids("db", "sync"), nil, 0),
			410, unset(410), unset(410),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.call.status = test.status
			test.call.do(t, gateway)
			spans := awaitCalls(t, receiver, test.call)
			server, _ := serverSpan(spans, test.call)
			if diff := cmp.Diff(test.server, outcomeOf(server)); diff != "" {
				t.Errorf("server span (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.client, outcomeOf(clientSpan(t, spans, server))); diff != "" {
				t.Errorf("client span (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSpansOfStoreTrouble: a store that does not answer is an error on its own span and on the call's.
func TestSpansOfStoreTrouble(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	redis := redistest.Start(t)
	gateway := harness.Start(t, harness.Options{
		Block:       block(redisStoreAt(redis.Addr, "trouble"), broker.Backend("pg", "")),
		Environment: receiver.Env(otlptest.HTTP),
	})
	redis.Kill(t)
	c := provision("one", "db", "sync")
	c.status = http.StatusServiceUnavailable
	c.do(t, gateway)
	spans := awaitCalls(t, receiver, c)
	server, _ := serverSpan(spans, c)
	if server.Status != otlptest.StatusError {
		t.Errorf("the call's span has the status %s, want error", server.Status)
	}
	below := children(spans, server)
	if len(below) == 0 {
		t.Error("the call's span has no span of the store below it")
	}
	for _, span := range below {
		if span.Status != otlptest.StatusError || span.Attributes["error.type"] == nil {
			t.Errorf("got span %+v, want an error with a type", span)
		}
	}
}

// TestUnauthenticatedCallIsTraced: it has a span, below the caller's, which does not say who calls.
func TestUnauthenticatedCallIsTraced(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")), Environment: receiver.Env(otlptest.GRPC),
	})
	provision("there", "db", "sync").do(t, gateway)
	for name, user := range map[string]string{"without credentials": "-", "with a wrong password": harness.User} {
		c := provision("there", "db", "sync").
			with("Traceparent", "00-"+otherTrace+"-"+platformSpan+"-01").
			with("X-Broker-API-Originating-Identity", originatingIdentity("cloudfoundry", members{"user_id": userID}))
		c.User, c.Password, c.status = user, "a wrong password", http.StatusUnauthorized
		c.do(t, gateway)
		spans := awaitCalls(t, receiver, c)
		span, _ := serverSpan(spans, c)
		want := map[string]any{
			"osb.gateway": "default", "osb.operation": "provision", "osb.instance_id": "there",
			"osb.request_identity": c.identity(), "osb.async": false,
			"http.request.method": "PUT", "http.response.status_code": int64(401), "http.route": instanceRoute,
			"url.scheme": "http", "url.path": "/v2/service_instances/there", "server.address": "127.0.0.1",
			"server.port": port(t, gateway.URL), "network.protocol.version": "1.1",
			"user_agent.original": "Go-http-client/1.1", "client.address": "127.0.0.1",
		}
		if diff := cmp.Diff(want, span.Attributes); diff != "" {
			t.Errorf("%s: attributes differ (-want +got):\n%s", name, diff)
		}
		if span.TraceID != otherTrace || span.ParentID != platformSpan || span.Status != otlptest.StatusUnset {
			t.Errorf("%s: got a span below %s of %s with status %s", name, span.ParentID, span.TraceID, span.Status)
		}
		if below := children(spans, span); len(below) != 0 {
			t.Errorf("%s: spans below: got %+v, want none", name, below)
		}
	}
}

// TestCatalogFetchesAreTraced looks at the background work: a fetch that fails, and the next one.
func TestCatalogFetchesAreTraced(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := harness.StartBroker(t, samplebroker.Options{
		Catalog: catalog("db"),
		Faults: []samplebroker.Fault{{
			Path: "/v2/catalog$", Times: 1, Action: samplebroker.ActionAnswer, BeforeWork: true, Status: 500, Body: `{}`,
		}},
	})
	gateway := harness.Start(t, harness.Options{
		Block:       "name behind\n" + block("store memory", broker.Backend("pg", "")) + "catalog {\n\trefresh 1s\n}\n",
		Environment: receiver.Env(otlptest.GRPC),
	})
	spans := receiver.Await(t, func(spans []otlptest.Span) bool {
		return len(otlptest.Named(spans, "osb.catalog.fetch")) > 2
	})
	fetches, requests := otlptest.Named(spans, "osb.catalog.fetch"), broker.Requests()
	for n, want := range []outcome{
		{Status: otlptest.StatusError, Code: int64(500), ErrorType: "500"},
		{Status: otlptest.StatusUnset, Code: int64(200)},
		{Status: otlptest.StatusUnset, Code: int64(304)},
	} {
		fetch := fetches[n]
		if fetch.ParentID != "" || fetch.Kind != otlptest.KindInternal || fetch.Status != want.Status {
			t.Errorf("fetch %d: got %s span below %q with status %s, want an internal root with status %s",
				n, fetch.Kind, fetch.ParentID, fetch.Status, want.Status)
		}
		if diff := cmp.Diff(map[string]any{"osb.gateway": "behind", "osb.backend": "pg"}, fetch.Attributes,
			withoutErrorType); diff != "" {
			t.Errorf("fetch %d: attributes (-want +got):\n%s", n, diff)
		}
		below := children(spans, fetch)
		if len(below) != 1 || below[0].Name != "osb.backend.catalog" || below[0].Kind != otlptest.KindClient {
			t.Errorf("fetch %d: spans below: got %+v, want a client span osb.backend.catalog", n, below)
			continue
		}
		if diff := cmp.Diff(want, outcomeOf(below[0])); diff != "" {
			t.Errorf("fetch %d: client span (-want +got):\n%s", n, diff)
		}
		if got := below[0].Attributes["osb.backend"]; got != "pg" {
			t.Errorf("fetch %d: osb.backend: got %v, want pg", n, got)
		}
		wantURL := broker.URL + "/v2/catalog"
		if got := below[0].Attributes["url.full"]; got != wantURL {
			t.Errorf("fetch %d: url.full: got %v, want %s", n, got, wantURL)
		}
		checkTraceHeaders(t, requests[n].Header, fetch.TraceID, below[0].SpanID, true)
	}
	if response := gateway.Do(t, harness.Request{Method: http.MethodGet, Target: "/v2/catalog"}); response.Status != 200 {
		t.Errorf("catalog: got %d", response.Status)
	}
}

// withoutErrorType leaves the one attribute out that only failed spans have.
var withoutErrorType = cmp.FilterPath(func(path cmp.Path) bool {
	index, ok := path.Last().(cmp.MapIndex)
	return ok && index.Key().String() == "error.type"
}, cmp.Ignore())
