package telemetry_test

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	metricsdatav1 "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// scrapeAs fetches metrics in the format that a scraper asks for.
func scrapeAs(t testing.TB, url, accept string) (string, expfmt.Format) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, response.StatusCode, err)
	}
	return string(content), expfmt.ResponseFormat(response.Header)
}

// histograms are all of the gateway's.
var histograms = []string{
	"request_duration_seconds", "backend_request_duration_seconds", "store_operation_duration_seconds",
}

// TestMetricFormats reads the metrics as each kind of scraper does: text that promlint has nothing to say about,
// OpenMetrics with exemplars that lead to the trace of the call, and protobuf with native histograms.
func TestMetricFormats(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")), Site: "metrics /metrics",
		Environment: receiver.Env(otlptest.GRPC),
	})
	c := provision("one", "db", "sync")
	c.do(t, gateway)
	trace := awaitCall(t, receiver, c).TraceID
	for place, url := range map[string]string{"admin": gateway.Admin + "/metrics", "site": gateway.URL + "/metrics"} {
		text, _ := scrapeAs(t, url, "text/plain;version=0.0.4")
		lint(t, place, text)

		if place == "site" { // Caddy's admin endpoint does not speak OpenMetrics
			text, _ = scrapeAs(t, url, "application/openmetrics-text;version=1.0.0")
			checkExemplars(t, text, trace)
		}
		text, format := scrapeAs(t, url,
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
		families := decodeFamilies(t, text, format)
		for _, name := range histograms {
			family := families[metricPrefix+name]
			if family == nil {
				t.Errorf("%s: there is no %s", place, name)
				continue
			}
			histogram := family.GetMetric()[0].GetHistogram()
			if len(histogram.GetPositiveSpan()) == 0 || histogram.GetSchema() == 0 {
				t.Errorf("%s: %s has no native buckets", place, name)
			}
			if len(histogram.GetBucket()) == 0 {
				t.Errorf("%s: %s has no classic buckets", place, name)
			}
		}
	}
}

// checkExemplars expects that the series of the create lead to its trace.
func checkExemplars(t *testing.T, text, trace string) {
	t.Helper()
	for _, name := range []string{
		"request_duration_seconds_bucket", "backend_request_duration_seconds_bucket",
	} {
		exemplar := regexp.MustCompile(`(?m)^` + metricPrefix + name + `\{[^}]*operation="provision"[^}]*\} [\d.]+ # \{trace_id="` +
			trace + `"\} `)
		if !exemplar.MatchString(text) {
			t.Errorf("no sample of %s has an exemplar with the trace %s", name, trace)
		}
	}
}

// lint has promlint look at the gateway's metrics; Caddy's own are Caddy's.
func lint(t *testing.T, place, text string) {
	t.Helper()
	var ours strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), metricPrefix) {
			ours.WriteString(line)
		}
	}
	problems, err := promlint.New(strings.NewReader(ours.String())).Lint()
	if err != nil || len(problems) > 0 || ours.Len() == 0 {
		t.Errorf("%s: promlint says %v, %v about %d bytes", place, problems, err, ours.Len())
	}
}

func decodeFamilies(t *testing.T, text string, format expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	families := make(map[string]*dto.MetricFamily)
	decoder := expfmt.NewDecoder(strings.NewReader(text), format)
	for {
		family := new(dto.MetricFamily)
		err := decoder.Decode(family)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatal(err)
		}
		families[family.GetName()] = family
	}
}

// TestMetricsOverOTLP has Caddy push the metrics, as the document says, and finds all of them.
func TestMetricsOverOTLP(t *testing.T) {
	t.Parallel()
	for _, protocol := range []otlptest.Protocol{otlptest.GRPC, otlptest.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			receiver := otlptest.Start(t)
			broker := startBroker(t, "db")
			gateway := harness.Start(t, harness.Options{
				Block: block(redisStore(t), broker.Backend("pg", "")), Global: documentedOptions(t, "otlp-metrics"),
				Environment: append(receiver.Env(protocol), "OTEL_METRIC_EXPORT_INTERVAL=200"),
			})
			c := provision("one", "db", "async")
			c.do(t, gateway)
			awaitCall(t, receiver, c)
			counted := receiver.AwaitMetric(t, metricPrefix+"requests_total", func(m *metricsdatav1.Metric) bool {
				for _, point := range m.GetSum().GetDataPoints() {
					labels := make(map[string]string)
					for _, attribute := range point.GetAttributes() {
						labels[attribute.GetKey()] = attribute.GetValue().GetStringValue()
					}
					if labels["operation"] == "provision" && labels["platform"] == "cf" && labels["code"] == "202" {
						return point.GetAsDouble() == 1
					}
				}
				return false
			})
			if !counted.GetSum().GetIsMonotonic() {
				t.Error("requests_total is no counter")
			}
			whatever := func(*metricsdatav1.Metric) bool { return true }
			native := receiver.AwaitMetric(t, metricPrefix+"request_duration_seconds", whatever)
			if len(native.GetExponentialHistogram().GetDataPoints()) == 0 {
				t.Errorf("request_duration_seconds is %T, want native buckets", native.GetData())
			}
			for _, name := range []string{
				"backend_requests_total", "backend_request_duration_seconds", "backend_up", "backend_in_flight",
				"catalog_age_seconds", "catalog_offerings", "store_operations_total", "store_operation_duration_seconds",
				"store_commit_retries_total", "operations_in_progress", "operations_oldest_age_seconds", "trace_spans_total",
			} {
				checkNoExemplars(t, receiver.AwaitMetric(t, metricPrefix+name, whatever))
			}
		})
	}
}

// checkNoExemplars expects that no id comes with a metric that a collector would not take for one.
func checkNoExemplars(t *testing.T, m *metricsdatav1.Metric) {
	t.Helper()
	points := append(slices.Clone(m.GetSum().GetDataPoints()), m.GetGauge().GetDataPoints()...)
	for _, point := range points {
		if len(point.GetExemplars()) > 0 {
			t.Errorf("%s has the exemplars %v", m.GetName(), point.GetExemplars())
		}
	}
	for _, point := range m.GetHistogram().GetDataPoints() {
		if len(point.GetExemplars()) > 0 {
			t.Errorf("%s has the exemplars %v", m.GetName(), point.GetExemplars())
		}
	}
}
