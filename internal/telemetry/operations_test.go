package telemetry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
)

func TestOperationsInProgress(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	registry := registryOf(t, m)
	values := func(name string) map[string]float64 {
		byLabels := make(map[string]float64)
		for _, metric := range gather(t, registry)[name].GetMetric() {
			labels := metric.GetLabel()
			byLabels[labels[0].GetValue()+" "+labels[2].GetValue()] = metric.GetGauge().GetValue()
		}
		return byLabels
	}
	m.OperationsInProgress("gw", []string{"pg"}, map[telemetry.ProgressLabels]telemetry.InProgress{
		{Backend: "pg", Operation: osb.Provision}: {Count: 2, Oldest: time.Now().Add(-time.Hour)},
		{Operation: osb.Unbind}:                   {Count: 1, Oldest: time.Now().Add(time.Hour)}, // by another's clock
	})
	want := map[string]float64{
		"pg provision": 2, "pg update": 0, "pg deprovision": 0, "pg bind": 0, "pg unbind": 0, "none unbind": 1,
	}
	if diff := cmp.Diff(want, values("operations_in_progress")); diff != "" {
		t.Errorf("in progress (-want +got):\n%s", diff)
	}
	before := values("operations_oldest_age_seconds")
	if len(before) != 2 || before["pg provision"] < 3600 || before["none unbind"] != 0 {
		t.Errorf("ages: got %v, want an hour for provision and 0 for unbind", before)
	}
	if after := values("operations_oldest_age_seconds"); after["pg provision"] <= before["pg provision"] {
		t.Error("the age does not grow by itself")
	}

	// What has ended shows as nothing, and has no age.
	m.OperationsInProgress("gw", []string{"pg", "my"}, nil)
	if got := values("operations_in_progress"); len(got) != 10 || got["pg provision"] != 0 {
		t.Errorf("in progress: got %v, want zeros of two backends", got)
	}
	if _, ok := gather(t, registry)["operations_oldest_age_seconds"]; ok {
		t.Error("there is an age, and nothing in progress")
	}
	m.Forget("gw", "pg")
	if got := values("operations_in_progress"); len(got) != 5 {
		t.Errorf("without a backend that is gone: got %v", got)
	}
	m.ForgetGateway("gw")
	if _, ok := gather(t, registry)["operations_in_progress"]; ok {
		t.Error("a gateway that is gone has operations in progress")
	}
}
