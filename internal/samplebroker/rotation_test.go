package samplebroker_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestRotation(t *testing.T) {
	t.Parallel()
	var clock testClock
	clock.set(time.Date(2030, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("", 3600)))
	c := start(t, samplebroker.Options{Now: clock.now})
	other := "PUT " + instancePath + "/service_bindings/c"
	rotate := `{"predecessor_binding_id":"b"}`
	bound := `{"service_id":"db","plan_id":"rotatable","bind_resource":{"app_guid":"a"},"parameters":{"p":1}}`
	metadata := `{"metadata":{"expires_at":"2030-01-02T02:05:45.6Z","renew_before":"2030-01-02T02:05:25.6Z"}}`
	for _, s := range []step{
		provisioned("rotatable"),
		{call: other, body: rotate, status: 400},
		{call: "PUT " + bindingPath, body: bound, status: 201, want: metadata},
		{call: "PUT " + bindingPath, body: rotate, status: 409},
		{call: other, body: `{"predecessor_binding_id":"c"}`, status: 400},
		{call: other, body: `{"predecessor_binding_id":1}`, status: 400},
		{call: other, body: `{"predecessor_binding_id":"b","service_id":"closed"}`, status: 400},
		{call: other, body: rotate, status: 201, want: metadata},
		{call: other, body: rotate, status: 200},
		{call: other, body: bound, status: 409},
		{call: "GET " + bindingPath, status: 200, want: `{"credentials":{"username":"user-1"},"parameters":{"p":1}}`},
		{
			call: "GET " + instancePath + "/service_bindings/c", status: 200,
			want: `{"credentials":{"username":"user-2"},"parameters":{"p":1}}`,
		},
		{call: "DELETE " + bindingPath + ids("rotatable"), status: 200},
		{call: "GET " + instancePath + "/service_bindings/c", status: 200},
		{call: "PUT " + instancePath + "/service_bindings/d", body: rotate, status: 400},
	} {
		s.run(t, c)
	}
	want := []samplebroker.BindingState{{
		BindingID: "c", Phase: "ready", AppGUID: "a", Predecessor: "b", Parameters: []byte(`{"p":1}`),
	}}
	if diff := cmp.Diff(want, c.broker.State().Instances[0].Bindings); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
	clock.set(time.Date(2030, 1, 2, 3, 6, 0, 0, time.UTC))
	step{
		call: "PUT " + instancePath + "/service_bindings/d", body: `{"predecessor_binding_id":"c"}`, status: 400,
	}.run(t, c)
}

// testClock is a clock that a test sets.
type testClock struct {
	mu   sync.Mutex
	time time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *testClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = now
}

func TestRotationNeedsThePlan(t *testing.T) {
	t.Parallel()
	runScenarios(t, []scenario{{name: "not rotatable", steps: []step{
		provisioned("sync"),
		{call: "PUT " + bindingPath, body: chosen("sync"), status: 201},
		{call: "PUT " + instancePath + "/service_bindings/c", body: `{"predecessor_binding_id":"b"}`, status: 400},
	}, instances: []string{"i"}, bindings: []string{"b"}}})
}
