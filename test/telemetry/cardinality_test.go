package telemetry_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestSeriesDoNotGrow makes 10,000 instances on behalf of 1,000 users, and odd calls between them. What the metrics tell
// apart is the same after the first few of them and after all.
func TestSeriesDoNotGrow(t *testing.T) {
	t.Parallel()
	const instances, users, workers, few = 10_000, 1_000, 8, 100
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")) + "catalog {\n\trefresh 1h\n}\n", Quiet: true,
		// The spans are there, so that exemplars are, but few of them: this is about metrics.
		Environment: append(receiver.Env(otlptest.GRPC), "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01"),
	})
	create := func(n int) {
		id := fmt.Sprintf("known-%d", n)
		if n%10 == 0 {
			id = fmt.Sprintf("hostile%%22%%0A%%7B%d%%C3%%A9%%2F..", n)
		}
		c := provision(id, "db", "sync").with("X-Broker-API-Originating-Identity",
			originatingIdentity("cloudfoundry", members{"user_id": fmt.Sprintf("user-%d", n%users)}))
		response, err := gateway.Try(c.Request)
		if err != nil || response.Status != http.StatusCreated && response.Status != http.StatusBadRequest {
			t.Errorf("%s: got %d, %v", id, response.Status, err)
		}
	}
	for n := range few {
		create(n)
	}
	for n := range oddKinds {
		sendOdd(t, gateway, n)
	}
	before := awaitSettled(t, gateway, few+oddKinds)
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			for n := few + worker; n < instances; n += workers {
				create(n)
			}
		})
	}
	running.Wait()
	for n := oddKinds; n < 10*oddKinds; n++ {
		sendOdd(t, gateway, n)
	}
	after := awaitSettled(t, gateway, instances+10*oddKinds)
	if len(after) != len(before) {
		t.Errorf("got %d series after all calls, want %d as after the first few", len(after), len(before))
	}
	for _, s := range after {
		for name, value := range s.labels {
			for _, part := range []string{"known-", "hostile", "user-", "odd"} {
				if strings.Contains(value, part) {
					t.Errorf("%s has the label %s=%q, which came with a call", s.name, name, value)
				}
			}
		}
	}
}
