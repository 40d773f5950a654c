package telemetry_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
)

// Which calls are sampled, by what the platform decided and by what the environment says.
func TestSampling(t *testing.T) {
	ids := traceID + "-" + spanID
	undecided := headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID)
	// A ratio looks at the end of the trace id: this one is below every ratio above 0, traceID above a half.
	lucky := "0af7651916cd43dd0000000000000001"
	tests := []struct {
		sampler, argument string
		header            http.Header
		want              bool
	}{
		{"", "", http.Header{}, true},
		{"", "", headers("traceparent", sampled), true},
		{"", "", headers("traceparent", "00-"+ids+"-00"), false},
		{"", "", headers("b3", ids+"-0"), false},
		{"", "", headers("X-B3-TraceId", traceID, "X-B3-SpanId", spanID, "X-B3-Sampled", "0"), false},
		{"", "", undecided, true},
		{"", "", headers("b3", ids), true},
		{"", "", headers("b3", "0"), false},
		{"", "", headers("X-B3-Sampled", "0"), false},
		{"no_such_sampler", "", undecided, true},

		{"parentbased_always_on", "", headers("b3", ids+"-0"), false},
		{"parentbased_always_off", "", http.Header{}, false},
		{"parentbased_always_off", "", undecided, false},
		{"parentbased_always_off", "", headers("traceparent", sampled), true},
		{"parentbased_always_off", "", headers("b3", ids+"-d"), true},
		{"parentbased_always_off", "", headers("b3", "1"), true},
		{"parentbased_always_off", "", headers("X-B3-Flags", "1"), true},

		{"parentbased_traceidratio", "0.1", undecided, false},
		{"parentbased_traceidratio", "0.1", headers("b3", lucky+"-"+spanID), true},
		{"parentbased_traceidratio", "0.1", headers("b3", ids+"-1"), true},
		{"parentbased_traceidratio", "0", http.Header{}, false},
		{"parentbased_traceidratio", "", undecided, true},
		{"parentbased_traceidratio", "7", undecided, true},

		{"always_off", "", headers("traceparent", sampled), false},
		{"always_on", "", headers("traceparent", "00-"+ids+"-00"), true},
		{"always_on", "", headers("b3", "0"), true},
		{"traceidratio", "0.1", headers("b3", ids+"-1"), false},
		{"traceidratio", "0.1", headers("b3", lucky+"-"+spanID+"-0"), true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %s %v", test.sampler, test.argument, test.header), func(t *testing.T) {
			receiver := otlptest.Start(t)
			receiver.Setenv(t, otlptest.GRPC)
			t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.argument)
			tracing := newTracing(t)
			outgoing := call(t.Context(), tracing, test.header)
			shutdown(t, tracing) // all there is has come then
			want, decision := 0, "-0"
			if test.want {
				want, decision = 2, "-1"
				if b3 := test.header.Get("b3"); b3 == ids+"-d" || test.header.Get("X-B3-Flags") == "1" {
					decision = "-d"
				}
			}
			if got := len(receiver.Spans()); got != want {
				t.Errorf("got %d spans, want %d", got, want)
			}
			// The lowest bit of the flags; the one above it tells that the id is random.
			if got := outgoing.Get("Traceparent"); len(got) != 55 || (got[54]&1 == 1) != test.want {
				t.Errorf("backend got traceparent %q, want one with sampled %t", got, test.want)
			}
			if got := outgoing.Get("B3"); len(got) < 2 || got[len(got)-2:] != decision {
				t.Errorf("backend got B3 %q, want one that ends with %s", got, decision)
			}
		})
	}
}
