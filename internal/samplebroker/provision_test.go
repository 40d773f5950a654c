package samplebroker_test

import "testing"

func TestProvision(t *testing.T) {
	t.Parallel()
	put, patch := "PUT "+instancePath, "PATCH "+instancePath
	full := `{"service_id":"db","plan_id":"sync","organization_guid":"o","space_guid":"s",` +
		`"context":{"platform":"x","n":1},"parameters":{"a":1,"b":[2.50]}}`
	runScenarios(t, []scenario{
		{name: "synchronous", steps: []step{
			{call: put, body: full, status: 201, lacks: []string{"operation", "service_id"}, want: `{
				"dashboard_url":"https://dashboard.example.com/instances/i",
				"metadata":{"labels":{"plan":"sync"},"attributes":{"samplebroker.service":"db"}}}`},
			{call: put + "?" + incomplete, body: full, status: 200, lacks: []string{"operation"}},
			{call: put, body: ` { "parameters" : {"b":[2.50],"a":1}, "space_guid":"s", "organization_guid":"o",` +
				`"plan_id":"sync", "service_id":"db", "context":{"platform":"x","n":2}}`, status: 200},
			poll("succeeded"),
		}, instances: []string{"i"}},
		{name: "other attributes", steps: []step{
			{call: put, body: full, status: 201},
			{call: put, body: chosen("sync"), status: 409, lacks: []string{"error"}},
			{call: put, body: chosen("sync2"), status: 409},
			{call: put, body: `{"service_id":"db","plan_id":"sync","organization_guid":"o","space_guid":"s",` +
				`"parameters":{"a":2,"b":[2.50]}}`, status: 409},
			{call: put, body: `{"service_id":"closed","plan_id":"closed-plan"}`, status: 409},
		}, instances: []string{"i"}},
		{name: "nothing is the same as null and as an empty object", steps: []step{
			{call: put, body: `{"service_id":"db","plan_id":"sync","parameters":null,"context":null,` +
				`"organization_guid":null,"maintenance_info":null}`, status: 201},
			{
				call: put, body: `{"service_id":"db","plan_id":"sync","parameters":{},"organization_guid":""}`,
				status: 200,
			},
		}, instances: []string{"i"}},
		{name: "unknown ids", steps: []step{
			{call: put, body: `{"plan_id":"sync"}`, status: 400},
			{call: put, body: `{"service_id":"db"}`, status: 400},
			{call: put, body: `{"service_id":"","plan_id":"sync"}`, status: 400},
			{call: put, body: `{"service_id":"x","plan_id":"sync"}`, status: 400},
			{call: put, body: `{"service_id":"db","plan_id":"x"}`, status: 400},
			{call: put, body: `{"service_id":"closed","plan_id":"sync"}`, status: 400},
		}},
		{name: "maintenance", steps: []step{
			{call: put, body: maintained("sync", "1.2.4"), status: 422, want: maintenanceConflict, exact: true},
			{call: put, body: maintained("fixed", "1.2.3"), status: 422, want: maintenanceConflict, exact: true},
			{call: put, body: `{"service_id":"db","plan_id":"sync","maintenance_info":{"version":1}}`, status: 400},
			{call: put, body: maintained("sync", "1.2.3"), status: 201},
			{call: put, body: maintained("sync", "0.0.1"), status: 200},
		}, instances: []string{"i"}},
		{name: "asynchronous", steps: []step{
			{call: put, body: chosen("async"), status: 422, want: asyncRequired, exact: true},
			{call: put + "?accepts_incomplete=false", body: chosen("async"), status: 422, want: asyncRequired},
			{call: "GET " + instancePath + "/last_operation", status: 404},
			{call: put + "?" + incomplete, body: chosen("async"), status: 202, want: `{"operation":"provision-1",
				"dashboard_url":"https://dashboard.example.com/instances/i","metadata":{"labels":{"plan":"async"}}}`},
			{call: put + "?" + incomplete, body: chosen("async"), status: 202, want: `{"operation":"provision-1"}`},
			{call: put, body: chosen("async"), status: 422, want: asyncRequired},
			{call: put + "?" + incomplete, body: chosen("sync"), status: 409},
			{call: "GET " + instancePath, status: 404},
			{call: "GET " + statePath, status: 404},
			{call: "PUT " + statePath, body: `{"enabled":false}`, status: 422, want: concurrency},
			{call: patch + "?" + incomplete, body: chosen("sync2"), status: 422, want: concurrency, exact: true},
			{call: "PUT " + bindingPath, body: chosen("async"), status: 422, want: concurrency},
			{
				call: "DELETE " + instancePath + ids("async") + "&" + incomplete, status: 422, want: concurrency,
				exact: true,
			},
			{
				call:   "GET " + instancePath + "/last_operation?operation=provision-1&service_id=db&plan_id=async",
				status: 200,
				want:   `{"state":"in progress","description":"The operation provision is in progress: 0 of 2."}`,
				exact:  true, header: map[string]string{"Retry-After": "7"},
			},
			poll("in progress"),
			{
				call: "GET " + instancePath + "/last_operation", status: 200,
				header: map[string]string{"Retry-After": ""},
				want:   `{"state":"succeeded","description":"The operation succeeded."}`, exact: true,
			},
			poll("succeeded"),
			{call: "GET " + instancePath, status: 200, want: `{"plan_id":"async"}`},
			{call: put, body: chosen("async"), status: 200, lacks: []string{"operation"}},
		}, instances: []string{"i"}},
		{name: "failed synchronously", steps: []step{
			{call: put, body: chosen("fails"), status: 500, lacks: []string{"instance_usable", "update_repeatable"}},
			{call: "GET " + instancePath, status: 404},
			{call: "DELETE " + instancePath + ids("fails"), status: 410, want: `{}`, exact: true},
		}},
		{name: "failed asynchronously", steps: []step{
			{call: put + "?" + incomplete, body: chosen("fails-async"), status: 202},
			{
				call: "GET " + instancePath + "/last_operation", status: 200, want: `{"state":"failed"}`,
				lacks: []string{"instance_usable", "update_repeatable"},
			},
			poll("failed"),
			{call: "GET " + instancePath, status: 404},
			{call: "GET /debug/state", status: 200},
			{call: patch, body: chosen("sync"), status: 422, lacks: []string{"error"}},
			{call: "PUT " + bindingPath, body: chosen("fails-async"), status: 422, lacks: []string{"error"}},
			{call: "PUT " + statePath, body: `{"enabled":true}`, status: 422},
			{call: put + "?" + incomplete, body: chosen("async"), status: 409},
			{
				call: put + "?" + incomplete, body: chosen("fails-async"), status: 202,
				want: `{"operation":"provision-2"}`,
			},
			poll("failed"),
			{call: "DELETE " + instancePath + ids("fails-async") + "&" + incomplete, status: 202},
			{call: "GET " + instancePath + "/last_operation", status: 410, want: `{}`, exact: true},
		}},
		{name: "failed and left", steps: []step{
			{call: put + "?" + incomplete, body: chosen("fails-async"), status: 202}, poll("failed"),
		}, instances: []string{"i"}},
	})
}

func maintained(plan, version string) string {
	return `{"service_id":"db","plan_id":"` + plan + `",` +
		`"maintenance_info":{"version":"` + version + `","description":"d"}}`
}
