package telemetry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestHundredReloads reloads a configuration with two gateways a hundred times, each time with a call to each: all are
// counted and all are traced, and one exporter is left, as at the beginning.
func TestHundredReloads(t *testing.T) {
	t.Parallel()
	const reloads = 100
	receiver := otlptest.Start(t)
	pg, queue := startBroker(t, "db"), startBroker(t, "queue")
	options := func(generation int) harness.Options {
		// Another configuration each time: one that is the same would not be loaded.
		timeout := fmt.Sprintf("timeout %ds", 50+generation)
		return harness.Options{
			Block: "name first\n" + block("store memory", pg.Backend("pg", timeout)),
			Site: "handle /other/* {\n\tosb_gateway {\nname second\nbase_path /other\nhealth_path /other/healthz\n" +
				block("store memory", queue.Backend("queue", timeout)) + "}\n}\n",
			Environment: receiver.Env(otlptest.GRPC),
		}
	}
	gateway := harness.Start(t, options(0))
	if got := processors(t, gateway); got != 1 {
		t.Fatalf("got %d processors of spans at the beginning, want 1", got)
	}
	calls := make([]call, 0, 2*reloads)
	for generation := 1; generation <= reloads; generation++ {
		if err := gateway.Reload(t, options(generation)); err != nil {
			t.Fatal(err)
		}
		one := provision(fmt.Sprintf("i-%d", generation), "db", "sync").with("Connection", "close")
		other := provision(fmt.Sprintf("i-%d", generation), "queue", "sync").with("Connection", "close")
		other.Target = "/other" + other.Target
		one.do(t, gateway)
		harness.Await(t, "the second gateway to create an instance", func() bool {
			response, err := gateway.Try(other.Request)
			return err == nil && response.Status/100 == 2
		})
		calls = append(calls, one, other)
	}
	for name, backend := range map[string]string{"first": "pg", "second": "queue"} {
		harness.Await(t, "all calls of "+name+" to be counted", func() bool {
			got := scrape(t, gateway).value(t, "requests_total", "gateway", name, "backend", backend, "code", "201")
			return got == reloads
		})
	}
	awaitCalls(t, receiver, calls...)
	harness.Await(t, "one processor of spans to be left", func() bool { return processors(t, gateway) == 1 })
}

// processors counts the goroutines that export spans.
func processors(t *testing.T, g *harness.Gateway) int {
	t.Helper()
	response, err := http.Get(g.Admin + "/debug/pprof/goroutine?debug=2")
	if err != nil {
		return 0 // between two configurations
	}
	_ = response.Body.Close()
	count := 0
	for stack := range strings.SplitSeq(page(t, g.Admin+"/debug/pprof/goroutine?debug=2"), "\n\n") {
		if strings.Contains(stack, "batchSpanProcessor).processQueue") {
			count++
		}
	}
	return count
}
