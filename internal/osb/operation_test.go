package osb_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestOperation(t *testing.T) {
	t.Parallel()
	tests := map[osb.Operation]struct {
		name                      string
		mutating, onBinding, poll bool
	}{
		osb.Unknown:       {name: "unknown"},
		osb.Catalog:       {name: "catalog"},
		osb.Provision:     {name: "provision", mutating: true},
		osb.FetchInstance: {name: "fetch_instance"},
		osb.Update:        {name: "update", mutating: true},
		osb.Deprovision:   {name: "deprovision", mutating: true},
		osb.PollInstance:  {name: "poll_instance", poll: true},
		osb.Bind:          {name: "bind", mutating: true, onBinding: true},
		osb.FetchBinding:  {name: "fetch_binding", onBinding: true},
		osb.Unbind:        {name: "unbind", mutating: true, onBinding: true},
		osb.PollBinding:   {name: "poll_binding", onBinding: true, poll: true},
		osb.GetState:      {name: "get_state"},
		osb.SetState:      {name: "set_state", mutating: true},
		osb.SetState + 1:  {name: "unknown"},
	}
	for operation, want := range tests {
		if got := operation.String(); got != want.name {
			t.Errorf("operation %d: got name %q, want %q", operation, got, want.name)
		}
		if got := operation.Mutating(); got != want.mutating {
			t.Errorf("%v: got mutating %t, want %t", operation, got, want.mutating)
		}
		if got := operation.OnBinding(); got != want.onBinding {
			t.Errorf("%v: got on binding %t, want %t", operation, got, want.onBinding)
		}
		if got := operation.Poll(); got != want.poll {
			t.Errorf("%v: got poll %t, want %t", operation, got, want.poll)
		}
	}
}
