package catalogmerge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// gateway is the name of the gateway in the tests.
const gateway = "default"

func xOffering(id string) string { return catalogmerge.MappedOffering(gateway, "x", id) }
func xPlan(id string) string     { return catalogmerge.MappedPlan(gateway, "x", id) }

// publish merges one backend alone.
func publish(c *catalogmerge.Copy, p *catalogmerge.Policy, o *catalogmerge.Options) *catalogmerge.Catalog {
	return catalogmerge.Merge([]*catalogmerge.Exposed{catalogmerge.Expose(c, p, o, nil)}, o)
}

func all(offerings ...string) []catalogmerge.Selection {
	selections := make([]catalogmerge.Selection, len(offerings))
	for i, o := range offerings {
		selections[i].Offering = o
	}
	return selections
}

func some(offering string, plans ...string) []catalogmerge.Selection {
	return []catalogmerge.Selection{{Offering: offering, Plans: plans}}
}

// odd is an offering that is written in an unusual way, with members that look like those that policies change where
// they mean something else.
const odd = "{ \"metadata\":{\"id\":\"sql\",\"name\":\"sql\",\"plans\":[{\"id\":\"a\",\"name\":\"small\"}],\"n\":18446744073709551617}," +
	"\t\"\\u0069d\" : \"\\u0073ql\" ,\n\"bindable\":false, \"dashboard_client\":{\"id\":\"sql\",\"secret\":\"<&>\",\"redirect_uri\":\"\\/\"}," +
	` "plans" : [ {"id":"a","name":"small","description":"d","x":1e400}  ,` +
	` {"name":"medium","id":"b" ,"free":false,"description":"\u003c","bindable":true },` + "\n" +
	`{"plans":[{"id":"a"}],"description":"d","name":"large","id":"c","free":null}` + "\r\n" + `] ,"na\u006De":"one", "description":"d" }`

// oddWith is odd with other bytes in some places.
func oddWith(t testing.TB, changes ...string) string {
	t.Helper()
	s := odd
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(s, changes[i]) != 1 {
			t.Fatalf("%q is there %d times", changes[i], strings.Count(s, changes[i]))
		}
		s = strings.Replace(s, changes[i], changes[i+1], 1)
	}
	return s
}

const (
	oddSmall  = `{"id":"a","name":"small","description":"d","x":1e400}`
	oddMedium = `{"name":"medium","id":"b" ,"free":false,"description":"\u003c","bindable":true }`
	oddLarge  = `{"plans":[{"id":"a"}],"description":"d","name":"large","id":"c","free":null}`
)

