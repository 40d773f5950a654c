package samplebroker_test

import (
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestState(t *testing.T) {
	t.Parallel()
	get, put := "GET "+statePath, "PUT "+statePath
	clock := func() time.Time { return time.UnixMilli(1656523962123) }
	bindIt := step{call: "PUT " + bindingPath, body: chosen("sync"), status: 201}
	runScenarios(t, []scenario{
		{name: "204", options: samplebroker.Options{Now: clock}, steps: []step{
			{call: get, status: 404},
			{call: put, body: `{"enabled":true}`, status: 410, want: `{}`, exact: true},
			provisioned("sync"),
			{call: get, status: 200, want: `{"enabled":true,"active":true,"last_active":1656523962123}`, exact: true},
			bindIt,
			{
				call: put, body: `{"enabled":false,"initiator_id":"IBMid-1","reason_code":"IBMCLOUD_ACCT_SUSPEND"}`,
				status: 204,
			},
			{call: get, status: 200, want: `{"enabled":false,"active":false}`},
			{
				call: "PUT " + instancePath + "/service_bindings/c", body: chosen("sync"), status: 403,
				want: `{"description":"The service instance is disabled. Enable it to bind it."}`, exact: true,
			},
			{call: "PUT " + bindingPath, body: chosen("sync"), status: 403},
			{call: "GET " + bindingPath, status: 200},
			{call: put, body: `{"enabled":true,"initiator_id":null,"unknown":[]}`, status: 204},
			{call: "PUT " + instancePath + "/service_bindings/c", body: chosen("sync"), status: 201},
			{call: put, body: `{}`, status: 400},
			{call: put, body: `{"enabled":null}`, status: 400},
			{call: put, body: `{"enabled":"true"}`, status: 400},
			{call: put, body: `{"enabled":true,"reason_code":1}`, status: 400},
		}, instances: []string{"i"}, bindings: []string{"b", "c"}},
		{name: "200", options: samplebroker.Options{Now: clock, StateStatus: 200}, steps: []step{
			provisioned("sync"),
			{
				call: put, body: `{"enabled":false}`, status: 200, exact: true,
				want: `{"enabled":false,"active":false,"last_active":1656523962123}`,
			},
			{call: "DELETE " + instancePath + ids("sync"), status: 200},
			{call: put, body: `{"enabled":true}`, status: 410, want: `{}`, exact: true},
			{call: get, status: 404},
		}},
	})
}
