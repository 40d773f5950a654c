package samplebroker_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func TestBind(t *testing.T) {
	t.Parallel()
	put, get, remove := "PUT "+bindingPath, "GET "+bindingPath, "DELETE "+bindingPath
	withApp := `{"service_id":"db","plan_id":"app","bind_resource":{"app_guid":"a","route":"r"},"parameters":{"x":1}}`
	requiresApp := `{"error":"RequiresApp","description":` +
		`"This Service supports generation of credentials through binding an application only."}`
	runScenarios(t, []scenario{
		{name: "synchronous", steps: []step{
			{call: put, body: chosen("sync"), status: 404},
			{call: get, status: 404},
			provisioned("sync"),
			{call: get, status: 404},
			{call: "GET " + bindingPath + "/last_operation", status: 404},
			{call: put + "?" + incomplete, body: chosen("sync"), status: 201, lacks: []string{
				"operation", "metadata", "parameters", "syslog_drain_url", "route_service_url", "volume_mounts",
			}, want: `{"credentials":{"port":5432,"username":"user-1"}}`},
			{call: put, body: chosen("sync"), status: 200, want: `{"credentials":{"username":"user-1"}}`},
			{call: put, body: `{"service_id":"db","plan_id":"sync","parameters":{"a":1}}`, status: 409},
			{call: put, body: `{"service_id":"db","plan_id":"sync","bind_resource":{"app_guid":"a"}}`, status: 409},
			{
				call: put, body: `{"service_id":"db","plan_id":"sync","parameters":null,"app_guid":"","context":{}}`,
				status: 200,
			},
			{call: get + "?service_id=db", status: 200, want: `{"credentials":{"username":"user-1"}}`},
			{call: get + "?plan_id=", status: 400},
			pollBound("succeeded"),
		}, instances: []string{"i"}, bindings: []string{"b"}},
		{name: "refused", steps: []step{
			provisioned("sync"),
			{call: put, body: `{"plan_id":"sync"}`, status: 400},
			{call: put, body: `{"service_id":"db"}`, status: 400},
			{call: put, body: `{"service_id":"closed","plan_id":"sync"}`, status: 400},
			{call: put, body: chosen("sync2"), status: 400},
			{call: put, body: `{"service_id":"db","plan_id":"sync","parameters":[]}`, status: 400},
			{call: put, body: `{"service_id":"db","plan_id":"sync","context":1}`, status: 400},
			{call: put, body: `{"service_id":"db","plan_id":"sync","bind_resource":"x"}`, status: 400},
			{call: put, body: `{"service_id":"db","plan_id":"sync","bind_resource":{"app_guid":1}}`, status: 400},
		}, instances: []string{"i"}},
		{name: "plan not bindable", steps: []step{
			provisioned("unbindable"), {call: put, body: chosen("unbindable"), status: 400},
		}, instances: []string{"i"}},
		{name: "offering not bindable", steps: []step{
			{call: "PUT " + instancePath, body: `{"service_id":"closed","plan_id":"closed-plan"}`, status: 201},
			{call: put, body: `{"service_id":"closed","plan_id":"closed-plan"}`, status: 400},
		}, instances: []string{"i"}},
		{name: "plan bindable, not retrievable", steps: []step{
			{call: "PUT " + instancePath, body: `{"service_id":"closed","plan_id":"closed-bindable"}`, status: 201},
			{call: put, body: `{"service_id":"closed","plan_id":"closed-bindable"}`, status: 201},
			{call: get, status: 400},
		}, instances: []string{"i"}, bindings: []string{"b"}},
		{name: "application required", steps: []step{
			provisioned("app"),
			{call: put, body: chosen("app"), status: 422, want: requiresApp, exact: true},
			{
				call: put, body: `{"service_id":"db","plan_id":"app","app_guid":"","bind_resource":{"app_guid":""}}`,
				status: 422,
				want:   requiresApp,
			},
			{call: put, body: withApp, status: 201},
			{call: get, status: 200, want: `{"parameters":{"x":1}}`},
			{
				call: "PUT " + instancePath + "/service_bindings/c", status: 201,
				body: `{"service_id":"db","plan_id":"app","app_guid":"a"}`,
			},
		}, instances: []string{"i"}, bindings: []string{"b", "c"}},
		{name: "asynchronous", steps: []step{
			provisioned("async-bindings"),
			{call: put, body: chosen("async-bindings"), status: 422, want: asyncBindings, exact: true},
			{
				call: put + "?" + incomplete, body: chosen("async-bindings"), status: 202,
				want:  `{"operation":"bind-1"}`,
				exact: true,
			},
			{
				call: put + "?" + incomplete, body: chosen("async-bindings"), status: 202,
				want: `{"operation":"bind-1"}`, exact: true,
			},
			{call: put, body: chosen("async-bindings"), status: 422, want: asyncBindings},
			{
				call: put + "?" + incomplete,
				body: `{"service_id":"db","plan_id":"async-bindings","parameters":{"a":1}}`, status: 409,
			},
			{call: get, status: 404},
			{call: remove + ids("async-bindings") + "&" + incomplete, status: 422, want: concurrency, exact: true},
			{call: "DELETE " + instancePath + ids("async-bindings"), status: 422, want: concurrency, exact: true},
			{
				call:   "GET " + bindingPath + "/last_operation?operation=bind-1&service_id=db&plan_id=async-bindings",
				status: 200,
				want:   `{"state":"in progress"}`, header: map[string]string{"Retry-After": "1"},
			},
			{call: "GET " + bindingPath + "/last_operation?operation=bind-9", status: 400},
			{call: "GET " + bindingPath + "/last_operation?service_id=closed", status: 400},
			pollBound("succeeded"), pollBound("succeeded"),
			{call: get, status: 200, want: `{"credentials":{"port":5432}}`},
			{call: put, body: chosen("async-bindings"), status: 200, want: `{"credentials":{"port":5432}}`},
			{call: remove + ids("async-bindings"), status: 422, want: asyncBindings, exact: true},
			{
				call: remove + ids("async-bindings") + "&" + incomplete, status: 202,
				want: `{"operation":"unbind-2"}`, exact: true,
			},
			{
				call: remove + ids("async-bindings") + "&" + incomplete, status: 202,
				want: `{"operation":"unbind-2"}`, exact: true,
			},
			{call: remove + ids("async-bindings"), status: 422, want: asyncBindings},
			{call: put + "?" + incomplete, body: chosen("async-bindings"), status: 422, want: concurrency},
			pollBound("in progress"),
			{call: "GET " + bindingPath + "/last_operation", status: 410, want: `{}`, exact: true},
			{call: "GET " + bindingPath + "/last_operation", status: 410, want: `{}`, exact: true},
			{call: remove + ids("async-bindings") + "&" + incomplete, status: 410, want: `{}`, exact: true},
		}, instances: []string{"i"}},
		{name: "unbind", steps: []step{
			{call: remove + ids("sync"), status: 410, want: `{}`, exact: true},
			provisioned("sync"),
			{call: remove + ids("sync"), status: 410, want: `{}`, exact: true},
			{call: put, body: chosen("sync"), status: 201},
			{call: remove + "?service_id=db", status: 400},
			{call: remove + "?plan_id=sync", status: 400},
			{call: remove + "?service_id=closed&plan_id=sync", status: 400},
			{call: remove + ids("sync"), status: 200, want: `{}`, exact: true},
			{call: remove + ids("sync"), status: 410, want: `{}`, exact: true},
			{call: get, status: 404},
			{call: "GET " + bindingPath + "/last_operation", status: 404},
			{call: put, body: chosen("sync"), status: 201},
		}, instances: []string{"i"}, bindings: []string{"b"}},
		{name: "one id in two instances", steps: []step{
			provisioned("sync"),
			{call: put, body: chosen("sync"), status: 201},
			{call: "PUT /v2/service_instances/j", body: chosen("sync"), status: 201},
			{call: "GET /v2/service_instances/j/service_bindings/b", status: 404},
			{
				call: "PUT /v2/service_instances/j/service_bindings/b", status: 201,
				body: `{"service_id":"db","plan_id":"sync","parameters":{"a":1}}`,
			},
			{call: remove + ids("sync"), status: 200},
			{call: "GET /v2/service_instances/j/service_bindings/b", status: 200},
		}, instances: []string{"i", "j"}, bindings: []string{"b"}},
		{name: "gone with the instance", steps: []step{
			provisioned("sync"),
			{call: put, body: chosen("sync"), status: 201},
			{call: "DELETE " + instancePath + ids("sync"), status: 200},
			{call: get, status: 404},
			{call: "GET " + bindingPath + "/last_operation", status: 404},
			{call: remove + ids("sync"), status: 410},
		}},
		{name: "while the instance is being deleted", steps: []step{
			{call: "PUT " + instancePath + "?" + incomplete, body: chosen("async"), status: 202},
			poll("in progress"), poll("in progress"), poll("succeeded"),
			{call: put, body: chosen("async"), status: 201},
			{call: "DELETE " + instancePath + ids("async") + "&" + incomplete, status: 202},
			{call: remove + ids("async"), status: 422, want: concurrency},
			{
				call: "PUT " + instancePath + "/service_bindings/c", body: chosen("async"), status: 422,
				want: concurrency,
			},
		}, instances: []string{"i"}, bindings: []string{"b"}},
		{name: "failed", steps: []step{
			provisioned("fails-update"),
			{call: put, body: chosen("fails-update"), status: 500, lacks: []string{"instance_usable"}},
		}, instances: []string{"i"}},
		{name: "failed asynchronously", steps: []step{
			{call: "PUT " + instancePath + "?" + incomplete, body: chosen("fails-later"), status: 202},
			poll("succeeded"),
			{call: put + "?" + incomplete, body: chosen("fails-later"), status: 202, want: `{"operation":"bind-2"}`},
			{
				call: "GET " + bindingPath + "/last_operation", status: 200, want: `{"state":"failed"}`,
				lacks: []string{"instance_usable", "update_repeatable"},
			},
			{call: get, status: 404},
			{
				call: put + "?" + incomplete,
				body: `{"service_id":"db","plan_id":"fails-later","parameters":{"a":1}}`, status: 409,
			},
			{call: put + "?" + incomplete, body: chosen("fails-later"), status: 202},
			pollBound("failed"),
			{call: remove + ids("fails-later") + "&" + incomplete, status: 202},
			{call: "GET " + bindingPath + "/last_operation", status: 410},
		}, instances: []string{"i"}},
		{name: "a deletion halts the creation", steps: []step{
			{call: "PUT " + instancePath + "?" + incomplete, body: chosen("interruptible"), status: 202},
			poll("in progress"), poll("succeeded"),
			{call: put + "?" + incomplete, body: chosen("interruptible"), status: 202, want: `{"operation":"bind-2"}`},
			{call: remove + ids("interruptible") + "&" + incomplete, status: 202},
			{call: "GET " + bindingPath + "/last_operation?operation=bind-2", status: 200, want: `{"state":"failed"}`},
			pollBound("in progress"),
			{call: "GET " + bindingPath + "/last_operation", status: 410},
		}, instances: []string{"i"}},
		{name: "all kinds of bindings", steps: []step{
			{call: "PUT " + instancePath, body: `{"service_id":"drain","plan_id":"drain-plan"}`, status: 201},
			{
				call: put, body: `{"service_id":"drain","plan_id":"drain-plan"}`, status: 201,
				lacks: []string{"route_service_url"},
			},
			{
				call: "PUT " + instancePath + "/service_bindings/c", status: 201, want: `{
					"syslog_drain_url":"syslog-tls://s-de7d1b721a1e.samplebroker.example:6514",
					"route_service_url":"https://s-de7d1b721a1e.samplebroker.example",
					"volume_mounts":[{"driver":"nfs","container_dir":"/var/vcap/data/de7d1b721a1e","mode":"rw",
						"device_type":"shared","device":{"volume_id":"de7d1b721a1e"}}],
					"endpoints":[{"host":"s-de7d1b721a1e.samplebroker.example","ports":["5432"],"protocol":"tcp"}]}`,
				body: `{"service_id":"drain","plan_id":"drain-plan","bind_resource":{"route":"app.example.com"}}`,
			},
		}, instances: []string{"i"}, bindings: []string{"b", "c"}},
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	c.do(t, "PUT "+instancePath, chosen("sync"), nil)
	seen := make(map[any]bool)
	for _, path := range []string{bindingPath, instancePath + "/service_bindings/c"} {
		body := decode(t, c.do(t, "PUT "+path, chosen("sync"), nil).body)
		credentials, _ := body["credentials"].(map[string]any)
		uri, _ := credentials["uri"].(string)
		form := regexp.MustCompile(
			`^db://user-\d+:[A-Z2-7]{26}@s-[0-9a-f]{12}\.samplebroker\.example:5432/db_[0-9a-f]{12}$`)
		if !form.MatchString(uri) {
			t.Errorf("got uri %q, want one like %s", uri, form)
		}
		if seen[uri] || seen[credentials["password"]] {
			t.Error("two bindings have the same credentials")
		}
		seen[uri], seen[credentials["password"]] = true, true
	}
	state := c.do(t, "GET /debug/state", "", nil)
	for secret := range seen {
		if text, _ := secret.(string); contains(state.body, text) {
			t.Error("/debug/state shows credentials")
		}
	}
}
