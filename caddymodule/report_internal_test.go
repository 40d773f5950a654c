package caddymodule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

// TestReport: problems are logged once, those of published offerings in other words, and offerings are counted, not
// problems.
func TestReport(t *testing.T) {
	t.Parallel()
	const answer = `{"services":[0,{},
		{"id":"hard","name":"hard","description":" ","bindable":1,"plans":[]},
		{"id":"soft","name":"soft","description":"d","bindable":true,"plans":[{"id":"p","name":"p","description":"d"}]}]}`
	offered, err := catalogmerge.Refresh(nil, "b", catalogmerge.Fetch{Body: []byte(answer), At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	registry, metrics := prometheus.NewRegistry(), telemetry.NewMetrics()
	if err := metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	c := &catalogs{
		rt:       &runtime{settings: &settings{name: "gw"}, logger: zap.New(core), metrics: metrics},
		reported: make(map[catalogmerge.Problem]bool),
	}
	merged := catalogmerge.Merge([]*catalogmerge.Exposed{catalogmerge.Expose(offered, nil, nil, nil)}, nil)
	misspelt, err := catalogmerge.ParseSelector("sotf")
	if err != nil {
		t.Fatal(err)
	}
	platforms := []*platformSettings{{name: "cf", visible: &catalogmerge.Visibility{Deny: []catalogmerge.Selector{misspelt}}}}
	for range 2 {
		c.report(&publication{Catalog: merged, problems: problemsOf(merged, platforms)})
	}
	got := make(map[string]int)
	for _, entry := range logs.All() {
		got[entry.Message]++
	}
	want := map[string]int{
		"an offering is not published as its broker means it; its team has to mend it": len(offered.Problems) - 1,
		"an offering is published, but some platforms may misread it":                  1,
		"the offerings of a platform name something that no broker has":                1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		if family.GetName() != "caddy_osb_gateway_catalog_offerings" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				values[label.GetValue()] = metric.GetGauge().GetValue()
			}
		}
	}
	if values["published"] != 1 || values["quarantined"] != 3 {
		t.Errorf("counted %v", values)
	}
}
