package chaos_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/test/chaos"
)

// TestScheduleComesFromItsSeed has the same seed give the same schedule, and another seed another one.
func TestScheduleComesFromItsSeed(t *testing.T) {
	t.Parallel()
	first := chaos.Schedule(1, time.Minute)
	if diff := cmp.Diff(first, chaos.Schedule(1, time.Minute)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, chaos.Schedule(2, time.Minute)) {
		t.Error("another seed: got the same schedule")
	}
}

// TestScheduleHasEverything finds each action in a run of some length, in order and within its time.
func TestScheduleHasEverything(t *testing.T) {
	t.Parallel()
	const length = 10 * time.Minute
	found := make(map[chaos.Action]int)
	var last time.Duration
	for _, step := range chaos.Schedule(1, length) {
		found[step.Action]++
		if step.At < last || step.At+step.Length > length {
			t.Fatalf("got %v at %s after one at %s, in a run of %s", step, step.At, last, length)
		}
		last = step.At
	}
	for _, action := range []chaos.Action{
		chaos.KillGateway, chaos.Reload, chaos.BadReload, chaos.KillStore, chaos.DropSubscriptions, chaos.CutStore,
		chaos.DisturbStore, chaos.CutBroker, chaos.DisturbBroker, chaos.CutGateway, chaos.DisturbGateway, chaos.Misbehave,
	} {
		if found[action] == 0 {
			t.Errorf("%s: got none", action)
		}
	}
}
