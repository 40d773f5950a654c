package telemetry_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/bench"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// least is the share of the throughput that must be left with everything on, and connections over how many it is measured.
const (
	least       = 0.85
	connections = 32
)

// contestant is a gateway that is measured.
type contestant struct {
	*harness.Gateway
	address string
	next    *atomic.Int64
}

// startObserved starts a gateway with traces of which one in ten is sampled, metrics that are scraped every second, and
// an audit log in a file of its own.
func startObserved(t testing.TB, broker string) contestant {
	t.Helper()
	directory := t.TempDir()
	endpoint, exports := discarding(t)
	t.Cleanup(func() { // after the gateway has ended
		if exports.Load() == 0 {
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
		Environment: []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
			"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1",
		},
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

// startUnobserved starts one with all of that off, as far as it can be: the gateway's own counters always count, and
// Caddy's own metrics are on in both.
func startUnobserved(t testing.TB, broker string) contestant {
	t.Helper()
	return newContestant(harness.Start(t, harness.Options{
		Block: block(redisStoreAt(sharedRedis(t), "unobserved"), quickBackend(broker)), Quiet: true,
		Global: "log {\n\tlevel WARN\n}",
	}))
}

// discarding is a collector that takes everything and looks at nothing: what it costs to look is not the gateway's.
func discarding(t testing.TB) (endpoint string, exports *atomic.Int64) {
	t.Helper()
	exports = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		exports.Add(1)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, exports
}

func newContestant(g *harness.Gateway) contestant {
	return contestant{Gateway: g, address: strings.TrimPrefix(g.URL, "http://"), next: new(atomic.Int64)}
}

func quickBackend(url string) string {
	return fmt.Sprintf("backend db %s {\n\tbasic_auth gateway secret\n}\n", url)
}

// callHead is what all calls of Cloud Foundry have, but for the trace.
var callHead = "Authorization: Basic " +
	base64.StdEncoding.EncodeToString([]byte(harness.User+":"+harness.Password)) + "\r\nX-Broker-API-Version: 2.17\r\n" +
	"X-Broker-API-Originating-Identity: " + originatingIdentity("cloudfoundry", members{"user_id": userID}) + "\r\n" +
	"Accept: application/json\r\nUser-Agent: HTTPClient/1.0 (2.9.0, ruby 3.3.6)\r\n" +
	"X-Vcap-Request-Id: 54f0c7a3-5c7d-4d4f-a6f0-3f9d8b7c2a11\r\n"

// head returns the headers of a call, each in a trace of its own: Cloud Foundry's router begins one, and leaves it to
// others whether it is sampled.
func (c contestant) head() string {
	span := fmt.Sprintf("%016x", rand.Uint64()|1)
	trace := fmt.Sprintf("%016x%s", rand.Uint64(), span)
	return "Host: " + c.address + "\r\n" + callHead + "X-B3-TraceId: " + trace + "\r\nX-B3-SpanId: " + span +
		"\r\nB3: " + trace + "-" + span + "\r\n"
}

func (c contestant) poll() string {
	return "GET /v2/service_instances/known/last_operation?service_id=db&plan_id=db-sync HTTP/1.1\r\n" +
		c.head() + "\r\n"
}

func (c contestant) create() string {
	const body = `{"service_id":"db","plan_id":"db-sync","organization_guid":"o","space_guid":"s","context":{` +
		`"platform":"cloudfoundry","organization_guid":"o","space_guid":"s","instance_name":"mine"},"parameters":{"size":3}}`
	return fmt.Sprintf("PUT /v2/service_instances/bench-%d HTTP/1.1\r\n%s"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.next.Add(1), c.head(), len(body), body)
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
	broker := bench.StartBroker(t, string(catalog("db"))).URL
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
				rate, err := bench.Load(c.address, connections, length, func(buffer []byte) []byte { return append(buffer, calls(c)...) })
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
	polls, creates = ratio(contestant.poll), ratio(contestant.create)
	// What was measured are calls through the gateway to the broker.
	for _, c := range []contestant{on, off} {
		text, _ := scrapeAs(t, c.Admin+"/metrics", "text/plain")
		for _, operation := range []string{"poll_instance", "provision"} {
			counted := regexp.MustCompile(`backend_requests_total\{[^}]*operation="` + operation + `"\} ([0-9.e+]+)`)
			if match := counted.FindStringSubmatch(text); match == nil || match[1] == "1" {
				t.Errorf("the broker got no calls: %s %v", operation, match)
			}
		}
	}
	return polls, creates
}

// TestObserved makes the measurement once, so that the benchmark does not fail where nobody looks.
func TestObserved(t *testing.T) {
	t.Parallel()
	if polls, creates := measureObserved(t, 1, 100*time.Millisecond); polls <= 0 || creates <= 0 {
		t.Errorf("got the ratios %v and %v", polls, creates)
	}
}
