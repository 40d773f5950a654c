package osb_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// The calls that IBM Cloud documents, from the request line to what the gateway knows of them.
func TestIBMCloudCalls(t *testing.T) {
	t.Parallel()
	const (
		instance = "/v2/service_instances/" + crnEscaped
		binding  = instance + "/service_bindings/" + keyCRNEscaped
		state    = "/bluemix_v1/service_instances/" + crnEscaped
		plan     = "e62e2c19-0c3b-41e3-b8b3-c71762ecd489"
		service  = "cb55391b-3416-4943-a6a6-a541778c1924"
		ids      = "plan_id=" + plan + "&service_id=" + service
	)
	tests := map[string]struct {
		method, target string
		operation      osb.Operation
		instance       string
		binding        string
		query          osb.Query
	}{
		"catalog": {"GET", "/v2/catalog", osb.Catalog, "", "", osb.Query{}},
		"provision": {
			"PUT", instance + "?accepts_incomplete=true", osb.Provision, crn, "", osb.Query{AcceptsIncomplete: true},
		},
		"update": {
			"PATCH", instance + "?accepts_incomplete=true", osb.Update, crn, "", osb.Query{AcceptsIncomplete: true},
		},
		"bind":        {"PUT", binding, osb.Bind, crn, keyCRN, osb.Query{}},
		"bind, slash": {"PUT", binding + "/", osb.Bind, crn, keyCRN, osb.Query{}},
		"unbind":      {"DELETE", binding + "?" + ids, osb.Unbind, crn, keyCRN, osb.Query{ServiceID: service, PlanID: plan}},
		"enable":      {"PUT", state, osb.SetState, crn, "", osb.Query{}},
		"state":       {"GET", state, osb.GetState, crn, "", osb.Query{}},
		"unescaped id": {
			"GET", "/bluemix_v1/service_instances/%7Binstance_id%7D", osb.GetState, "{instance_id}", "", osb.Query{},
		},
		"deprovision": {
			"DELETE", instance + "?accepts_incomplete=true&" + ids, osb.Deprovision, crn, "",
			osb.Query{ServiceID: service, PlanID: plan, AcceptsIncomplete: true},
		},
		"poll": {
			"GET", instance + "/last_operation?operation=Provision_45&" + ids, osb.PollInstance, crn, "",
			osb.Query{ServiceID: service, PlanID: plan, Operation: "Provision_45"},
		},
		"poll until": {
			"GET", instance + "/last_operation?last_poll_time=1700000000&" + ids, osb.PollInstance, crn, "",
			osb.Query{ServiceID: service, PlanID: plan},
		},
		"id without its empty end": {
			"PUT", "/v2/service_instances/crn%3Av1%3Abluemix%3Apublic%3Acompose-redis%3Aus-south%3Aa%2F46aa%3A416d" +
				"?accepts_incomplete=true",
			osb.Provision, "crn:v1:bluemix:public:compose-redis:us-south:a/46aa:416d", "",
			osb.Query{AcceptsIncomplete: true},
		},
		"id as a Go client escapes it": {
			"PUT", "/v2/service_instances/" + url.PathEscape(crn), osb.Provision, crn, "", osb.Query{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := url.ParseRequestURI(test.target)
			if err != nil {
				t.Fatalf("parsing the request target: %v", err)
			}
			path, err := osb.ParsePath(test.method, osb.EscapedPath(target))
			if err != nil {
				t.Fatalf("parsing the path: %v", err)
			}
			want := osb.Path{Operation: test.operation, Instance: test.instance, Binding: test.binding}
			if want.Escaped = test.target; target.RawQuery != "" {
				want.Escaped = test.target[:len(test.target)-len(target.RawQuery)-1]
			}
			if diff := cmp.Diff(want, path); diff != "" {
				t.Errorf("path differs (-want +got):\n%s", diff)
			}
			query, err := osb.ParseQuery(target.RawQuery)
			if err != nil {
				t.Fatalf("parsing the query: %v", err)
			}
			if diff := cmp.Diff(test.query, query); diff != "" {
				t.Errorf("query differs (-want +got):\n%s", diff)
			}
		})
	}
}
