package samplebroker_test

import "testing"

func TestUpdate(t *testing.T) {
	t.Parallel()
	patch, get := "PATCH "+instancePath, "GET "+instancePath
	async := step{call: "PUT " + instancePath + "?" + incomplete, body: chosen("async"), status: 202}
	runScenarios(t, []scenario{
		{name: "plan and parameters", steps: []step{
			{call: patch, body: chosen("sync2"), status: 404},
			{
				call: "PUT " + instancePath, status: 201,
				body: `{"service_id":"db","plan_id":"sync","parameters":{"a":1,"b":2}}`,
			},
			{call: patch, body: `{"service_id":"db"}`, status: 200, want: `{}`, exact: true},
			{
				call: patch, status: 200, want: `{}`, exact: true,
				body: `{"service_id":"db","parameters":{"b":3,"c":{}},` +
					`"previous_values":{"plan_id":"sync","service_id":"db"}}`,
			},
			{call: get, status: 200, want: `{"plan_id":"sync","parameters":{"a":1,"b":3,"c":{}}}`},
			{call: patch, body: `{"service_id":"db","plan_id":"sync2","parameters":null}`, status: 200},
			{call: get, status: 200, want: `{"plan_id":"sync2","parameters":{"a":1,"b":3,"c":{}},
				"maintenance_info":{"version":"2.0.0-rc.1+build.5"}}`},
			poll("succeeded"),
			{call: "PUT " + instancePath, body: chosen("sync2"), status: 409},
		}, instances: []string{"i"}},
		{name: "refused", steps: []step{
			provisioned("sync"),
			{call: patch, body: `{}`, status: 400},
			{call: patch, body: `{"service_id":"closed"}`, status: 400},
			{call: patch, body: chosen("closed-plan"), status: 400},
			{call: patch, body: `{"service_id":"db","parameters":"x"}`, status: 400},
			{call: patch, body: `{"service_id":"db","context":[]}`, status: 400},
			{call: patch, body: `{"service_id":"db","previous_values":1}`, status: 400},
			{call: patch, body: `{"service_id":"db","previous_values":{"plan_id":"sync2"}}`, status: 400},
			{call: patch, body: `{"service_id":"db","previous_values":{"service_id":"closed"}}`, status: 400},
			{call: patch, body: maintained("sync", "1.2.4"), status: 422, want: maintenanceConflict, exact: true},
			{call: patch, body: maintained("sync2", "1.2.3"), status: 422, want: maintenanceConflict, exact: true},
			{call: patch, body: maintained("sync2", "2.0.0-rc.1+build.5"), status: 200},
		}, instances: []string{"i"}},
		{name: "plan not updateable", steps: []step{
			provisioned("fixed"),
			{
				call: patch, body: chosen("sync"), status: 422, want: `{"update_repeatable":false}`,
				lacks: []string{"error", "instance_usable"},
			},
			{call: patch, body: `{"service_id":"db","plan_id":"fixed","parameters":{"a":1}}`, status: 200},
			{call: get, status: 200, want: `{"plan_id":"fixed","parameters":{"a":1}}`},
		}, instances: []string{"i"}},
		{name: "offering not updateable", steps: []step{
			{call: "PUT " + instancePath, body: `{"service_id":"closed","plan_id":"closed-plan"}`, status: 201},
			{call: patch, body: `{"service_id":"closed","plan_id":"closed-other"}`, status: 422},
			{call: patch, body: `{"service_id":"closed","context":{"platform":"x"}}`, status: 200},
		}, instances: []string{"i"}},
		{name: "asynchronous", steps: []step{
			async, poll("in progress"), poll("in progress"), poll("succeeded"),
			{call: patch, body: `{"service_id":"db","plan_id":"async"}`, status: 200},
			{call: patch, body: `{"service_id":"db","context":{"a":1}}`, status: 422, want: asyncRequired, exact: true},
			{
				call: patch + "?" + incomplete, body: `{"service_id":"db","parameters":{"a":1}}`, status: 202,
				want: `{"operation":"update-2"}`, exact: true,
			},
			{
				call: patch + "?" + incomplete, body: `{"parameters":{"a":1},"service_id":"db"}`, status: 202,
				want: `{"operation":"update-2"}`,
			},
			{call: patch, body: `{"service_id":"db","parameters":{"a":1}}`, status: 422, want: asyncRequired},
			{
				call: patch + "?" + incomplete, body: `{"service_id":"db","parameters":{"a":2}}`, status: 422,
				want: concurrency,
			},
			{call: "PUT " + instancePath + "?" + incomplete, body: chosen("async"), status: 422, want: concurrency},
			{call: "DELETE " + instancePath + ids("async") + "&" + incomplete, status: 422, want: concurrency},
			{call: "PUT " + bindingPath, body: chosen("async"), status: 422, want: concurrency},
			{call: get, status: 422, want: concurrency, exact: true},
			{
				call: "GET " + instancePath + "/last_operation?operation=provision-1", status: 200,
				want: `{"state":"succeeded"}`,
			},
			{
				call: "GET " + instancePath + "/last_operation?operation=update-2", status: 200,
				want: `{"state":"in progress"}`,
			},
			poll("in progress"), poll("succeeded"),
			{call: get, status: 200, want: `{"parameters":{"a":1}}`},
		}, instances: []string{"i"}},
		{name: "to an asynchronous plan", steps: []step{
			provisioned("sync"),
			{call: patch, body: chosen("async"), status: 422, want: asyncRequired},
			{call: patch + "?" + incomplete, body: chosen("async"), status: 202},
			{
				call: "GET " + instancePath + "/last_operation?plan_id=sync", status: 200,
				want: `{"state":"in progress"}`,
			},
			{call: "GET " + instancePath + "/last_operation?plan_id=async", status: 400},
			poll("in progress"), poll("succeeded"),
			{call: "GET " + instancePath + "/last_operation?plan_id=sync", status: 200},
			{call: get, status: 200, want: `{"plan_id":"async"}`, lacks: []string{"maintenance_info"}},
			{call: "DELETE " + instancePath + ids("sync") + "&" + incomplete, status: 202},
		}, instances: []string{"i"}},
		{name: "failed synchronously", steps: []step{
			provisioned("fails-update"),
			{
				call: patch, body: `{"service_id":"db","parameters":{"a":1}}`, status: 500,
				want: `{"instance_usable":true,"update_repeatable":false}`,
			},
			{call: get, status: 200, lacks: []string{"parameters"}},
		}, instances: []string{"i"}},
		{name: "failed asynchronously", steps: []step{
			{call: "PUT " + instancePath + "?" + incomplete, body: chosen("fails-later"), status: 202},
			poll("succeeded"),
			{call: patch + "?" + incomplete, body: `{"service_id":"db","parameters":{"a":1}}`, status: 202},
			{
				call: "GET " + instancePath + "/last_operation", status: 200,
				want: `{"state":"failed","instance_usable":true,"update_repeatable":false}`,
			},
			{call: get, status: 200, lacks: []string{"parameters"}},
		}, instances: []string{"i"}},
	})
}
