package telemetry_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

const prefix = "caddy_osb_gateway_"

// countEverything counts one of each for the gateway and the backend.
func countEverything(m *telemetry.Metrics, gateway, backend string) {
	m.Request(telemetry.RequestLabels{
		Gateway: gateway, Platform: "cf", Operation: osb.Provision, Backend: backend,
	}, 201, 0.2, "")
	m.BackendStarted(telemetry.BackendLabels{
		Gateway: gateway, Backend: backend, Operation: osb.Provision,
	}).Done(201, 0.1, "")
	m.BackendUp(gateway, backend, true)
	m.BreakerOpen(gateway, backend, true)
	m.TokenExpiry(gateway, backend, time.Now())
	m.CatalogFetched(gateway, backend, time.Now())
	m.CatalogOfferings(gateway, 7, 2, 3)
	m.StoreOperation(gateway, "redis", "swap", 0.001, nil)
	m.Expect(gateway)
	m.StoreCommitRetry(gateway)
	m.OperationsInProgress(gateway, nil, map[telemetry.ProgressLabels]telemetry.InProgress{
		{Backend: backend, Operation: osb.Provision}: {Count: 1, Oldest: time.Now()},
	})
}

func gather(t *testing.T, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("gathering: %v", err)
	}
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, family := range families {
		byName[strings.TrimPrefix(family.GetName(), prefix)] = family
	}
	return byName
}

func registryOf(t *testing.T, m *telemetry.Metrics) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := m.Register(registry); err != nil {
		t.Fatalf("Register: %v", err)
	}
	return registry
}

