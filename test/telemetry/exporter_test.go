package telemetry_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// atTheEnd has spans exported only when somebody asks for it: the interval is an hour.
const atTheEnd = "OTEL_BSP_SCHEDULE_DELAY=3600000"

// listen returns a listener of 127.0.0.1 that ends with the test.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// TestExporterDown: a collector that refuses connections, and one that takes them and says nothing. Calls go on, and
// the process ends.
func TestExporterDown(t *testing.T) {
	t.Parallel()
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s silent %t", protocol, silent), func(t *testing.T) {
				t.Parallel()
				address := fmt.Sprintf("127.0.0.1:%d", harness.ReservePort(t)) // where nobody else comes to listen
				if silent {
					collector := listen(t)
					takeAndSayNothing(t, collector)
					address = collector.Addr().String()
				}
				broker := startBroker(t, "db")
				gateway := harness.Start(t, harness.Options{
					Block: block("store memory", broker.Backend("pg", "")),
					Environment: []string{
						"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + address,
						"OTEL_EXPORTER_OTLP_PROTOCOL=" + string(protocol),
						// Small enough to be full at once: what does not fit is dropped.
						"OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4",
					},
				})
				for n := range 100 {
					provision(fmt.Sprintf("instance-%d", n), "db", "sync").do(t, gateway)
				}
				// What is lost is counted: refused at once, or dropped behind a batch that nobody takes.
				lost := map[bool]string{false: "failed", true: "dropped"}[silent]
				harness.Await(t, "lost spans to be counted", func() bool {
					list := scrape(t, gateway)
					return list.value(t, "trace_spans_total", "result", lost) > 0 &&
						list.value(t, "trace_spans_total", "result", "exported") == 0
				})
				gateway.Stop(t)
				if code := gateway.AwaitEnd(t); code != 0 {
					t.Errorf("exit code: got %d, want 0", code)
				}
			})
		}
	}
}

// takeAndSayNothing accepts connections, and holds them until the test ends.
func takeAndSayNothing(t *testing.T, listener net.Listener) {
	var mu sync.Mutex
	var connections []net.Conn
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			connections = append(connections, connection)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, connection := range connections {
			_ = connection.Close()
		}
	})
}

// TestSpansAreFlushed ends a gateway that has not exported any span yet, while a call is under way.
func TestSpansAreFlushed(t *testing.T) {
	t.Parallel()
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		for _, site := range []string{"", "tracing"} {
			t.Run(string(protocol)+" "+site, func(t *testing.T) {
				t.Parallel()
				receiver := otlptest.Start(t)
				broker := startBroker(t, "db")
				gateway := harness.Start(t, harness.Options{
					Block: block("store file", broker.Backend("pg", "")), Site: site,
					Environment: append(receiver.Env(protocol), atTheEnd),
				})
				calls := []call{provision("one", "db", "sync"), fetch("one"), provision("held", "db", "sync")}
				calls[0].do(t, gateway)
				calls[1].do(t, gateway)

				hold := broker.HoldBefore(t, "PUT", "/held$")
				var running sync.WaitGroup
				running.Go(func() { calls[2].do(t, gateway) })
				hold.Await(t, 1)
				running.Go(func() { gateway.Stop(t) })
				harness.Await(t, "the gateway to stop", func() bool {
					return strings.Contains(gateway.Output(), "shutting down apps")
				})
				hold.Release()
				running.Wait()

				checkWholeTraces(t, receiver.Spans(), calls)
			})
		}
	}
}

// TestNothingIsLostOverReloads reloads ten times, each time with another configuration and while a call is under way.
func TestNothingIsLostOverReloads(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{"own tracing": "", "Caddy's tracing": "tracing"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			options := func(generation int) harness.Options {
				return harness.Options{
					Block: block("store file", broker.Backend("pg", fmt.Sprintf("timeout %ds", 50+generation))), Site: site,
					Environment: append(receiver.Env(otlptest.GRPC), atTheEnd),
				}
			}
			gateway := harness.Start(t, options(0))
			var calls []call
			for generation := 1; generation <= 10; generation++ {
				instance := fmt.Sprintf("instance-%d", generation)
				// A kept-alive connection may be closed by the configuration that goes just when a call is written to it.
				alone := func(c call) call { return c.with("Connection", "close") }
				held := alone(provision("held-"+instance, "db", "sync"))
				hold := broker.HoldBefore(t, "PUT", "/held-"+instance+"$")
				var running sync.WaitGroup
				running.Go(func() { held.do(t, gateway) })
				hold.Await(t, 1)
				before, after := alone(provision(instance, "db", "sync")), alone(fetch(instance))
				before.do(t, gateway)
				if err := gateway.Reload(t, options(generation)); err != nil {
					t.Fatal(err)
				}
				after.do(t, gateway)
				hold.Release()
				running.Wait()
				calls = append(calls, held, before, after)
			}
			gateway.Stop(t)
			checkWholeTraces(t, receiver.Spans(), calls)
		})
	}
}

// checkWholeTraces expects each call's span once, with those of the store and of the broker below it.
func checkWholeTraces(t *testing.T, spans []otlptest.Span, calls []call) {
	t.Helper()
	for _, c := range calls {
		var found []otlptest.Span
		for _, span := range spans {
			if span.Name == "osb."+c.operation && span.Attributes["osb.request_identity"] == c.identity() {
				found = append(found, span)
			}
		}
		if len(found) != 1 {
			t.Errorf("%s: got %d spans, want 1", c.identity(), len(found))
			continue
		}
		clientSpan(t, spans, found[0])
		if below := children(spans, found[0]); c.operation == "provision" && len(below) < 3 {
			t.Errorf("%s: got the spans %+v below, want those of the store too", c.identity(), below)
		}
	}
}
