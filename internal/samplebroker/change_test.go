package samplebroker_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// TestChangesAreTold makes, binds, deletes and makes again, at once and asynchronously.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	var got []string
	c := start(t, samplebroker.Options{OnChange: func(change samplebroker.Change) {
		if change.At.IsZero() {
			t.Error("got a change without a time")
		}
		got = append(got, fmt.Sprintf("%s/%s %v", change.InstanceID, change.BindingID, change.Held))
	}})
	step{call: "PUT " + instancePath, body: chosen("sync"), status: 201}.run(t, c)
	step{call: "PUT " + instancePath, body: chosen("sync"), status: 200}.run(t, c)
	step{call: "PUT " + bindingPath, body: chosen("sync"), status: 201}.run(t, c)
	step{call: "DELETE " + bindingPath + ids("sync"), status: 200}.run(t, c)
	step{call: "DELETE " + bindingPath + ids("sync"), status: 410}.run(t, c)
	step{call: "PUT " + bindingPath, body: chosen("sync"), status: 201}.run(t, c)
	step{call: "DELETE " + instancePath + ids("sync"), status: 200}.run(t, c)
	step{call: "PUT " + instancePath + "?accepts_incomplete=true", body: chosen("async"), status: 202}.run(t, c)
	want := []string{"i/ true", "i/b true", "i/b false", "i/b true", "i/ false", "i/b false", "i/ true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestAdvance has an operation come to its end although nobody polls it.
func TestAdvance(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	step{call: "PUT " + instancePath + "?accepts_incomplete=true", body: chosen("async"), status: 202}.run(t, c)
	phase := func() string { return c.broker.State().Instances[0].Phase }
	for range 100 {
		if phase() != "creating" {
			break
		}
		c.broker.Advance()
	}
	if got := phase(); got != "ready" {
		t.Errorf("got phase %q, want ready", got)
	}
}