func TestMetricNamesAndLabels(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	countEverything(m, "gw", "pg")
	got := make(map[string][]string)
	for name, family := range gather(t, registryOf(t, m)) {
		for _, label := range family.GetMetric()[0].GetLabel() {
			got[name] = append(got[name], label.GetName())
		}
	}
	want := map[string][]string{
		"requests_total":                         {"backend", "code", "gateway", "operation", "platform"},
		"request_duration_seconds":               {"backend", "code", "gateway", "operation", "platform"},
		"backend_requests_total":                 {"backend", "code", "gateway", "operation"},
		"backend_request_duration_seconds":       {"backend", "code", "gateway", "operation"},
		"backend_up":                             {"backend", "gateway"},
		"backend_in_flight":                      {"backend", "gateway"},
		"breaker_open":                           {"backend", "gateway"},
		"backend_token_expiry_timestamp_seconds": {"backend", "gateway"},
		"catalog_age_seconds":                    {"backend", "gateway"},
		"catalog_offerings":                      {"gateway", "status"},
		"store_operations_total":                 {"gateway", "operation", "result", "store"},
		"store_operation_duration_seconds":       {"gateway", "operation", "store"},
		"store_commit_retries_total":             {"gateway"},
		"operations_in_progress":                 {"backend", "gateway", "operation"},
		"operations_oldest_age_seconds":          {"backend", "gateway", "operation"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics differ (-want +got):\n%s", diff)
	}
	problems, err := testutil.CollectAndLint(m)
	if err != nil || len(problems) > 0 {
		t.Errorf("linting: problems %v, error %v", problems, err)
	}
}

func TestLabelValues(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	known := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.PollInstance, Backend: "pg"}
	m.Request(known, 200, 0.01, "")
	m.Request(known, 200, 0.01, "")
	m.Request(known, 599, 0.01, "")
	m.Request(known, 600, 0.01, "")
	m.Request(known, 99, 0.01, "")
	m.Request(known, -1, 0.01, "")
	m.Request(telemetry.RequestLabels{Gateway: "gw", Operation: 99}, 401, 0.01, "")
	m.BackendStarted(telemetry.BackendLabels{Gateway: "gw", Backend: "pg", Operation: osb.Bind}).Done(0, 1, "")
	m.BackendUp("gw", "pg", true)
	m.BackendUp("gw", "pg", false)
	m.BackendUp("gw", "my", true)
	m.BackendStarted(telemetry.BackendLabels{Gateway: "gw", Backend: "pg", Operation: osb.Unbind}).Refused()
	m.BreakerOpen("gw", "pg", false)
	m.BreakerOpen("gw", "pg", true)
	m.TokenExpiry("gw", "pg", time.UnixMilli(1_700_000_000_500))
	m.StoreOperation("gw", "file", "read", 0.001, nil)
	m.StoreOperation("gw", "file", "read", 0.001, errors.New("secret"))
	m.CatalogOfferings("gw", 7, 2, 3)
	m.StoreCommitRetry("gw")
	m.StoreCommitRetry("gw")
	const want = `
# HELP caddy_osb_gateway_requests_total Calls of platforms, by the status that they were answered with.
# TYPE caddy_osb_gateway_requests_total counter
caddy_osb_gateway_requests_total{backend="none",code="401",gateway="gw",operation="unknown",platform="none"} 1
caddy_osb_gateway_requests_total{backend="pg",code="200",gateway="gw",operation="poll_instance",platform="cf"} 2
caddy_osb_gateway_requests_total{backend="pg",code="599",gateway="gw",operation="poll_instance",platform="cf"} 1
caddy_osb_gateway_requests_total{backend="pg",code="other",gateway="gw",operation="poll_instance",platform="cf"} 3
# HELP caddy_osb_gateway_backend_requests_total Requests sent to backends, by their status; other where no answer came.
# TYPE caddy_osb_gateway_backend_requests_total counter
caddy_osb_gateway_backend_requests_total{backend="pg",code="other",gateway="gw",operation="bind"} 1
# HELP caddy_osb_gateway_backend_up Whether the last fetch of the backend's catalog was answered with a good one.
# TYPE caddy_osb_gateway_backend_up gauge
caddy_osb_gateway_backend_up{backend="my",gateway="gw"} 1
caddy_osb_gateway_backend_up{backend="pg",gateway="gw"} 0
# HELP caddy_osb_gateway_backend_in_flight Requests to the backend that are not answered yet.
# TYPE caddy_osb_gateway_backend_in_flight gauge
caddy_osb_gateway_backend_in_flight{backend="pg",gateway="gw"} 0
# HELP caddy_osb_gateway_backend_token_expiry_timestamp_seconds When the token ends that the gateway authenticates to the backend with, in seconds since 1970.
# TYPE caddy_osb_gateway_backend_token_expiry_timestamp_seconds gauge
caddy_osb_gateway_backend_token_expiry_timestamp_seconds{backend="pg",gateway="gw"} 1.7000000005e+09
# HELP caddy_osb_gateway_breaker_open Whether calls to the backend are refused because it did not answer the last ones.
# TYPE caddy_osb_gateway_breaker_open gauge
caddy_osb_gateway_breaker_open{backend="pg",gateway="gw"} 1
# HELP caddy_osb_gateway_store_operations_total Round trips to the ownership store.
# TYPE caddy_osb_gateway_store_operations_total counter
caddy_osb_gateway_store_operations_total{gateway="gw",operation="read",result="error",store="file"} 1
caddy_osb_gateway_store_operations_total{gateway="gw",operation="read",result="ok",store="file"} 1
# HELP caddy_osb_gateway_catalog_offerings Service offerings of all backends: published, quarantined, or published with warnings (warned).
# TYPE caddy_osb_gateway_catalog_offerings gauge
caddy_osb_gateway_catalog_offerings{gateway="gw",status="published"} 7
caddy_osb_gateway_catalog_offerings{gateway="gw",status="quarantined"} 2
caddy_osb_gateway_catalog_offerings{gateway="gw",status="warned"} 3
# HELP caddy_osb_gateway_store_commit_retries_total Outcomes of calls that were written to the store once more.
# TYPE caddy_osb_gateway_store_commit_retries_total counter
caddy_osb_gateway_store_commit_retries_total{gateway="gw"} 2
`
	err := testutil.CollectAndCompare(m, strings.NewReader(want),
		prefix+"requests_total", prefix+"backend_requests_total", prefix+"backend_up", prefix+"backend_in_flight", prefix+"breaker_open",
		prefix+"backend_token_expiry_timestamp_seconds", prefix+"store_operations_total",
		prefix+"catalog_offerings", prefix+"store_commit_retries_total")
	if err != nil {
		t.Error(err)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	registry := registryOf(t, m)
	inFlight := func() float64 {
		return gather(t, registry)["backend_in_flight"].GetMetric()[0].GetGauge().GetValue()
	}
	labels := telemetry.BackendLabels{Gateway: "gw", Backend: "pg", Operation: osb.Bind}
	first, second := m.BackendStarted(labels), m.BackendStarted(labels)
	if got := inFlight(); got != 2 {
		t.Errorf("in flight: got %v, want 2", got)
	}
	first.Done(200, 0.1, "")
	if got := inFlight(); got != 1 {
		t.Errorf("in flight: got %v, want 1", got)
	}
	second.Done(0, 0.1, "")
	if got := inFlight(); got != 0 {
		t.Errorf("in flight: got %v, want 0", got)
	}
}

func TestHistograms(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	labels := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.Provision, Backend: "pg"}
	m.Request(labels, 201, 0.0007, "")
	m.Request(labels, 201, 0.3, traceID)
	m.Request(labels, 201, 59, "")
	m.Request(labels, 201, 3000, "")
	histogram := gather(t, registryOf(t, m))["request_duration_seconds"].GetMetric()[0].GetHistogram()
	if got := histogram.GetSampleCount(); got != 4 {
		t.Errorf("count: got %d, want 4", got)
	}
	if len(histogram.GetPositiveSpan()) == 0 {
		t.Error("there are no native buckets")
	}
	buckets := histogram.GetBucket()
	first, last := buckets[0].GetUpperBound(), buckets[len(buckets)-1].GetUpperBound()
	if first != 0.001 || last != 60 {
		t.Errorf("classic buckets go from %v to %v, want 0.001 to 60", first, last)
	}
	for _, bucket := range buckets {
		want := map[bool]uint64{true: 1, false: 2}[bucket.GetUpperBound() < 0.3]
		if bucket.GetUpperBound() == 60 {
			want = 3
		}
		if got := bucket.GetCumulativeCount(); got != want {
			t.Errorf("bucket up to %v: got %d, want %d", bucket.GetUpperBound(), got, want)
		}
		exemplar := bucket.GetExemplar()
		if (exemplar != nil) != (bucket.GetUpperBound() == 0.5) {
			t.Errorf("bucket up to %v: got exemplar %v", bucket.GetUpperBound(), exemplar)
		}
		if exemplar == nil {
			continue
		}
		if label := exemplar.GetLabel()[0]; label.GetName() != "trace_id" || label.GetValue() != traceID {
			t.Errorf("exemplar: got %v, want trace_id %s", exemplar, traceID)
		}
	}
}

