package telemetry_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestSamplingByEnvironment: the standard variables decide about calls that no platform decided about, with Caddy's
// tracing in front as without. What a platform decided is kept, and what travels with the trace passes, by either.
func TestSamplingByEnvironment(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{"own tracing": "", "Caddy's tracing": "tracing"} {
		for _, sampler := range []string{"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"} {
			t.Run(name+" "+sampler, func(t *testing.T) {
				t.Parallel()
				receiver := otlptest.Start(t)
				broker := startBroker(t, "db")
				gateway := harness.Start(t, harness.Options{
					Block: block("store memory", broker.Backend("pg", "")), Site: site,
					Environment: append(receiver.Env(otlptest.HTTP),
						"OTEL_TRACES_SAMPLER="+sampler, "OTEL_TRACES_SAMPLER_ARG=0"),
				})
				undecided := provision("undecided", "db", "sync")
				taken := provision("taken", "db", "sync").
					with("Traceparent", "00-"+otherTrace+"-"+platformSpan+"-01").
					with("Tracestate", "vendor=opaque").with("Baggage", "tenant=a")
				left := provision("left", "db", "sync").with("Traceparent", "00-"+platformTrace+"-"+platformSpan+"-00")
				for _, c := range []call{undecided, taken, left} {
					c.do(t, gateway)
				}
				gateway.Stop(t) // all that is to be exported is
				spans := receiver.Spans()
				for _, expected := range []struct {
					call    call
					sampled bool
				}{{undecided, sampler == "parentbased_always_on"}, {taken, true}, {left, false}} {
					if _, found := serverSpan(spans, expected.call); found != expected.sampled {
						t.Errorf("%s: exported %t, want %t", expected.call.Target, found, expected.sampled)
					}
					parent := received(t, broker, expected.call).Header.Get("Traceparent")
					if len(parent) != 55 || (parent[54]&1 == 1) != expected.sampled {
						t.Errorf("%s: the broker got traceparent %q, want sampled %t", expected.call.Target, parent, expected.sampled)
					}
				}
				for header, want := range map[string]string{"Tracestate": "vendor=opaque", "Baggage": "tenant=a"} {
					if got := received(t, broker, taken).Header.Get(header); got != want {
						t.Errorf("the broker got %s %q, want %q", header, got, want)
					}
				}
			})
		}
	}
}

// platformTrace is the trace of a platform that does not want it sampled.
const platformTrace = "5bd66ef5095369c7b0d1f8f4bd33716a"
