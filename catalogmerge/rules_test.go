package catalogmerge_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// planned is an offering around the JSON of its plans.
func planned(plans string) string {
	return `{"id":"a","name":"n","description":"d","bindable":true,"plans":` + plans + `}`
}

func TestRules(t *testing.T) {
	t.Parallel()
	sound := service("a", "n", "p")
	without := func(field string) string {
		if !strings.Contains(sound, field) {
			t.Fatalf("%s is not in %s", field, sound)
		}
		return strings.Replace(sound, field, `"x":0`, 1)
	}
	tests := []struct {
		name    string
		service string
		want    []string
	}{
		{"sound", sound, nil},
		{"an unknown field", with(sound, `"X":{"id":1,"id":2}`), nil},
		{"not an object", `"a"`, []string{"services[0] wrong_type"}},
		{"null", `null`, []string{"services[0] wrong_type"}},
		{
			"an empty object", `{}`,
			[]string{
				"services[0].id missing", "services[0].name missing", "services[0].plans missing",
				"services[0].bindable missing", "services[0].description missing",
			},
		},
		{"no id", without(`"id":"a"`), []string{"services[0].id missing"}},
		{"number as id", strings.Replace(sound, `"a"`, `7`, 1), []string{"services[0].id wrong_type"}},
		{"null as id", strings.Replace(sound, `"a"`, `null`, 1), []string{"services[0].id wrong_type"}},
		{"blank id", strings.Replace(sound, `"a"`, `"\u2003\t"`, 1), []string{"services[0].id blank"}},
		{"no name", without(`"name":"n"`), []string{"services[0].name missing"}},
		{"empty name", strings.Replace(sound, `"n"`, `""`, 1), []string{"services[0].name blank"}},
		{"object as name", strings.Replace(sound, `"n"`, `{}`, 1), []string{"services[0].name wrong_type"}},
		{"no description", without(`"description":"an offering"`), []string{"services[0].description missing"}},
		{"no bindable", without(`"bindable":true`), []string{"services[0].bindable missing"}},
		{"null as bindable", strings.Replace(sound, `true`, `null`, 1), []string{"services[0].bindable wrong_type"}},
		{"string as bindable", strings.Replace(sound, `true`, `"true"`, 1), []string{"services[0].bindable wrong_type"}},
		{"false as bindable", strings.Replace(sound, `true`, `false`, 1), nil},
		{
			"a name in another case", strings.Replace(sound, `"name":"n"`, `"Name":"n"`, 1),
			[]string{"services[0].name missing"},
		},
		{"an escaped field name", strings.Replace(sound, `"name":"n"`, `"n\u0061me":"n"`, 1), nil},

		{"plan_updateable", with(sound, `"plan_updateable":1`), []string{"services[0].plan_updateable wrong_type"}},
		{"null as plan_updateable", with(sound, `"plan_updateable":null`), nil},
		{
			"instances_retrievable", with(sound, `"instances_retrievable":"no"`),
			[]string{"services[0].instances_retrievable wrong_type"},
		},
		{
			"bindings_retrievable", with(sound, `"bindings_retrievable":[]`),
			[]string{"services[0].bindings_retrievable wrong_type"},
		},
		{
			"allow_context_updates", with(sound, `"allow_context_updates":{}`),
			[]string{"services[0].allow_context_updates wrong_type"},
		},
		{"tags", with(sound, `"tags":["a","b"]`), nil},
		{"no tags", with(sound, `"tags":[]`), nil},
		{"string as tags", with(sound, `"tags":"a"`), []string{"services[0].tags wrong_type"}},
		{"number among tags", with(sound, `"tags":["a", 1]`), []string{"services[0].tags wrong_type"}},
		{"null as tags", with(sound, `"tags":null`), []string{"services[0].tags wrong_type"}},
		{"null as requires", with(sound, `"requires":null`), []string{"services[0].requires wrong_type"}},
		{"metadata", with(sound, `"metadata":{"a":[{}]}`), nil},
		{"null as metadata", with(sound, `"metadata":null`), nil},
		{"string as metadata", with(sound, `"metadata":"{}"`), []string{"services[0].metadata wrong_type"}},
		{"dashboard client", with(sound, `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`), nil},
		{"null as dashboard client", with(sound, `"dashboard_client":null`), nil},
		{
			"array as dashboard client", with(sound, `"dashboard_client":[]`),
			[]string{"services[0].dashboard_client wrong_type"},
		},
		{
			"empty dashboard client", with(sound, `"dashboard_client":{}`),
			[]string{
				"services[0].dashboard_client.id missing", "services[0].dashboard_client.secret missing",
				"services[0].dashboard_client.redirect_uri missing",
			},
		},
		{
			"wrong dashboard client", with(sound, `"dashboard_client":{"id":1,"secret":null,"redirect_uri":""}`),
			[]string{
				"services[0].dashboard_client.id wrong_type", "services[0].dashboard_client.secret wrong_type",
				"services[0].dashboard_client.redirect_uri blank",
			},
		},

		{
			"Korifi's redirect_url",
			with(sound, `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u","redirect_url":1}`),
			[]string{"services[0].dashboard_client.redirect_url wrong_type"},
		},

		{"plans null", planned(`null`), []string{"services[0].plans wrong_type"}},
		{"plans an object", planned(`{}`), []string{"services[0].plans wrong_type"}},
		{"no plans", planned(`[ ]`), []string{"services[0].plans no_plans"}},
		{"plan not an object", planned(`[[]]`), []string{"services[0].plans[0] wrong_type"}},
		{
			"empty plan", planned(`[{}]`),
			[]string{
				"services[0].plans[0].id missing", "services[0].plans[0].name missing",
				"services[0].plans[0].description missing",
			},
		},
		{
			"wrong plan",
			planned(`[{"id":1,"name":" ","description":null,"free":0,"bindable":"","plan_updateable":1,` +
				`"binding_rotatable":{},"metadata":[]}]`),
			[]string{
				"services[0].plans[0].id wrong_type", "services[0].plans[0].name blank",
				"services[0].plans[0].free wrong_type", "services[0].plans[0].bindable wrong_type",
				"services[0].plans[0].metadata wrong_type", "services[0].plans[0].description wrong_type",
				"services[0].plans[0].plan_updateable wrong_type", "services[0].plans[0].binding_rotatable wrong_type",
			},
		},
		{
			"plan with nulls",
			planned(`[{"id":"p","name":"p","description":"d","free":null,"bindable":null,"metadata":null}]`), nil,
		},
		{
			"plan ids within the offering", service("a", "n", "p/one", "q/two", "p/three"),
			[]string{"services[0].plans[2].id duplicate_plan_id"},
		},
		{
			"plan names within the offering", service("a", "n", "p/one", "q/one"),
			[]string{"services[0].plans[1].name duplicate_plan_name"},
		},
		// Cloud Foundry's database compares names without case and without the white space around them.
		{
			"plan names differ by case", service("a", "n", "p/one", "q/One"),
			[]string{"services[0].plans[1].name duplicate_plan_name"},
		},
		{
			"plan names differ by white space", service("a", "n", "p/one", "q/one "),
			[]string{"services[0].plans[1].name duplicate_plan_name"},
		},
		{"plan ids differ by case", service("a", "n", "p/one", "P/two"), nil},

		{"id twice", with(sound, `"id":"a"`), []string{"services[0].id duplicate_key"}},
		{"id thrice", with(sound, `"id":"a","id":"b"`), []string{"services[0].id duplicate_key"}},
		{"id twice, once escaped", with(sound, `"\u0069d":"a"`), []string{"services[0].id duplicate_key"}},
		{"unread field twice", with(sound, `"x":1,"x":2`), nil},
		{"metadata twice", with(sound, `"metadata":{},"metadata":{}`), []string{"services[0].metadata duplicate_key"}},
		{
			"plan field twice", planned(`[{"id":"p","name":"p","description":"d","free":true,"free":false}]`),
			[]string{"services[0].plans[0].free duplicate_key"},
		},
		{
			"client field twice",
			with(sound, `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u","secret":"t"}`),
			[]string{"services[0].dashboard_client.secret duplicate_key"},
		},

		{"not UTF-8", with(sound, "\"metadata\":{\"x\":\"\xff\"}"), []string{"services[0] invalid_text"}},
		{
			"id not UTF-8", strings.Replace(sound, `"a"`, "\"\xc3\"", 1),
			[]string{"services[0] invalid_text", "services[0].id invalid_text"},
		},
		{"half a surrogate", strings.Replace(sound, `"a"`, `"\ud83d"`, 1), []string{"services[0].id invalid_text"}},
		{"the other half", strings.Replace(sound, `"a"`, `"x\uDE00"`, 1), []string{"services[0].id invalid_text"}},
		{"two first halves", strings.Replace(sound, `"a"`, `"\ud83d\ud83d"`, 1), []string{"services[0].id invalid_text"}},
		{
			"half a surrogate, then text", strings.Replace(sound, `"a"`, `"\ud83dx\\u0041"`, 1),
			[]string{"services[0].id invalid_text"},
		},
		{"a whole pair", strings.Replace(sound, `"a"`, `"\ud83d\ude00\\ud83d\n"`, 1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other := service("other", "other", "other-plan")
			c := refresh(t, nil, "b", noon, tt.service, other)
			if diff := cmp.Diff(tt.want, rulesOf(hardOf(c.Problems))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			wantOfferings := []string{other}
			if tt.want == nil {
				wantOfferings = []string{tt.service, other}
			}
			if diff := cmp.Diff(wantOfferings, raws(c.Offerings)); diff != "" {
				t.Errorf("offerings (-want +got):\n%s", diff)
			}
			for _, p := range hardOf(c.Problems) {
				if p.Kept || p.Backend != "b" || p.Detail == "" {
					t.Errorf("problem %+v", p)
				}
			}
		})
	}
}

func TestProblemsOfOneOfferingAreBounded(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "b", noon, planned("["+strings.Repeat("0,", 50)+"0]"))
	if got, want := len(c.Problems), 11; got != want {
		t.Fatalf("got %d problems, want %d", got, want)
	}
	want := catalogmerge.Problem{
		Backend: "b", Offering: "a", Path: "services[0]", Rule: catalogmerge.RuleMore,
		Detail: "has 41 more problems", Hard: true,
	}
	if diff := cmp.Diff(want, c.Problems[10]); diff != "" {
		t.Errorf("last problem (-want +got):\n%s", diff)
	}
}

