package telemetry_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestOddBytesLoseNoSpans sends what is no text where spans have text. One batch with such a span would be refused as a
// whole, and take the spans of others with it.
func TestOddBytesLoseNoSpans(t *testing.T) {
	t.Parallel()
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			gateway := harness.Start(t, harness.Options{
				Block: block("store memory", broker.Backend("pg", "")), Environment: receiver.Env(protocol),
			})
			odd := []call{
				provision("agent", "db", "sync").with("User-Agent", "\xff\xfe agent"),
				provision("path\xff\xfe", "db", "sync"),
				provision("escaped%ff", "db", "sync"),
				provision("identity", "db", "sync").with("X-Broker-API-Originating-Identity", "cloud\xfffoundry AAAA"),
				provision("state", "db", "sync").with("Tracestate", "a=\xff").
					with("Traceparent", "00-"+otherTrace+"-"+platformSpan+"-01"),
				provision("baggage", "db", "sync").with("Baggage", "a=\xff,b=%ff"),
				newCall("unknown", "BREW\x7e", instancePath("method"), nil, http.StatusMethodNotAllowed),
			}
			for _, c := range odd {
				response := gateway.Do(t, c.Request)
				if response.Status >= http.StatusInternalServerError {
					t.Errorf("%s %q: got %d", c.Method, c.Target, response.Status)
				}
			}
			later := fetch("agent")
			later.do(t, gateway)
			spans := awaitCalls(t, receiver, append(odd, later)...)
			span, _ := serverSpan(spans, odd[0])
			if got := span.Attributes["user_agent.original"]; got != "? agent" {
				t.Errorf("user agent: got %q, want a question mark in place of the odd bytes", got)
			}
		})
	}
}
