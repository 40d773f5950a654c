package catalogmerge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestMergeEmpty(t *testing.T) {
	t.Parallel()
	for name, copies := range map[string][]*catalogmerge.Copy{
		"no backends":        nil,
		"none seen":          {nil, nil},
		"an empty catalog":   {refresh(t, nil, "x", noon), nil},
		"nothing but broken": {refresh(t, nil, "x", noon, `{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := merge(copies)
			if got, want := string(c.Body), `{"services":[]}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if _, ok := c.Offering("a"); ok || c.Plan("a", "p") || c.Secret {
				t.Error("the catalog holds something")
			}
		})
	}
}

func TestMergeSplices(t *testing.T) {
	t.Parallel()
	odd := "{ \"n\":18446744073709551617,\t\"description\":\"\\u003c\",\n" +
		`"x":{"b":1.0,"a":1e400,"b":2},"id":"o",` +
		`"plans":[ {"name":"p","id":"op","description":"d"} ],"bindable":false,"name":"odd"}`
	a, b := service("a", "alpha", "p"), service("b", "beta", "q")
	one := []*catalogmerge.Copy{refresh(t, nil, "x", noon, a, odd), nil, refresh(t, nil, "y", noon, b)}
	c := merge(one)
	if diff := cmp.Diff(`{"services":[`+a+`,`+odd+`,`+b+`]}`, string(c.Body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(c.ETag) != 26 || c.ETag[0] != '"' || c.ETag[25] != '"' {
		t.Errorf("ETag %s", c.ETag)
	}
	same := merge([]*catalogmerge.Copy{
		decode(t, encode(t, refresh(t, nil, "x", noon.Add(time.Hour), a, odd))), refresh(t, nil, "z", noon, b),
	})
	if same.ETag != c.ETag {
		t.Errorf("equal bytes have ETags %s and %s", same.ETag, c.ETag)
	}
	other := merge([]*catalogmerge.Copy{one[2], one[0]})
	if other.ETag == c.ETag {
		t.Error("different bytes have one ETag")
	}
}

func TestMergeSecret(t *testing.T) {
	t.Parallel()
	client := with(service("a", "a", "p"), `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`)
	plain := with(service("a", "a", "p"), `"dashboard_client":null`)
	for _, tt := range []struct {
		service string
		want    bool
	}{{client, true}, {plain, false}} {
		c := merge([]*catalogmerge.Copy{decode(t, encode(t, refresh(t, nil, "x", noon, tt.service)))})
		if c.Secret != tt.want {
			t.Errorf("got Secret %t for %s", c.Secret, tt.service)
		}
	}
}

func TestMergeIndex(t *testing.T) {
	t.Parallel()
	x := refresh(t, nil, "x", noon, service("a", "alpha", "p", "p2"), service("gone", "old", "gone-plan"))
	x = refresh(t, x, "x", noon.Add(time.Minute), service("a", "alef", "p"))
	x = refresh(t, x, "x", noon.Add(time.Hour), service("a", "alef", "p"),
		strings.Replace(service("bad", "bad", "bad-plan"), "true", "1", 1))
	y := refresh(t, nil, "y", noon.Add(time.Minute), service("b", "beta", "q"), service("gone", "also", "moved"),
		service("bad", "well", "well-plan"))
	c := merge([]*catalogmerge.Copy{x, nil, y})

	if diff := cmp.Diff([]string{"x:a", "y:b", "y:gone", "y:bad"}, publishedIDs(c)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	want := catalogmerge.Published{Backend: "y", OwnID: "b", OwnName: "beta", Offering: y.Offerings[0]}
	if diff := cmp.Diff(want, c.Offerings[1]); diff != "" {
		t.Errorf("published offering (-want +got):\n%s", diff)
	}
	for id, want := range map[string]string{"a": "x", "b": "y", "gone": "y", "bad": "y", "": "", "A": ""} {
		got, ok := c.Offering(id)
		if got != want || ok != (want != "") {
			t.Errorf("Offering(%q) = %q, %t, want %q", id, got, ok, want)
		}
	}
	for pair, want := range map[[2]string]bool{
		{"a", "p"}: true, {"b", "q"}: true, {"a", "p2"}: false, {"a", "q"}: false, {"b", "p"}: false,
		{"gone", "moved"}: true, {"gone", "gone-plan"}: false, {"", ""}: false, {"nobody", "nothing"}: false,
	} {
		if got := c.Plan(pair[0], pair[1]); got != want {
			t.Errorf("Plan(%q, %q) = %t, want %t", pair[0], pair[1], got, want)
		}
	}
	type owner struct {
		backend       string
		ambiguous, ok bool
	}
	lookups := []struct {
		name string
		find func(string) (string, bool, bool)
		want map[string]owner
	}{
		{"OfferingOwner", c.OfferingOwner, map[string]owner{
			"a": {"x", false, true}, "b": {"y", false, true}, "bad": {"y", true, true}, "gone": {"x", true, true}, "": {},
		}},
		{"PlanOwner", c.PlanOwner, map[string]owner{
			"p": {"x", false, true}, "p2": {"x", false, true}, "gone-plan": {"x", false, true}, "moved": {"y", false, true},
			"bad-plan": {"x", false, true}, "nothing": {},
		}},
		{"NameOwner", c.NameOwner, map[string]owner{
			"alpha": {"x", false, true}, "alef": {"x", false, true}, "old": {"x", false, true}, "beta": {"y", false, true},
			"Beta": {},
		}},
	}
	for _, l := range lookups {
		for key, want := range l.want {
			var got owner
			got.backend, got.ambiguous, got.ok = l.find(key)
			if got != want {
				t.Errorf("%s(%q) = %+v, want %+v", l.name, key, got, want)
			}
		}
	}
}

func TestMergeClashes(t *testing.T) {
	t.Parallel()
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	// fetch is one answer of a backend.
	type fetch struct {
		minute   int
		services []string
	}
	tests := []struct {
		name     string
		fetches  map[string][]fetch
		want     []string // backend:id
		problems []string // path rule
		detail   string   // of the first problem
	}{
		{
			"the same id at the same time: the one listed first",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p")}}},
				"y": {{0, []string{service("a", "two", "q"), service("b", "three", "r")}}},
			},
			[]string{"x:a", "y:b"},
			[]string{"id duplicate_offering_id"},
			`offering id "a" of backend "y" is that of offering "a" of backend "x"`,
		},
		{
			"the same id: the one that published it first",
			map[string][]fetch{
				"x": {{1, []string{service("a", "one", "p")}}},
				"y": {{0, []string{service("a", "two", "q")}}},
			},
			[]string{"y:a"},
			[]string{"id duplicate_offering_id"},
			`offering id "a" of backend "x" is that of offering "a" of backend "y"`,
		},
		{
			"a bad offering takes nothing",
			map[string][]fetch{
				"x": {{1, []string{service("a", "one", "p")}}},
				"y": {
					{0, []string{strings.Replace(service("a", "one", "p"), "true", "1", 1)}},
					{2, []string{service("a", "one", "p")}},
				},
			},
			[]string{"x:a"},
			[]string{"id duplicate_offering_id"},
			`offering id "a" of backend "y" is that of offering "a" of backend "x"`,
		},
		{
			"the same plan id: the one that published the plan first",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p")}}, {2, []string{service("a", "one", "p", "q")}}},
				"y": {{1, []string{service("b", "two", "r", "q")}}},
			},
			[]string{"y:b"},
			[]string{"plans[1].id duplicate_plan_id"},
			`plan id "q" of backend "x" is that of offering "b" of backend "y"`,
		},
		{
			"the same name: the backend that had it first, under whatever offering",
			map[string][]fetch{
				"x": {{2, []string{service("a", "name", "p")}}},
				"y": {{1, []string{service("b", "name", "q")}}, {20, nil}, {40, []string{service("c", "name", "r")}}},
			},
			[]string{"y:c"},
			[]string{"name duplicate_offering_name"},
			`offering name "name" of backend "x" is that of offering "c" of backend "y"`,
		},
		{
			"a name withdrawn by the one that had it first",
			map[string][]fetch{
				"x": {{2, []string{service("a", "name", "p")}}},
				"y": {{1, []string{service("b", "name", "q")}}, {20, []string{service("b", "other", "q")}}},
			},
			[]string{"x:a", "y:b"},
			nil, "",
		},
		{
			"the same dashboard client",
			map[string][]fetch{
				"x": {{1, []string{with(service("a", "one", "p"), client)}}},
				"y": {{0, []string{with(service("b", "two", "q"), client)}}},
			},
			[]string{"y:b"},
			[]string{"dashboard_client.id duplicate_dashboard_client_id"},
			`dashboard client id "c" of backend "x" is that of offering "b" of backend "y"; a platform takes each client once, ` +
				`and the client is its broker's own: have the broker use another one, or exclude the offering from one of the two`,
		},
		{
			"what lost one claim takes none: the next in line stands",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p")}}},
				"y": {{1, []string{service("a", "two", "q")}}},
				"z": {{2, []string{service("c", "two", "r")}}},
			},
			[]string{"x:a", "z:c"},
			[]string{"id duplicate_offering_id"},
			`offering id "a" of backend "y" is that of offering "a" of backend "x"`,
		},
		{
			"what lost one claim takes none: the next in line stands, not the one listed first",
			map[string][]fetch{
				"x": {{3, []string{service("d", "two", "s")}}},
				"y": {{1, []string{service("a", "two", "q")}}},
				"z": {{0, []string{service("a", "one", "p")}}, {2, []string{service("a", "one", "p"), service("c", "two", "r")}}},
			},
			[]string{"z:a", "z:c"},
			[]string{"name duplicate_offering_name", "id duplicate_offering_id"},
			`offering name "two" of backend "x" is that of offering "c" of backend "z"`,
		},
		{
			"several clashes: problems in the order of the offerings",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p"), service("b", "two", "q")}}},
				"y": {{1, []string{service("a", "three", "r"), service("c", "two", "s")}}},
			},
			[]string{"x:a", "x:b"},
			[]string{"id duplicate_offering_id", "name duplicate_offering_name"},
			`offering id "a" of backend "y" is that of offering "a" of backend "x"`,
		},
		{
			"each has a claim on what the other has: the one listed first",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p")}}, {3, []string{service("a", "one", "p", "q")}}},
				"y": {{1, []string{service("b", "two", "q")}}, {2, []string{service("b", "one", "q")}}},
			},
			[]string{"x:a"},
			[]string{"name duplicate_offering_name"},
			`offering name "one" of backend "y" is that of offering "a" of backend "x"`,
		},
		{
			"a circle of three",
			map[string][]fetch{
				"x": {{0, []string{service("a", "one", "p")}}, {9, []string{service("a", "one", "p", "r")}}},
				"y": {{0, []string{service("b", "two", "q")}}, {9, []string{service("b", "two", "q", "p")}}},
				"z": {{0, []string{service("c", "three", "r")}}, {9, []string{service("c", "three", "r", "q")}}},
			},
			[]string{"x:a"},
			[]string{"plans[1].id duplicate_plan_id", "plans[0].id duplicate_plan_id"},
			`plan id "p" of backend "y" is that of offering "a" of backend "x"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var copies []*catalogmerge.Copy
			for _, backend := range []string{"x", "y", "z"} {
				var c *catalogmerge.Copy
				for _, f := range tt.fetches[backend] {
					c = refresh(t, c, backend, noon.Add(time.Duration(f.minute)*time.Minute), f.services...)
				}
				if c != nil {
					c.Problems = nil
				}
				copies = append(copies, c)
			}
			c := merge(copies)
			if diff := cmp.Diff(tt.want, publishedIDs(c)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, rulesOf(c.Problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if len(c.Problems) > 0 && c.Problems[0].Detail != tt.detail {
				t.Errorf("got detail %s, want %s", c.Problems[0].Detail, tt.detail)
			}
		})
	}
}

// TestMergeListsAllProblems: those of the copies come first, those between backends after them.
func TestMergeListsAllProblems(t *testing.T) {
	t.Parallel()
	c := merge([]*catalogmerge.Copy{
		refresh(t, nil, "x", noon, `{"id":"x"}`, service("a", "a", "p")),
		refresh(t, nil, "y", noon, service("a", "a", "p"), `7`),
	})
	var got []string
	for _, p := range c.Problems {
		got = append(got, p.Backend+" "+p.Path)
	}
	want := []string{
		"x services[0].name", "x services[0].plans", "x services[0].bindable", "x services[0].description",
		"y services[1]", "y id",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMergeIsIndependentOfArrival lets backends answer in many orders, with clashes, breakage and withdrawals among
// their answers: what counts is the order of the config.
func TestMergeIsIndependentOfArrival(t *testing.T) {
	t.Parallel()
	const backends, rounds = 5, 6
	random := rand.New(rand.NewPCG(3, 5))
	for trial := range 40 {
		var answers [rounds][backends][]byte
		for round := range rounds {
			for backend := range backends {
				answers[round][backend] = body(randomServices(random)...)
			}
		}
		play := func(order *rand.Rand) *catalogmerge.Catalog {
			copies := make([]*catalogmerge.Copy, backends)
			for round := range rounds {
				now := noon.Add(time.Duration(round) * 4 * time.Minute)
				for _, backend := range order.Perm(backends) {
					c, err := refreshed(copies[backend], fmt.Sprint(backend), answers[round][backend], "", now)
					if err != nil {
						t.Fatal(err)
					}
					if order.IntN(2) == 0 {
						c = decode(t, encode(t, c)) // another replica took it from the store
					}
					copies[backend] = c
				}
				checkCatalog(t, merge(copies), copies)
			}
			return merge(copies)
		}
		want := play(random)
		for range 3 {
			got := play(random)
			if string(got.Body) != string(want.Body) || got.ETag != want.ETag || !slices.Equal(got.Problems, want.Problems) {
				t.Fatalf("trial %d: got\n%s\n%v\nwant\n%s\n%v", trial, got.Body, got.Problems, want.Body, want.Problems)
			}
		}
	}
}

// randomServices returns offerings from a small stock of ids and names, so that they clash in all ways.
func randomServices(random *rand.Rand) []string {
	var services []string
	for range random.IntN(5) {
		plans := make([]string, 1+random.IntN(2))
		for i := range plans {
			plans[i] = fmt.Sprintf("p%d", random.IntN(12))
		}
		s := service(fmt.Sprintf("id%d", random.IntN(8)), fmt.Sprintf("name%d", random.IntN(10)), plans...)
		switch random.IntN(8) {
		case 0:
			s = with(s, fmt.Sprintf(`"dashboard_client":{"id":"c%d","secret":"s","redirect_uri":"u"}`, random.IntN(2)))
		case 1:
			s = strings.Replace(s, "true", "0", 1)
		}
		services = append(services, s)
	}
	return services
}