func TestProblemString(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "b", noon, service("a", "n", "p"))
	c = refresh(t, c, "b", noon, strings.Replace(service("a", "n", "p"), `true`, `1`, 1), `[]`,
		service(strings.Repeat("é", 100), "", "q"))
	want := []string{
		`backend "b", offering "a", services[0].bindable: is a number, not a boolean (wrong_type); ` +
			`its last good version stays`,
		`backend "b", services[1]: is an array, not an object (wrong_type)`,
		`backend "b", offering "` + strings.Repeat("é", 60) + `"..., services[2].name: is blank (blank)`,
	}
	var got []string
	for _, p := range hardOf(c.Problems) {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProblemsHoldNoSecret looks for the secret of a dashboard client in everything that is said about a bad offering.
func TestProblemsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-the-sea"
	client := func(id string) string {
		return `"dashboard_client":{"id":` + id + `,"secret":"` + secret + `","redirect_uri":"u"}`
	}
	c := refresh(t, nil, "b", noon,
		with(service("a", "a", "p"), client(`"same"`)),
		with(service("b", "b", "q"), client(`"same"`)),
		with(service("c", "c", "r"), client(`1`)),
		with(service("d", "d", "s"), `"dashboard_client":"`+secret+`"`),
	)
	if got, want := len(c.Problems), 3; got != want {
		t.Fatalf("got %d problems, want %d: %v", got, want, c.Problems)
	}
	for _, p := range c.Problems {
		if strings.Contains(p.String(), secret) {
			t.Errorf("the secret is in %q", p)
		}
	}
}
