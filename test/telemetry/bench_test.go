package telemetry_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// least is the share of the throughput that must be left with everything on.
const least = 0.85

// contestant is a gateway that is measured.
type contestant struct {
	*harness.Gateway
	address string
	next    *atomic.Int64
}

// startObserved starts a gateway with traces of which one in ten is sampled, Caddy's metrics, which are scraped, and an
// audit log in a file of its own.
func startObserved(t testing.TB, broker string) contestant {
	t.Helper()
	directory := t.TempDir()
	receiver := otlptest.Start(t)
	t.Cleanup(func() { // after the gateway has ended
		if len(receiver.Spans()) == 0 {
			t.Error("no span was exported")
		}
		log, err := os.ReadFile(filepath.Join(directory, "osb-audit.log"))
		if err != nil || !bytes.Contains(log, []byte("provision")) {
			t.Errorf("the audit log has no line of a call: %v", err)
		}
	})
	gateway := harness.Start(t, harness.Options{
		Block: block(redisStoreAt(sharedRedis(t), "observed"), quickBackend(broker)), Quiet: true,
		Global: strings.ReplaceAll(documentedOptions(t, "audit-log"), "/var/log/caddy", directory),
		Environment: append(receiver.Env(otlptest.GRPC), "OTEL_BSP_SCHEDULE_DELAY=5000",
			"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"),
	})
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		scrape := time.NewTicker(time.Second)
		defer scrape.Stop()
		for {
			select {
			case <-ended:
				return
			case <-scrape.C:
				if answer, err := http.Get(gateway.Admin + "/metrics"); err == nil {
					_ = answer.Body.Close()
				}
			}
		}
	}()
	return newContestant(gateway)
}

// startUnobserved starts one with all of that off, as far as it can be: the gateway's own counters always count.
func startUnobserved(t testing.TB, broker string) contestant {
	t.Helper()
	options := harness.Options{
		Block: block(redisStoreAt(sharedRedis(t), "unobserved"), quickBackend(broker)), Quiet: true,
		Global: "log {\n\tlevel WARN\n}",
	}
	gateway := harness.Start(t, options)
	var config struct {
		Admin, Logging any
		Apps           map[string]map[string]any `json:"apps"`
	}
	if err := json.Unmarshal(gateway.Adapt(t, options), &config); err != nil {
		t.Fatal(err)
	}
	delete(config.Apps["http"], "metrics")
	without, err := json.Marshal(map[string]any{"admin": config.Admin, "logging": config.Logging, "apps": config.Apps})
	if err != nil {
		t.Fatal(err)
	}
	gateway.Load(t, without)
	return newContestant(gateway)
}

func newContestant(g *harness.Gateway) contestant {
	return contestant{Gateway: g, address: strings.TrimPrefix(g.URL, "http://"), next: new(atomic.Int64)}
}

func quickBackend(url string) string {
	return fmt.Sprintf("backend db %s {\n\tbasic_auth gateway secret\n}\n", url)
}

// callHead is what all calls have.
var callHead = "Authorization: Basic " +
	base64.StdEncoding.EncodeToString([]byte(harness.User+":"+harness.Password)) + "\r\nX-Broker-API-Version: 2.17\r\n" +
	"X-Broker-API-Originating-Identity: " + originatingIdentity("cloudfoundry", members{"user_id": userID}) + "\r\n"

func (c contestant) poll() string {
	return "GET /v2/service_instances/known/last_operation?service_id=db&plan_id=db-sync HTTP/1.1\r\nHost: gateway\r\n" +
		callHead + "\r\n"
}

func (c contestant) create() string {
	const body = `{"service_id":"db","plan_id":"db-sync","organization_guid":"o","space_guid":"s","context":{` +
		`"platform":"cloudfoundry","organization_guid":"o","space_guid":"s","instance_name":"mine"},"parameters":{"size":3}}`
	return fmt.Sprintf("PUT /v2/service_instances/bench-%d HTTP/1.1\r\nHost: gateway\r\n%s"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.next.Add(1), callHead, len(body), body)
}

// BenchmarkObserved measures what traces, metrics and audit log cost, as the throughput with them over that without.
// The two gateways are measured in turns, so that what else the machine does meets both; the median counts.
func BenchmarkObserved(b *testing.B) {
	const rounds, length = 9, time.Second
	polls, creates := measureObserved(b, rounds, length)
	for b.Loop() { // all there is to measure was measured
	}
	b.ReportMetric(polls, "poll-ratio")
	b.ReportMetric(creates, "create-ratio")
	b.ReportMetric(0, "ns/op")
	if polls < least || creates < least {
		b.Errorf("with traces, metrics and audit log %.2f of the polls and %.2f of the creates are left; want %.2f",
			polls, creates, least)
	}
}

func measureObserved(t testing.TB, rounds int, length time.Duration) (polls, creates float64) {
	t.Helper()
	broker := quickBroker(t)
	on, off := startObserved(t, broker), startUnobserved(t, broker)
	for _, c := range []contestant{on, off} {
		known := provision("known", "db", "sync")
		known.do(t, c.Gateway)
	}
	ratio := func(calls func(contestant) string) float64 {
		rates := make([]float64, 0, rounds)
		for round := range rounds + 1 {
			pair := [2]float64{}
			for n, c := range []contestant{on, off} {
				rate, err := load(c.address, length, func() string { return calls(c) })
				if err != nil {
					t.Fatal(err)
				}
				pair[n] = rate
			}
			if round > 0 { // the first warms both up
				rates = append(rates, pair[0]/pair[1])
			}
		}
		slices.Sort(rates)
		return rates[len(rates)/2]
	}
	return ratio(contestant.poll), ratio(contestant.create)
}

// TestObserved makes the measurement once, so that the benchmark does not fail where nobody looks.
func TestObserved(t *testing.T) {
	t.Parallel()
	if polls, creates := measureObserved(t, 1, 100*time.Millisecond); polls <= 0 || creates <= 0 {
		t.Errorf("got the ratios %v and %v", polls, creates)
	}
}
