package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ageCollector shows how long ago something was, by the clock at the time of the scrape.
type ageCollector struct {
	description *prometheus.Desc

	mu    sync.Mutex
	times map[backendName]time.Time
}

func newAgeCollector() *ageCollector {
	return &ageCollector{
		description: prometheus.NewDesc(
			prometheus.BuildFQName(metricNamespace, metricSubsystem, "catalog_age_seconds"),
			"Time since the backend's catalog in use was fetched or confirmed. A backend never yet seen good has none.",
			[]string{"gateway", "backend"}, nil),
		times: make(map[backendName]time.Time),
	}
}

func (c *ageCollector) set(name backendName, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[name] = at
}

func (c *ageCollector) forget(match func(backendName) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.times {
		if match(name) {
			delete(c.times, name)
		}
	}
}

// Describe sends the one description.
func (c *ageCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.description }

// Collect sends the age of each catalog. Clocks of replicas differ a little; an age below zero is zero.
func (c *ageCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range c.ages(time.Now()) {
		metrics <- m
	}
}

func (c *ageCollector) ages(now time.Time) []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	ages := make([]prometheus.Metric, 0, len(c.times))
	for name, at := range c.times {
		ages = append(ages, prometheus.MustNewConstMetric(
			c.description, prometheus.GaugeValue, max(0, now.Sub(at).Seconds()), name.gateway, name.backend))
	}
	return ages
}
