package samplebroker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestExistingInstances(t *testing.T) {
	t.Parallel()
	existing, err := samplebroker.ParseInstances([]byte(`[
		{"instance_id":"i","service_id":"db","plan_id":"async","organization_guid":"o","space_guid":"s",
		 "context":{"platform":"x"},"parameters":{"a":1},"bindings":[{"binding_id":"b","app_guid":"a"}]},
		{"instance_id":"crn:v1:a/b::","service_id":"db","plan_id":"sync","parameters":null,"disabled":true}]`))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, samplebroker.Options{Instances: existing})
	want := samplebroker.State{Instances: []samplebroker.InstanceState{
		{
			InstanceID: "crn:v1:a/b::", ServiceID: "db", PlanID: "sync", Phase: "ready", MaintenanceVersion: "1.2.3",
			Bindings: []samplebroker.BindingState{},
		},
		{
			InstanceID: "i", ServiceID: "db", PlanID: "async", Phase: "ready", Enabled: true, Organization: "o",
			Space:   "s",
			Context: []byte(`{"platform":"x"}`), Parameters: []byte(`{"a":1}`),
			Bindings: []samplebroker.BindingState{{BindingID: "b", Phase: "ready", AppGUID: "a"}},
		},
	}}
	if diff := cmp.Diff(want, c.broker.State()); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	same := `{"service_id":"db","plan_id":"async","organization_guid":"o","space_guid":"s","parameters":{"a":1}}`
	for _, s := range []step{
		{call: "GET " + instancePath, status: 200, want: `{"parameters":{"a":1}}`},
		{call: "PUT " + instancePath, body: same, status: 200},
		poll("succeeded"),
		pollBound("succeeded"),
		{call: "GET " + bindingPath, status: 200, want: `{"credentials":{"port":5432}}`},
		{call: "PATCH " + instancePath + "?" + incomplete, body: `{"service_id":"db","parameters":{}}`, status: 200},
		{call: "GET /bluemix_v1/service_instances/crn%3Av1%3Aa%2Fb::", status: 200, want: `{"enabled":false}`},
		{call: "GET /v2/service_instances/crn%3Av1%3Aa%2Fb%3A%3A", status: 200, lacks: []string{"parameters"}},
	} {
		s.run(t, c)
	}
}

func TestExistingInstancesRefused(t *testing.T) {
	t.Parallel()
	catalog := readTestCatalog(t)
	for _, test := range []struct{ name, instances string }{
		{"no JSON", `[`},
		{"trailing data", `[][]`},
		{"unknown field", `[{"instance":"i"}]`},
		{"unknown service", `[{"instance_id":"i","service_id":"x","plan_id":"sync"}]`},
		{"unknown plan", `[{"instance_id":"i","service_id":"db","plan_id":"x"}]`},
		{"no id", `[{"service_id":"db","plan_id":"sync"}]`},
		{"context", `[{"instance_id":"i","service_id":"db","plan_id":"sync","context":1}]`},
		{"parameters", `[{"instance_id":"i","service_id":"db","plan_id":"sync","parameters":[]}]`},
		{"twice", `[{"instance_id":"i","service_id":"db","plan_id":"sync"},` +
			`{"instance_id":"i","service_id":"db","plan_id":"sync"}]`},
		{"binding twice", `[{"instance_id":"i","service_id":"db","plan_id":"sync",` +
			`"bindings":[{"binding_id":"b"},{"binding_id":"b"}]}]`},
		{"binding parameters", `[{"instance_id":"i","service_id":"db","plan_id":"sync",` +
			`"bindings":[{"binding_id":"b","parameters":1}]}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			existing, err := samplebroker.ParseInstances([]byte(test.instances))
			if err == nil {
				_, err = samplebroker.New(samplebroker.Options{Catalog: catalog, Instances: existing})
			}
			if err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	catalog := readTestCatalog(t)
	for name, options := range map[string]samplebroker.Options{
		"no catalog":       {},
		"user alone":       {Catalog: catalog, User: "u"},
		"password alone":   {Catalog: catalog, Password: "p"},
		"state status":     {Catalog: catalog, StateStatus: 202},
		"base path":        {Catalog: catalog, BasePath: "one"},
		"base path, slash": {Catalog: catalog, BasePath: "/one/"},
		"fault":            {Catalog: catalog, Faults: []samplebroker.Fault{{Path: "("}}},
	} {
		if _, err := samplebroker.New(options); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
