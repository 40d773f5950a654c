package telemetry

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// asynchronous are the operations that a backend may go on with after it answered.
var asynchronous = [...]osb.Operation{osb.Provision, osb.Update, osb.Deprovision, osb.Bind, osb.Unbind}

// InProgress is how many operations of one kind a backend is at, and since when it is at the oldest of them.
type InProgress struct {
	Count  int
	Oldest time.Time
}

// ProgressLabels are the labels of operations that a backend is at.
type ProgressLabels struct {
	Backend   string
	Operation osb.Operation
}

// operationsCollector shows the operations that backends are at, as they were counted last, and how long the oldest has
// taken, by the clock at the time of the scrape.
type operationsCollector struct {
	count, age *prometheus.Desc

	mu       sync.Mutex
	gateways map[string]map[ProgressLabels]InProgress
}

func newOperationsCollector() *operationsCollector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(metricNamespace, metricSubsystem, name), help,
			[]string{"gateway", "backend", "operation"}, nil)
	}
	return &operationsCollector{
		count: describe("operations_in_progress",
			"Asynchronous operations that backends have accepted and not ended, in the store that replicas share."),
		age: describe("operations_oldest_age_seconds",
			"Time since the backend accepted the oldest of the operations in progress. Without one there is none."),
		gateways: make(map[string]map[ProgressLabels]InProgress),
	}
}

func (c *operationsCollector) set(gateway string, counted map[ProgressLabels]InProgress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gateways[gateway] = counted
}

// forget drops a backend, or all of the gateway where it is "".
func (c *operationsCollector) forget(gateway, backend string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if backend == "" {
		delete(c.gateways, gateway)
		return
	}
	// A scrape may be reading the map of before.
	kept := make(map[ProgressLabels]InProgress)
	for labels, counted := range c.gateways[gateway] {
		if labels.Backend != backend {
			kept[labels] = counted
		}
	}
	c.gateways[gateway] = kept
}

// Describe sends the two descriptions.
func (c *operationsCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.count
	descriptions <- c.age
}

// Collect sends what was counted last.
func (c *operationsCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range c.metrics(time.Now()) {
		metrics <- m
	}
}

func (c *operationsCollector) metrics(now time.Time) []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []prometheus.Metric
	gauge := func(description *prometheus.Desc, value float64, gateway string, labels ProgressLabels) {
		list = append(list, prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value,
			gateway, orNone(labels.Backend), labels.Operation.String()))
	}
	for gateway, counted := range c.gateways {
		for labels, operations := range counted {
			gauge(c.count, float64(operations.Count), gateway, labels)
			if operations.Count > 0 {
				gauge(c.age, max(0, now.Sub(operations.Oldest).Seconds()), gateway, labels)
			}
		}
	}
	return list
}

// OperationsInProgress tells which asynchronous operations the backends of a gateway are at. What is not named, of the
// backends that are, shows as zero. A backend without a name stands for all that are not configured.
func (m *Metrics) OperationsInProgress(gateway string, backends []string, counted map[ProgressLabels]InProgress) {
	if m == nil {
		return
	}
	shown := make(map[ProgressLabels]InProgress, len(backends)*len(asynchronous))
	for _, backend := range backends {
		for _, operation := range asynchronous {
			shown[ProgressLabels{backend, operation}] = InProgress{}
		}
	}
	maps.Copy(shown, counted)
	m.operationsInProgress.set(gateway, shown)
}