// TestPolicies applies each policy, and combinations, to a backend with two offerings.
func TestPolicies(t *testing.T) {
	t.Parallel()
	two := service("2", "two", "d")
	mapped := []string{
		`"\u0073ql"`, `"` + xOffering("sql") + `"`,
		`[ {"id":"a"`, `[ {"id":"` + xPlan("a") + `"`,
		`"id":"b" `, `"id":"` + xPlan("b") + `" `,
		`"id":"c"`, `"id":"` + xPlan("c") + `"`,
	}
	mappedTwo := strings.NewReplacer(`"2"`, `"`+xOffering("2")+`"`, `"id":"d"`, `"id":"`+xPlan("d")+`"`).Replace(two)
	tests := []struct {
		name    string
		policy  *catalogmerge.Policy
		options catalogmerge.Options
		want    []string
	}{
		{"none", nil, catalogmerge.Options{}, []string{odd, two}},
		{"that says nothing", &catalogmerge.Policy{Name: "x"}, catalogmerge.Options{Gateway: gateway}, []string{odd, two}},
		{
			"rename", &catalogmerge.Policy{Rename: map[string]string{"one": `<"new">`}},
			catalogmerge.Options{},
			[]string{oddWith(t, `"one"`, `"<\"new\">"`), two},
		},
		{
			"rename to the same", &catalogmerge.Policy{Rename: map[string]string{"two": "two"}},
			catalogmerge.Options{},
			[]string{odd, two},
		},
		{
			"rename crosswise", &catalogmerge.Policy{Rename: map[string]string{"one": "two", "two": "one"}},
			catalogmerge.Options{},
			[]string{oddWith(t, `"one"`, `"two"`), strings.Replace(two, "two", "one", 1)},
		},
		{
			"prefix", &catalogmerge.Policy{Prefix: "x-"},
			catalogmerge.Options{},
			[]string{oddWith(t, `"one"`, `"x-one"`), strings.Replace(two, "two", "x-two", 1)},
		},
		{
			"rename, then prefix", &catalogmerge.Policy{Rename: map[string]string{"one": "uno"}, Prefix: "x-"},
			catalogmerge.Options{},
			[]string{oddWith(t, `"one"`, `"x-uno"`), strings.Replace(two, "two", "x-two", 1)},
		},
		{"include", &catalogmerge.Policy{Include: all("two")}, catalogmerge.Options{}, []string{two}},
		{"include nothing of it", &catalogmerge.Policy{Include: all("three")}, catalogmerge.Options{}, nil},
		{"include several", &catalogmerge.Policy{Include: all("two", "one")}, catalogmerge.Options{}, []string{odd, two}},
		{
			"include goes by the own name", &catalogmerge.Policy{Include: all("uno"), Rename: map[string]string{"one": "uno"}},
			catalogmerge.Options{},
			nil,
		},
		{"include is exact", &catalogmerge.Policy{Include: all("On", "one ", "ONE", "*")}, catalogmerge.Options{}, nil},
		{"exclude", &catalogmerge.Policy{Exclude: all("two")}, catalogmerge.Options{}, []string{odd}},
		{
			"exclude wins", &catalogmerge.Policy{Include: all("one", "two"), Exclude: all("two")},
			catalogmerge.Options{},
			[]string{odd},
		},
		{
			"include the first plan", &catalogmerge.Policy{Include: some("one", "small")},
			catalogmerge.Options{},
			[]string{oddWith(t, `  , `+oddMedium+",\n"+oddLarge, "")},
		},
		{
			"include the plan in the middle", &catalogmerge.Policy{Include: some("one", "medium")},
			catalogmerge.Options{},
			[]string{oddWith(t, oddSmall+"  , ", "", ",\n"+oddLarge, "")},
		},
		{
			"include the last plan", &catalogmerge.Policy{Include: some("one", "large")},
			catalogmerge.Options{},
			[]string{oddWith(t, oddSmall+"  , "+oddMedium+",\n", "")},
		},
		{
			"include lines for one offering add up",
			&catalogmerge.Policy{Include: append(some("one", "small"), some("one", "large")...)},
			catalogmerge.Options{},
			[]string{oddWith(t, "  , "+oddMedium, "")},
		},
		{
			"include all of an offering, and a plan", &catalogmerge.Policy{Include: append(some("one", "small"), all("one")...)},
			catalogmerge.Options{},
			[]string{odd},
		},
		{"include no plan of it", &catalogmerge.Policy{Include: some("one", "huge")}, catalogmerge.Options{}, nil},
		{
			"exclude a plan", &catalogmerge.Policy{Exclude: some("one", "medium")},
			catalogmerge.Options{},
			[]string{oddWith(t, "  , "+oddMedium, ""), two},
		},
		{
			"exclude a plan that is not there", &catalogmerge.Policy{Exclude: some("one", "huge")},
			catalogmerge.Options{},
			[]string{odd, two},
		},
		{
			"exclude all plans", &catalogmerge.Policy{Exclude: some("one", "large", "small", "medium")},
			catalogmerge.Options{},
			[]string{two},
		},
		{
			"exclude one of two included plans",
			&catalogmerge.Policy{Include: some("one", "small", "large"), Exclude: some("one", "small")},
			catalogmerge.Options{},
			[]string{oddWith(t, oddSmall+"  , "+oddMedium+",\n", "")},
		},
		{
			"namespace_ids", &catalogmerge.Policy{NamespaceIDs: true},
			catalogmerge.Options{Gateway: gateway},
			[]string{oddWith(t, mapped...), mappedTwo},
		},
		{"defaults", nil, catalogmerge.Options{MaterializeDefaults: true}, []string{
			oddWith(t, `"x":1e400}`, `"x":1e400,"free":true,"bindable":false}`, `"free":null}`, `"free":true,"bindable":false}`),
			strings.Replace(two, `"a plan"}`, `"a plan","free":true,"bindable":true}`, 1),
		}},
		{
			"everything",
			&catalogmerge.Policy{
				Name: "x", Include: append(some("one", "small", "medium"), all("two")...), Exclude: append(some("one", "small"), all("two")...),
				Rename: map[string]string{"one": "uno"}, Prefix: "x-", NamespaceIDs: true, Drain: true,
			},
			catalogmerge.Options{Gateway: gateway, MaterializeDefaults: true, PrefixOnConflict: true},
			[]string{oddWith(t, `"one"`, `"x-uno"`, `"\u0073ql"`, `"`+xOffering("sql")+`"`, oddSmall+"  , ", "", ",\n"+oddLarge, "",
				`"id":"b" `, `"id":"`+xPlan("b")+`" `)},
		},
		{"drain", &catalogmerge.Policy{Drain: true}, catalogmerge.Options{}, []string{odd, two}},
		{"drain hidden", &catalogmerge.Policy{Drain: true, Hidden: true}, catalogmerge.Options{}, nil},
		{"hidden counts with drain alone", &catalogmerge.Policy{Hidden: true}, catalogmerge.Options{}, []string{odd, two}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := refresh(t, nil, "x", noon, odd, two)
			catalog := publish(c, tt.policy, &tt.options)
			if diff := cmp.Diff(string(body(tt.want...)), string(catalog.Body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if stored := publish(decode(t, encode(t, c)), tt.policy, &tt.options); stored.ETag != catalog.ETag {
				t.Errorf("from the store: got\n%s", stored.Body)
			}
			checkExposed(t, catalog, []*catalogmerge.Copy{c}, []*catalogmerge.Policy{tt.policy}, &tt.options)
		})
	}
}

// TestPublishedSaysBoth: a published offering says what it is to platforms and what it is to its backend.
func TestPublishedSaysBoth(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "x", noon, with(service("1", "one", "a/small", "b/large"),
		`"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`))
	policy := &catalogmerge.Policy{Prefix: "x-", NamespaceIDs: true, Exclude: some("one", "small"), Drain: true, Hidden: true}
	catalog := publish(c, policy, &catalogmerge.Options{Gateway: gateway})
	want := []catalogmerge.Published{{
		Backend: "x", OwnID: "1", OwnName: "one", Draining: true, Hidden: true,
		Offering: catalogmerge.Offering{
			ID: xOffering("1"), Name: "x-one", Plans: []catalogmerge.Plan{{ID: xPlan("b"), Name: "large", OwnID: "b"}},
			DashboardClientID: "c", Raw: catalog.Offerings[0].Raw,
		},
	}}
	if diff := cmp.Diff(want, catalog.Offerings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if catalog.Secret {
		t.Error("a body without the offering holds its secret")
	}
	if !catalog.Draining("1") || !catalog.Draining(xOffering("1")) || catalog.Draining("2") {
		t.Error("it does not drain")
	}
	if diff := cmp.Diff([]string{"1"}, []string{c.Offerings[0].ID}); diff != "" {
		t.Errorf("the copy changed (-want +got):\n%s", diff)
	}
}

func TestExcluded(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "x", noon, service("1", "one", "a"), service("2", "two", "b", "c"), service("3", "three", "d"))
	policy := &catalogmerge.Policy{Exclude: append(some("two", "c", "b"), append(some("one", "a2"), all("three")...)...)}
	catalog := catalogmerge.Merge([]*catalogmerge.Exposed{nil, catalogmerge.Expose(c, policy, nil, nil)}, nil)
	want := []catalogmerge.Published{
		{Backend: "x", OwnID: "2", OwnName: "two", Offering: c.Offerings[1]},
		{Backend: "x", OwnID: "3", OwnName: "three", Offering: c.Offerings[2]},
	}
	if diff := cmp.Diff(want, catalog.Excluded()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPoliciesThatMatchNothing are mistakes that nobody else would notice.
func TestPoliciesThatMatchNothing(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "x", noon, service("1", "one", "a/small"), service("2", "two", "b"))
	c = refresh(t, c, "x", noon.Add(time.Minute), service("1", "one", "a/small"), service("3", "three", "c"))
	c = refresh(t, c, "x", noon.Add(time.Hour), service("1", "one", "a/small"),
		strings.Replace(service("4", "bad", "d"), "true", "1", 1))
	policy := &catalogmerge.Policy{
		Include: append(some("one", "small", "larg"), all("One", "two", "bad", "three")...),
		Exclude: append(some("on", "small"), some("one", "tiny")...),
		Rename:  map[string]string{"tow": "deux", "one": "uno", "uno": "x", "ein": "eins"},
	}
	var got []string
	for _, p := range publish(c, policy, nil).Problems {
		if p.Rule == catalogmerge.RuleNoMatch {
			got = append(got, p.String())
		}
		if p.Rule == catalogmerge.RuleNoMatch && (p.Hard || p.Kept) {
			t.Errorf("%v is hard", p)
		}
	}
	rule := " (policy_without_match)"
	want := []string{
		`backend "x", offering "one", include[0].plans[1]: include names plan "larg" of offering "one", which has none of that name`,
		`backend "x", offering "One", include[1].offering: include names offering "One", which the backend does not have`,
		`backend "x", offering "on", exclude[0].offering: exclude names offering "on", which the backend does not have`,
		`backend "x", offering "one", exclude[1].plans[0]: exclude names plan "tiny" of offering "one", which has none of that name`,
		`backend "x", offering "ein", rename["ein"]: rename names offering "ein", which the backend does not have`,
		`backend "x", offering "tow", rename["tow"]: rename names offering "tow", which the backend does not have`,
		`backend "x", offering "uno", rename["uno"]: rename names offering "uno", which the backend does not have`,
	}
	for i := range want {
		want[i] += rule
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExposedNameIsNoOwnName: who selects an offering by the name that platforms see is told, even if that name was shown.
func TestExposedNameIsNoOwnName(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{Prefix: "x-"}
	f := fetch(body(service("1", "one", "a")), "", noon)
	f.Policy = policy
	c, err := catalogmerge.Refresh(nil, "x", f)
	if err != nil {
		t.Fatal(err)
	}
	wrong := &catalogmerge.Policy{Prefix: "x-", Exclude: all("x-one")}
	if diff := cmp.Diff([]string{"exclude[0].offering policy_without_match"}, rulesOf(publish(c, wrong, nil).Problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
