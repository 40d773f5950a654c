package telemetry

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const (
	metricNamespace = "caddy"
	metricSubsystem = "osb_gateway"
)

// The bounds of the classic buckets, in seconds: a call takes from a millisecond to the minute that platforms wait, a
// round trip to the store from a fraction of a millisecond to the seconds of a failover.
var (
	callBuckets = []float64{
		0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60,
	}
	storeBuckets = []float64{
		0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
	}
)

// Metrics counts and measures what gateways do. It is one Prometheus collector, safe for concurrent use; a nil one
// counts nothing. Its series live as long as it does, whatever registries it is registered with: see Default.
//
// All label values come from the configuration or from an enumeration. A name that is not known is "none" (no platform
// before authentication, no backend where the gateway answers itself), a status outside of 100 to 599 "other".
type Metrics struct {
	requests         *prometheus.CounterVec
	requestDuration  *prometheus.HistogramVec
	backendRequests  *prometheus.CounterVec
	backendDuration  *prometheus.HistogramVec
	backendUp        *prometheus.GaugeVec
	backendInFlight  *prometheus.GaugeVec
	breakerOpen      *prometheus.GaugeVec
	tokenExpiry      *prometheus.GaugeVec
	catalogAge       *ageCollector
	catalogOfferings *prometheus.GaugeVec
	storeOperations  *prometheus.CounterVec
	storeDuration    *prometheus.HistogramVec
	storeRetries     *prometheus.CounterVec
	spans            *prometheus.CounterVec

	operationsInProgress *operationsCollector

	// The series in use. Resolving one by its labels takes a lock of all its users, and twice the time.
	requestSeries series[requestKey, timed]
	backendSeries series[backendKey, timed]
	storeSeries   series[storeKey, timed]
	inFlight      series[backendName, prometheus.Gauge]
}

// RequestLabels are the labels of a platform's call.
type RequestLabels struct {
	Gateway, Platform string
	Operation         osb.Operation
	Backend           string
}

// BackendLabels are the labels of a sending to a backend.
type BackendLabels struct {
	Gateway, Backend string
	Operation        osb.Operation
}

type (
	requestKey struct {
		RequestLabels

		code uint16 // 0 for other
	}
	backendKey struct {
		BackendLabels

		code uint16
	}
	storeKey struct {
		gateway, store, operation string
		failed                    bool
	}
	backendName struct{ gateway, backend string }
)

// timed are the two series of something that is counted and measured.
type timed struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

// Default returns the metrics of this process. They are made once: a server that makes a new registry whenever it loads
// its configuration registers them again each time, and nothing is counted from zero.
func Default() *Metrics { return defaultMetrics() }

var defaultMetrics = sync.OnceValue(NewMetrics)

// NewMetrics returns metrics of their own.
func NewMetrics() *Metrics {
	return &Metrics{
		requests: counter("requests_total", "Calls of platforms, by the status that they were answered with.",
			"gateway", "platform", "operation", "backend", "code"),
		requestDuration: histogram("request_duration_seconds",
			"Time from the first sight of a platform's call to the end of its answer.", callBuckets,
			"gateway", "platform", "operation", "backend", "code"),
		backendRequests: counter("backend_requests_total",
			"Requests sent to backends, by their status; other where no answer came.",
			"gateway", "backend", "operation", "code"),
		backendDuration: histogram("backend_request_duration_seconds",
			"Time from the sending of a request to a backend to the end of its answer.", callBuckets,
			"gateway", "backend", "operation", "code"),
		backendUp: gauge("backend_up", "Whether the last fetch of the backend's catalog was answered with a good one.",
			"gateway", "backend"),
		backendInFlight: gauge("backend_in_flight", "Requests to the backend that are not answered yet.",
			"gateway", "backend"),
		breakerOpen: gauge("breaker_open", "Whether calls to the backend are refused because it did not answer the last ones.",
			"gateway", "backend"),
		tokenExpiry: gauge("backend_token_expiry_timestamp_seconds",
			"When the token ends that the gateway authenticates to the backend with, in seconds since 1970.",
			"gateway", "backend"),
		catalogAge: newAgeCollector(),
		catalogOfferings: gauge("catalog_offerings",
			"Service offerings of all backends: published, quarantined, or published with warnings (warned).",
			"gateway", "status"),
		storeOperations: counter("store_operations_total", "Round trips to the ownership store.",
			"gateway", "store", "operation", "result"),
		storeDuration: histogram("store_operation_duration_seconds", "Time of a round trip to the ownership store.",
			storeBuckets, "gateway", "store", "operation"),
		storeRetries: counter("store_commit_retries_total",
			"Outcomes of calls that were written to the store once more.", "gateway"),
		spans: counter("trace_spans_total",
			"Ended spans of all gateways of this process: exported, failed or dropped.", "result"),
		operationsInProgress: newOperationsCollector(),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: metricNamespace, Subsystem: metricSubsystem, Name: name, Help: help,
	}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: metricNamespace, Subsystem: metricSubsystem, Name: name, Help: help,
	}, labels)
}

// histogram has classic buckets for every scraper, and native ones for those that understand them. These are bounded by
// getting coarser; a bound by time would set the classic ones back to zero.
func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: metricNamespace, Subsystem: metricSubsystem, Name: name, Help: help,
		Buckets:                        buckets,
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 160,
	}, labels)
}

// collectors are the parts.
func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.requests, m.requestDuration, m.backendRequests, m.backendDuration, m.backendUp, m.backendInFlight,
		m.breakerOpen, m.tokenExpiry, m.catalogAge, m.catalogOfferings, m.storeOperations, m.storeDuration, m.storeRetries,
		m.spans, m.operationsInProgress,
	}
}

// Describe and Collect make a prometheus.Collector of it.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(descriptions)
	}
}

// Collect sends all series.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(metrics)
	}
}

// Register adds the metrics to a registry. One that has them already keeps them; one that has another Metrics is an
// error.
func (m *Metrics) Register(registry prometheus.Registerer) error {
	if m == nil {
		return nil
	}
	err := registry.Register(m)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) && already.ExistingCollector == prometheus.Collector(m) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("registering the gateway's metrics: %w", err)
	}
	return nil
}
