package telemetry_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const gatewayLogger = "http.handlers.osb_gateway"

// TestTroubleIsToldOnce: brokers that fail every call, in several ways, and a store that is away, are a line each in the
// log and not one for each call. What each call met is there at level debug.
func TestTroubleIsToldOnce(t *testing.T) {
	t.Parallel()
	broker, down := startBroker(t, "db"), startBroker(t, "down")
	redis := redistest.Start(t)
	gateway := harness.Start(t, harness.Options{
		Global: "debug",
		Block: block(redisStoreAt(redis.Addr, "once"), broker.Backend("pg", ""), down.Backend("gone", "")) +
			"catalog {\n\trefresh 1h\n}\n",
	})
	down.Down(t)
	if err := broker.SetFaults([]samplebroker.Fault{
		{Path: "/closes", Action: samplebroker.ActionClose, BeforeWork: true},
		{
			Path: "/says", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: 500,
			ContentType: "text/html", Body: "<p>out of order</p>",
		},
	}); err != nil {
		t.Fatal(err)
	}
	const times = 20
	began := time.Now()
	for n := range times {
		for _, failing := range []struct {
			id, offering string
			status       int
		}{
			{"closes", "db", http.StatusBadGateway},
			{"says", "db", http.StatusInternalServerError},
			{"unreached", "down", http.StatusServiceUnavailable},
		} {
			c := provision(fmt.Sprintf("%s-%d", failing.id, n), failing.offering, "sync")
			c.status = failing.status
			c.do(t, gateway)
		}
		provision(fmt.Sprintf("works-%d", n), "db", "sync").do(t, gateway) // which ends nothing
	}
	redis.Kill(t)
	for n := range times {
		c := provision(fmt.Sprintf("storeless-%d", n), "db", "sync")
		c.status = http.StatusServiceUnavailable
		c.do(t, gateway)
	}
	gateway.Stop(t)
	reminders := int(time.Since(began) / time.Minute) // of trouble that lasts, there is a line a minute

	const failed = "a backend failed a call; its team finds it by the request identity or the trace"
	got, told := make(map[string]int), 0
	for _, line := range logLines(gateway.Output(), gatewayLogger) {
		switch message, level := fmt.Sprint(line["msg"]), line["level"]; {
		case message == failed && level == "debug":
			told++
		case message == failed:
			told++
			got[fmt.Sprint(level, " of ", line["backend"])]++
		case message == "the ownership store does not answer; calls get 503 until it does":
			got["store"]++
		}
	}
	want := map[string]int{"warn of pg": 2, "warn of gone": 1, "store": 1} // pg fails in two ways
	for key, n := range got {
		if least := want[key]; n >= least && n <= least*(1+reminders) {
			got[key] = least
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines about trouble, with %d reminders (-want +got):\n%s", reminders, diff)
	}
	if told != 3*times {
		t.Errorf("got %d lines, at level debug too, want one for each call that failed", told)
	}
}
