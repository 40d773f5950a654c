package samplebroker_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestDeprovision(t *testing.T) {
	t.Parallel()
	remove, put := "DELETE "+instancePath, "PUT "+instancePath
	runScenarios(t, []scenario{
		{name: "synchronous", steps: []step{
			{call: remove + ids("sync"), status: 410, want: `{}`, exact: true},
			provisioned("sync"),
			{call: remove, status: 400},
			{call: remove + "?service_id=db", status: 400},
			{call: remove + "?plan_id=sync", status: 400},
			{call: remove + "?service_id=db&plan_id=", status: 400},
			{call: remove + "?service_id=closed&plan_id=sync", status: 400},
			{call: remove + ids("sync2"), status: 400},
			{call: remove + ids("sync"), status: 200, want: `{}`, exact: true},
			{call: remove + ids("sync"), status: 410, want: `{}`, exact: true},
			{call: "GET " + instancePath, status: 404},
			{call: "GET " + instancePath + "/last_operation", status: 404},
			provisioned("sync"),
		}, instances: []string{"i"}},
		{name: "asynchronous", steps: []step{
			{call: put + "?" + incomplete, body: chosen("async"), status: 202, want: `{"operation":"provision-1"}`},
			poll("in progress"), poll("in progress"), poll("succeeded"),
			{call: remove + ids("async"), status: 422, want: asyncRequired, exact: true},
			{
				call: remove + ids("async") + "&" + incomplete, status: 202, want: `{"operation":"deprovision-2"}`,
				exact: true,
			},
			{
				call: remove + ids("async") + "&" + incomplete, status: 202, want: `{"operation":"deprovision-2"}`,
				exact: true,
			},
			{call: remove + ids("async"), status: 422, want: asyncRequired},
			{call: put + "?" + incomplete, body: chosen("async"), status: 422, want: concurrency},
			{call: "PATCH " + instancePath + "?" + incomplete, body: chosen("sync"), status: 422, want: concurrency},
			{call: "GET " + instancePath, status: 200},
			{
				call: "GET " + instancePath + "/last_operation", status: 200, want: `{"state":"in progress"}`,
				header: map[string]string{"Retry-After": "7"},
			},
			poll("in progress"),
			{call: "GET " + instancePath + "/last_operation", status: 410, want: `{}`, exact: true},
			{
				call: "GET " + instancePath + "/last_operation?operation=deprovision-2", status: 410, want: `{}`,
				exact: true,
			},
			{
				call: "GET " + instancePath + "/last_operation?operation=provision-1", status: 200,
				want: `{"state":"succeeded"}`,
			},
			{call: "GET " + instancePath + "/last_operation?operation=provision-2", status: 400},
			{call: remove + ids("async") + "&" + incomplete, status: 410, want: `{}`, exact: true},
			{call: put + "?" + incomplete, body: chosen("async"), status: 202, want: `{"operation":"provision-3"}`},
			{call: "GET " + instancePath + "/last_operation?operation=deprovision-2", status: 410},
			poll("in progress"),
		}, instances: []string{"i"}},
		{name: "halts the creation", steps: []step{
			{
				call: put + "?" + incomplete, body: chosen("interruptible"), status: 202,
				want: `{"operation":"provision-1"}`,
			},
			{call: remove + ids("interruptible"), status: 422, want: asyncRequired},
			{
				call: remove + ids("interruptible") + "&" + incomplete, status: 202,
				want: `{"operation":"deprovision-2"}`,
			},
			{call: "GET " + instancePath, status: 404},
			{
				call: "GET " + instancePath + "/last_operation?operation=provision-1", status: 200,
				want: `{"state":"failed"}`,
			},
			poll("in progress"),
			{call: "GET " + instancePath + "/last_operation", status: 410},
		}},
		{name: "without an operation, reported as succeeded", steps: []step{
			{call: put + "?" + incomplete, body: chosen("quiet"), status: 202, lacks: []string{"operation"}},
			{
				call: "GET " + instancePath + "/last_operation", status: 200, want: `{"state":"in progress"}`,
				header: map[string]string{"Retry-After": ""},
			},
			poll("succeeded"),
			{call: remove + ids("quiet") + "&" + incomplete, status: 202, want: `{}`, exact: true},
			{call: "GET " + instancePath + "/last_operation?operation=x", status: 400},
			{call: "GET " + instancePath + "/last_operation?operation=", status: 400},
			poll("in progress"), poll("succeeded"), poll("succeeded"),
		}},
		{name: "an operation of any characters", steps: []step{
			{
				call: put + "?" + incomplete, body: chosen("suffix"), status: 202,
				want: `{"operation":"provision-1 100%&a=b+c/é"}`,
			},
			{
				call:   "GET " + instancePath + "/last_operation?operation=provision-1%20100%25%26a%3Db%2Bc%2F%C3%A9",
				status: 200, want: `{"state":"in progress"}`,
			},
			{
				call:   "GET " + instancePath + "/last_operation?operation=provision-1%20100%25%26a%3Db+c/%C3%A9",
				status: 400,
			},
		}, instances: []string{"i"}},
		{name: "failed synchronously", steps: []step{
			provisioned("fails-update"),
			{
				call: remove + ids("fails-update"), status: 500, want: `{"instance_usable":true}`,
				lacks: []string{"update_repeatable"},
			},
			{call: "GET " + instancePath, status: 200},
		}, instances: []string{"i"}},
		{name: "failed asynchronously", steps: []step{
			{call: put + "?" + incomplete, body: chosen("fails-later"), status: 202},
			poll("succeeded"),
			{call: remove + ids("fails-later") + "&" + incomplete, status: 202},
			{
				call: "GET " + instancePath + "/last_operation", status: 200,
				want:  `{"state":"failed","instance_usable":true}`,
				lacks: []string{"update_repeatable"},
			},
			{call: "GET " + instancePath, status: 200},
		}, instances: []string{"i"}},
		{name: "polls name the instance's ids", steps: []step{
			{call: "GET " + instancePath + "/last_operation", status: 404},
			provisioned("sync"),
			{call: "GET " + instancePath + "/last_operation?service_id=closed", status: 400},
			{call: "GET " + instancePath + "/last_operation?plan_id=sync2", status: 400},
			{call: "GET " + instancePath + "/last_operation?plan_id=", status: 400},
			{call: "GET " + instancePath + "/last_operation?service_id=db&plan_id=sync&last_poll_time=1", status: 200},
		}, instances: []string{"i"}},
	})
}

// TestWithdrawnPlan takes the catalog away from under instances: they go on, and can be deleted.
func TestWithdrawnPlan(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	step{call: "PUT " + instancePath + "?" + incomplete, body: chosen("async"), status: 202}.run(t, c)
	if err := c.broker.SetCatalog([]byte(`{"services":[]}`)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []step{
		poll("in progress"), poll("in progress"), poll("succeeded"),
		{call: "PUT " + instancePath, body: chosen("async"), status: 200},
		{call: "PUT /v2/service_instances/new", body: chosen("async"), status: 400},
		{call: "GET " + instancePath, status: 200},
		{call: "PUT " + bindingPath, body: chosen("async"), status: 201},
		{call: "PATCH " + instancePath, body: chosen("sync"), status: 400},
		{call: "DELETE " + instancePath + ids("async"), status: 422, want: asyncRequired},
		{call: "DELETE " + instancePath + ids("async") + "&" + incomplete, status: 202},
		poll("in progress"), poll("in progress"),
		{call: "GET " + instancePath + "/last_operation", status: 410},
	} {
		s.run(t, c)
	}
}
