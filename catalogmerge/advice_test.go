package catalogmerge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	sound := service("a", "n", "p")
	named := func(name string) string { return service("a", name, "p") }
	judge(t, []judgement{
		{"63 bytes", named(strings.Repeat("n", 63)), nil},
		{"64 bytes", named(strings.Repeat("n", 64)), []string{"(name too_long)"}},
		{"64 bytes of fewer letters", named(strings.Repeat("é", 32)), []string{"(name too_long)"}},
		{"256 letters", named(strings.Repeat("n", 256)), []string{"(name too_long)"}},
		{"a long id", service(strings.Repeat("a", 64), "n", "p"), []string{"(id too_long)"}},
		{
			"a long plan", service("a", "n", strings.Repeat("p", 64)),
			[]string{"(plans[0].id too_long)", "(plans[0].name too_long)"},
		},
		{"white space around a name", named(" n"), []string{"(name odd_characters)"}},
		{"white space in a name", named("n n"), nil},
		{"control characters", strings.Replace(sound, `"id":"a"`, `"id":"a\u0000b"`, 1), []string{"(id odd_characters)"}},
		{
			"control characters in a plan", strings.Replace(sound, `"name":"p"`, `"name":"p\u0007"`, 1),
			[]string{"(plans[0].name odd_characters)"},
		},

		{"free left out", planned(`[{"id":"p","name":"p","description":"d","bindable":true}]`), []string{"(plans default_absent)"}},
		{"null as free", planned(`[{"id":"p","name":"p","description":"d","bindable":true,"free":null}]`), []string{"(plans default_absent)"}},
		{"bindable left out", planned(`[{"id":"p","name":"p","description":"d","free":false}]`), []string{"(plans default_absent)"}},
		{
			"bindable left out where nothing is",
			strings.Replace(planned(`[{"id":"p","name":"p","description":"d","free":false}]`), "true", "false", 1), nil,
		},

		{"plan-updatable", with(sound, `"plan-updatable":true`), []string{"(plan_updateable misspelt)"}},
		{"planUpdatable", ofPlan(`"planUpdatable":"yes"`), []string{"(plans[0].plan_updateable misspelt)"}},
		{"dashboardClient", with(sound, `"dashboardClient":{}`), []string{"(dashboard_client misspelt)"}},
		{"serviceInstance", ofPlan(`"schemas":{"serviceInstance":{},"service-binding":1}`), []string{
			"(plans[0].schemas.service_instance misspelt)", "(plans[0].schemas.service_binding misspelt)",
		}},
		{"a field of plans", with(sound, `"maximum_polling_duration":"soon"`), []string{"(maximum_polling_duration misspelt)"}},
		{"a long unknown name", with(sound, `"`+strings.Repeat("plan_", 100)+`":1`), nil},

		// Platforms written in Go do not mind the case of names.
		{"Tags", with(sound, `"Tags":["a"]`), []string{"(tags misspelt)"}},
		{"null as Tags", with(sound, `"TAGS":null`), []string{"(tags misspelt)"}},
		{"wrong Tags", with(sound, `"Tags":"a"`), []string{"tags wrong_type"}},
		{"Tags as they sound", with(sound, `"tagſ":{}`), []string{"tags wrong_type"}},
		{"both tags and Tags", with(sound, `"Tags":[],"tags":[]`), []string{"tags duplicate_key"}},
		{"another ID", with(sound, `"ID":"b"`), []string{"id duplicate_key"}},
		{"Schemas", ofPlan(`"Schemas":{"service_instance":1}`), []string{"plans[0].schemas duplicate_key"}},
		{"null as Schemas", ofPlan(`"Schemas":null`), []string{"(plans[0].schemas misspelt)"}},

		{"metadata of 65535 bytes", with(sound, `"metadata":{"x":"`+strings.Repeat("x", 65535-8)+`"}`), nil},
		{"metadata of 65536 bytes", with(sound, `"metadata":{"x":"`+strings.Repeat("x", 65536-8)+`"}`), []string{"(metadata too_long)"}},
		{"a documentation", with(sound, `"metadata":{"documentationUrl":"https://docs.example.com"}`), nil},
		{"null as documentation", with(sound, `"metadata":{"documentationUrl":null}`), []string{"(metadata.documentationUrl wrong_type)"}},
		{"a list as documentation", with(sound, `"metadata":{"documentationUrl":[]}`), []string{"(metadata.documentationUrl wrong_type)"}},
		{"documentation of a plan", ofPlan(`"metadata":{"documentationUrl":[]}`), nil},

		{
			"hard and soft", with(service("a", strings.Repeat("n", 64), "p"), `"tags":1`),
			[]string{"tags wrong_type", "(name too_long)"},
		},
	})
}

// TestWarningsAreCounted: what is wrong with many plans is said once.
func TestWarningsAreCounted(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "b", noon, planned(`[
		{"id":"p","name":"p","description":"d","planUpdatable":true},
		{"id":"q","name":"q","description":"d","free":false},
		{"id":"r","name":"r","description":"d","free":false,"bindable":false,"planUpdatable":true}]`))
	want := []catalogmerge.Problem{
		{
			Backend: "b", Offering: "a", Path: "services[0].plans[0].plan_updateable", Rule: catalogmerge.RuleSpelling,
			Detail: `is there as "planUpdatable", which platforms do not read (the same in 1 more)`,
		},
		{
			Backend: "b", Offering: "a", Path: "services[0].plans", Rule: catalogmerge.RuleDefault,
			Detail: "1 of 3 plans leave out free, which Kubernetes and Korifi read as false; " +
				"2 of 3 plans leave out bindable, which Korifi reads as false",
		},
	}
	if diff := cmp.Diff(want, c.Problems); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 64)
	services := make([]string, 150)
	for i := range services {
		services[i] = service(fmt.Sprint("a", i), fmt.Sprint(long, i), fmt.Sprint("p", i))
	}
	c, err := refreshed(nil, "b", body(services...), `"v1"`, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.Problems), 100; got != want {
		t.Fatalf("got %d problems, want %d", got, want)
	}
	want := catalogmerge.Problem{Backend: "b", Path: "services", Rule: catalogmerge.RuleMore, Detail: "have 51 more warnings"}
	if diff := cmp.Diff(want, c.Problems[99]); diff != "" {
		t.Errorf("last problem (-want +got):\n%s", diff)
	}
	if len(c.Offerings) != 150 || c.ETag != `"v1"` {
		t.Errorf("got %d offerings and the ETag %s", len(c.Offerings), c.ETag)
	}

	c = refresh(t, nil, "b", noon, with(service(" a ", " n ", " p / q "), `"Tags":null,"Requires":null,"Metadata":null,
		"Plan_updateable":null,"Instances_retrievable":null,"Bindings_retrievable":null,"Allow_context_updates":null,
		"dashboardClient":null,"maintenance_info":1,"schemas":1`))
	if got, want := len(c.Problems), 11; got != want {
		t.Fatalf("got %d problems of one offering, want %d: %v", got, want, c.Problems)
	}
	if got, want := c.Problems[10].Detail, "has 4 more warnings"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
