package samplebroker_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestFetchInstance(t *testing.T) {
	t.Parallel()
	get := "GET " + instancePath
	runScenarios(t, []scenario{
		{name: "all of it", steps: []step{
			{call: get, status: 404},
			{call: "PUT " + instancePath, status: 201, body: `{"service_id":"db","plan_id":"sync",` +
				`"parameters":{"n":12345678901234567890,"html":"<&>"}}`},
			{call: get + "?service_id=db&plan_id=other", status: 200, exact: true, want: `{
				"service_id":"db","plan_id":"sync","parameters":{"n":12345678901234567890,"html":"<&>"},
				"dashboard_url":"https://dashboard.example.com/instances/i","maintenance_info":{"version":"1.2.3"},
				"metadata":{"labels":{"plan":"sync"},"attributes":{"samplebroker.service":"db"}}}`},
			{call: get + "?service_id=", status: 400},
		}, instances: []string{"i"}},
		{name: "not retrievable", steps: []step{
			{call: "PUT " + instancePath, body: `{"service_id":"closed","plan_id":"closed-plan"}`, status: 201},
			{call: get, status: 400},
		}, instances: []string{"i"}},
	})
}

func TestBigNumbersSurvive(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	c.do(t, "PUT "+instancePath, `{"service_id":"db","plan_id":"sync","parameters":{"n":12345678901234567890}}`, nil)
	want := `"parameters":{"n":12345678901234567890}`
	if r := c.do(t, "GET "+instancePath, "", nil); !contains(r.body, want) {
		t.Errorf("got %s, want %s in it", r.body, want)
	}
}

// TestHistoryIsBounded holds that only the latest operations of an instance are remembered.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	put := step{call: "PUT " + instancePath + "?" + incomplete, body: chosen("quiet"), status: 202}
	remove := step{call: "DELETE " + instancePath + ids("quiet") + "&" + incomplete, status: 202}
	first := step{call: "PUT " + instancePath + "?" + incomplete, body: chosen("suffix"), status: 202}
	poll1 := "GET " + instancePath + "/last_operation?operation=provision-1%20100%25%26a%3Db%2Bc%2F%C3%A9"
	for _, s := range []step{
		first, poll("in progress"), poll("succeeded"),
		{call: "DELETE " + instancePath + ids("suffix") + "&" + incomplete, status: 202},
		poll("in progress"),
		{call: "GET " + instancePath + "/last_operation", status: 410},
		{call: poll1, status: 400},
	} {
		if s.call == poll1 {
			for range 16 {
				for _, again := range []step{
					put, poll("in progress"), poll("succeeded"), remove, poll("in progress"), poll("succeeded"),
				} {
					again.run(t, c)
				}
			}
		}
		s.run(t, c)
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	create := step{call: "PUT " + instancePath + "?" + incomplete, body: chosen("quiet"), status: 202}
	changed := `{"service_id":"db","parameters":{"a":1}}`
	for _, test := range []struct {
		step step
		want string
	}{
		{create, "creating"},
		{poll("in progress"), "creating"},
		{poll("succeeded"), "ready"},
		{step{call: "PATCH " + instancePath + "?" + incomplete, body: changed, status: 202}, "updating"},
		{poll("in progress"), "updating"},
		{poll("succeeded"), "ready"},
		{step{call: "DELETE " + instancePath + ids("quiet") + "&" + incomplete, status: 202}, "deleting"},
	} {
		test.step.run(t, c)
		if got := c.broker.State().Instances[0].Phase; got != test.want {
			t.Errorf("after %s: got phase %s, want %s", test.step.call, got, test.want)
		}
	}
}