// Latencies of all sizes make the native buckets coarser; nothing is set back, and the classic ones stay exact.
func TestHistogramsAreBounded(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	labels := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.Provision, Backend: "pg"}
	const observations = 5000
	seconds := 1e-9
	for range observations {
		m.Request(labels, 201, seconds, "")
		seconds *= 1.01
	}
	histogram := gather(t, registryOf(t, m))["request_duration_seconds"].GetMetric()[0].GetHistogram()
	if got := histogram.GetSampleCount(); got != observations {
		t.Errorf("count: got %d, want %d", got, observations)
	}
	if got := len(histogram.GetPositiveDelta()); got > 200 {
		t.Errorf("got %d native buckets", got)
	}
}

func TestCatalogAge(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	registry := registryOf(t, m)
	m.CatalogFetched("gw", "old", time.Now().Add(-time.Hour))
	m.CatalogFetched("gw", "ahead", time.Now().Add(time.Hour))
	ages := func() map[string]float64 {
		byBackend := make(map[string]float64)
		for _, metric := range gather(t, registry)["catalog_age_seconds"].GetMetric() {
			byBackend[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
		}
		return byBackend
	}
	before := ages()
	if before["old"] < 3600 || before["ahead"] != 0 || len(before) != 2 {
		t.Errorf("ages: got %v, want an hour for old and 0 for ahead", before)
	}
	if after := ages(); after["old"] <= before["old"] {
		t.Errorf("age: got %v and later %v, want it to grow by itself", before["old"], after["old"])
	}
	m.CatalogFetched("gw", "old", time.Now().Add(time.Hour))
	if got := ages()["old"]; got != 0 {
		t.Errorf("age after a fetch: got %v, want 0", got)
	}
}

// Registries come and go with the configuration; the counts stay.
func TestRegister(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	countEverything(m, "gw", "pg")
	first := registryOf(t, m)
	if err := m.Register(first); err != nil {
		t.Errorf("registering again in one registry: %v", err)
	}
	second := registryOf(t, m)
	countEverything(m, "gw", "pg")
	for name, registry := range map[string]*prometheus.Registry{"first": first, "second": second} {
		if got := gather(t, registry)["requests_total"].GetMetric()[0].GetCounter().GetValue(); got != 2 {
			t.Errorf("requests in the %s registry: got %v, want 2", name, got)
		}
	}
	if err := telemetry.NewMetrics().Register(first); err == nil {
		t.Error("registering other metrics of the same names: got no error")
	}
	if one, other := telemetry.Default(), telemetry.Default(); one != other {
		t.Error("Default returns different metrics")
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	registry := registryOf(t, m)
	for _, gateway := range []string{"a", "b"} {
		for _, backend := range []string{"pg", "my"} {
			countEverything(m, gateway, backend)
		}
	}
	// series lists the gateway and the backend of all series.
	series := func() []string {
		var all []string
		for _, family := range gather(t, registry) {
			for _, metric := range family.GetMetric() {
				labels := make(map[string]string)
				for _, label := range metric.GetLabel() {
					labels[label.GetName()] = label.GetValue()
				}
				all = append(all, strings.TrimRight(labels["gateway"]+" "+labels["backend"], " "))
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	if diff := cmp.Diff([]string{"a", "a my", "a pg", "b", "b my", "b pg"}, series()); diff != "" {
		t.Errorf("series differ (-want +got):\n%s", diff)
	}
	m.Forget("a", "pg")
	if diff := cmp.Diff([]string{"a", "a my", "b", "b my", "b pg"}, series()); diff != "" {
		t.Errorf("series after forgetting a backend differ (-want +got):\n%s", diff)
	}
	m.ForgetGateway("b")
	if diff := cmp.Diff([]string{"a", "a my"}, series()); diff != "" {
		t.Errorf("series after forgetting a gateway differ (-want +got):\n%s", diff)
	}
	countEverything(m, "a", "pg")
	countEverything(m, "b", "pg")
	if diff := cmp.Diff([]string{"a", "a my", "a pg", "b", "b pg"}, series()); diff != "" {
		t.Errorf("series of what came back differ (-want +got):\n%s", diff)
	}
}

// A series that is resolved while its backend is forgotten must not be counted in for ever without being shown: what is
// counted afterwards shows.
func TestForgetUnderLoad(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	registry := registryOf(t, m)
	labels := telemetry.RequestLabels{Gateway: "gw", Platform: "cf", Operation: osb.Bind, Backend: "pg"}
	shown := func() float64 {
		family, ok := gather(t, registry)["requests_total"]
		if !ok {
			return 0
		}
		return family.GetMetric()[0].GetCounter().GetValue()
	}
	for range 2000 {
		var group sync.WaitGroup
		start := make(chan struct{})
		for range 2 {
			group.Go(func() { <-start; m.Request(labels, 201, 0.1, "") })
			group.Go(func() { <-start; m.Forget("gw", "pg") })
		}
		close(start)
		group.Wait()
		before := shown()
		m.Request(labels, 201, 0.1, "")
		if got := shown(); got != before+1 {
			t.Fatalf("requests: got %v, want %v", got, before+1)
		}
	}
}

func TestNilMetrics(t *testing.T) {
	t.Parallel()
	var m *telemetry.Metrics
	countEverything(m, "gw", "pg")
	m.Forget("gw", "pg")
	m.ForgetGateway("gw")
	if err := m.Register(prometheus.NewRegistry()); err != nil {
		t.Errorf("Register: %v", err)
	}
}
