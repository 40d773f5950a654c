package catalogmerge_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// side is a configuration of backends x and y and of what platforms may see.
type side struct {
	x, y             []string
	policyX, policyY *catalogmerge.Policy
	platforms        map[string]*catalogmerge.Visibility
}

// list returns the listing of a side. Every plan has two instances of cf and one of k8s.
func (s side) list(t testing.TB) *catalogmerge.Listing {
	t.Helper()
	o := &catalogmerge.Options{Gateway: gateway}
	var exposed []*catalogmerge.Exposed
	for i, services := range [][]string{s.x, s.y} {
		policy := []*catalogmerge.Policy{s.policyX, s.policyY}[i]
		c := refreshWith(t, nil, []string{"x", "y"}[i], policy, noon.Add(time.Duration(i)*time.Minute), services...)
		exposed = append(exposed, catalogmerge.Expose(c, policy, o, nil))
	}
	c := catalogmerge.Merge(exposed, o)
	views := make(map[string]*catalogmerge.View)
	for name, v := range s.platforms {
		views[name] = c.Views([]*catalogmerge.Visibility{v})[0]
	}
	l := c.List(views)
	for i := range l.Offerings {
		for j := range l.Offerings[i].Plans {
			l.Offerings[i].Plans[j].Instances = map[string]int{"cf": 2, "k8s": 1}
		}
	}
	return l
}

func TestCompare(t *testing.T) {
	t.Parallel()
	sql, queue := service("1", "sql", "a/small", "b/large"), service("2", "queue", "c/tiny")
	both := map[string]*catalogmerge.Visibility{"cf": nil, "k8s": nil}
	before := side{x: []string{sql}, y: []string{queue}, platforms: both}
	with := func(change func(*side)) side {
		s := before
		change(&s)
		return s
	}
	mapped := func(id string) string { return catalogmerge.MappedOffering(gateway, "y", id) }
	tests := []struct {
		name          string
		before, after side
		want          string
		losses        bool
	}{
		{"nothing", before, before, "platforms notice nothing", false},
		{
			"other bytes", before, with(func(s *side) { s.x = []string{strings.Replace(sql, "true", "false", 1)} }),
			"platforms notice nothing", false,
		},
		{
			"another order", with(func(s *side) { s.x, s.y = append([]string{sql}, queue), nil }),
			with(func(s *side) { s.x, s.y = append([]string{queue}, sql), nil }), "platforms notice nothing", false,
		},
		{
			"an offering removed", before, with(func(s *side) { s.policyX = &catalogmerge.Policy{Exclude: all("sql")} }),
			`removes 2 plans with 6 instances
removes offering "sql" (id "1") of backend "x": 2 plans with 6 instances`, true,
		},
		{
			"an offering hidden", before, with(func(s *side) { s.policyY = &catalogmerge.Policy{Drain: true, Hidden: true} }),
			`conceals 1 plan with 3 instances
conceals offering "queue" (id "2") of backend "y": 1 plan with 3 instances`, true,
		},
		{
			"an offering hidden no more", with(func(s *side) { s.policyY = &catalogmerge.Policy{Drain: true, Hidden: true} }), before,
			`shows offering "queue" (id "2") of backend "y"`, false,
		},
		{
			"an offering added", before, with(func(s *side) { s.y = []string{queue, service("3", "new", "d")} }),
			`adds offering "new" (id "3") of backend "y"`, false,
		},
		{
			"a plan removed", before, with(func(s *side) { s.x = []string{service("1", "sql", "b/large")} }),
			`removes 1 plan with 3 instances
removes plan "small" (id "a") of offering "sql" (id "1") of backend "x": 1 plan with 3 instances`, true,
		},
		{
			"plans renamed, added and with another id", before,
			with(func(s *side) { s.x = []string{service("1", "sql", "a/smaller", "e/huge", "b2/large")} }),
			`removes 1 plan with 3 instances
renames plan "small" (id "a") of offering "sql" (id "1") of backend "x" to "smaller"
removes plan "large" (id "b") of offering "sql" (id "1") of backend "x": 1 plan with 3 instances
adds plan "huge" (id "e") of offering "sql" (id "1") of backend "x"
adds plan "large" (id "b2") of offering "sql" (id "1") of backend "x"`, true,
		},
		{
			"an offering renamed", before, with(func(s *side) { s.policyX = &catalogmerge.Policy{Prefix: "x-"} }),
			`renames offering "sql" (id "1") of backend "x" to "x-sql"`, false,
		},
		{
			"ids mapped", before, with(func(s *side) { s.policyY = &catalogmerge.Policy{NamespaceIDs: true, Prefix: "y-"} }),
			`changes the ids of 1 plan with 3 instances
changes the id of offering "queue" (id "2") of backend "y" to "` + mapped("2") + `": 1 plan with 3 instances`, true,
		},
		{
			"another backend has it", before, with(func(s *side) { s.x, s.y = []string{sql, queue}, nil }),
			`moves offering "queue" (id "2") of backend "y" to backend "x"`, false,
		},
		{
			"a backend has another name", with(func(s *side) { s.policyY = &catalogmerge.Policy{Name: "old"} }),
			with(func(s *side) { s.policyY = &catalogmerge.Policy{Name: "new"} }), "platforms notice nothing", false,
		},
		{
			"draining", before, with(func(s *side) { s.policyX = &catalogmerge.Policy{Drain: true} }),
			`takes no new instances of offering "sql" (id "1") of backend "x"`, false,
		},
		{
			"draining no more", with(func(s *side) { s.policyX = &catalogmerge.Policy{Drain: true} }), before,
			`takes new instances again of offering "sql" (id "1") of backend "x"`, false,
		},
		{
			"one platform sees less and another one more",
			with(func(s *side) {
				s.platforms = map[string]*catalogmerge.Visibility{"cf": nil, "k8s": allow(t, "sql"), "p": nil}
			}),
			with(func(s *side) {
				s.platforms = map[string]*catalogmerge.Visibility{"cf": deny(t, "queue"), "k8s": nil, "p": nil}
			}),
			`conceals 1 plan with 2 instances
conceals offering "queue" (id "2") of backend "y", for "cf": 1 plan with 2 instances
shows offering "queue" (id "2") of backend "y", for "k8s"`, true,
		},
		{
			"what one platform alone sees",
			with(func(s *side) { s.platforms = map[string]*catalogmerge.Visibility{"cf": allow(t, "sql"), "k8s": nil} }),
			with(func(s *side) {
				s.platforms = map[string]*catalogmerge.Visibility{"cf": allow(t, "sql"), "k8s": nil}
				s.y = []string{service("2", "mq", "f/big")}
			}),
			`removes 1 plan with 3 instances
renames offering "queue" (id "2") of backend "y" to "mq", for "k8s"
removes plan "tiny" (id "c") of offering "queue" (id "2") of backend "y", for "k8s": 1 plan with 3 instances
adds plan "big" (id "f") of offering "mq" (id "2") of backend "y", for "k8s"`, true,
		},
		{
			"a platform goes and another one comes", before,
			with(func(s *side) { s.platforms = map[string]*catalogmerge.Visibility{"cf": nil, "ibm": nil} }),
			`removes platform "k8s"
adds platform "ibm"`, true,
		},
		{
			"no platforms at all", with(func(s *side) { s.platforms = nil }),
			with(func(s *side) { s.platforms, s.x = nil, nil }),
			`removes 2 plans with 6 instances
removes offering "sql" (id "1") of backend "x": 2 plans with 6 instances`, true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before, after := tt.before.list(t), tt.after.list(t)
			d := catalogmerge.Compare(before, after)
			if diff := cmp.Diff(tt.want, d.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.Losses() != tt.losses {
				t.Errorf("got losses: %t", d.Losses())
			}
			// The listings may come from elsewhere.
			if diff := cmp.Diff(d, catalogmerge.Compare(travel(t, before), travel(t, after))); diff != "" {
				t.Errorf("as JSON (-want +got):\n%s", diff)
			}
		})
	}
}

// travel encodes and decodes a listing.
func travel(t testing.TB, l *catalogmerge.Listing) *catalogmerge.Listing {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var arrived catalogmerge.Listing
	if err := json.Unmarshal(data, &arrived); err != nil {
		t.Fatal(err)
	}
	return &arrived
}

// TestListing pins the form of a listing and of a difference: tools read them.
func TestListing(t *testing.T) {
	t.Parallel()
	s := side{
		x: []string{service("1", "sql", "a/small")}, y: []string{service("2", "queue", "c/tiny")},
		policyX:   &catalogmerge.Policy{Name: "one", Prefix: "x-", Drain: true},
		policyY:   &catalogmerge.Policy{Drain: true, Hidden: true},
		platforms: map[string]*catalogmerge.Visibility{"k8s": nil, "cf": deny(t, "x-sql")},
	}
	data, err := json.Marshal(s.list(t))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"platforms":["cf","k8s"],"offerings":[` +
		`{"backend":"one","backend_id":"x","id":"1","own_id":"1","name":"x-sql","own_name":"sql","draining":true,` +
		`"platforms":["k8s"],"plans":[{"id":"a","own_id":"a","name":"small","instances":{"cf":2,"k8s":1}}]},` +
		`{"backend":"y","backend_id":"y","id":"2","own_id":"2","name":"queue","own_name":"queue","draining":true,"hidden":true,` +
		`"platforms":[],"plans":[{"id":"c","own_id":"c","name":"tiny","instances":{"cf":2,"k8s":1}}]}]}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty := publish(refresh(t, nil, "x", noon), nil, nil).List(nil)
	data, err = json.Marshal(catalogmerge.Compare(s.list(t), empty))
	if err != nil {
		t.Fatal(err)
	}
	want = `{"platforms_removed":["cf","k8s"],"platforms_added":[],"changes":[]}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.platforms = nil
	data, err = json.Marshal(catalogmerge.Compare(s.list(t), empty))
	if err != nil {
		t.Fatal(err)
	}
	want = `{"platforms_removed":[],"platforms_added":[],"changes":[{"kind":"removed","backend":"one",` +
		`"offering":{"id":"1","name":"x-sql"},"plans":1,"instances":3}]}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCompareFindsEveryLoss compares random catalogs: there is a loss exactly if a platform sees a plan before, by its
// id and that of its offering, and not after.
func TestCompareFindsEveryLoss(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8, 3))
	visibilities := []*catalogmerge.Visibility{
		nil, allow(t, "name1*", "*2", "name3"), deny(t, "backend:x"), deny(t, "*4"), allow(t, "n0-*", "backend:n1"),
	}
	random1 := func() side {
		s := side{
			x: randomServices(random), y: randomServices(random), policyX: randomPolicy(random), policyY: randomPolicy(random),
			platforms: make(map[string]*catalogmerge.Visibility),
		}
		for _, p := range []string{"cf", "k8s", "ibm"} {
			s.platforms[p] = visibilities[random.IntN(len(visibilities))]
		}
		return s
	}
	seen := func(l *catalogmerge.Listing) map[string]bool {
		result := make(map[string]bool)
		for _, o := range l.Offerings {
			for _, platform := range o.Platforms {
				for _, p := range o.Plans {
					result[fmt.Sprintf("%s %s %s", platform, o.ID, p.ID)] = true
				}
			}
		}
		return result
	}
	for trial := range 600 {
		before, after := random1().list(t), random1().list(t)
		lost := false
		now := seen(after)
		for key := range seen(before) {
			lost = lost || !now[key]
		}
		d := catalogmerge.Compare(before, after)
		if d.Losses() != lost {
			t.Fatalf("trial %d: got losses %t, want %t\n%s\nbefore %+v\nafter %+v", trial, d.Losses(), lost, d, before, after)
		}
		if s := d.String(); s != catalogmerge.Compare(before, after).String() {
			t.Fatal("comparing again gives something else")
		}
		if d := catalogmerge.Compare(before, before); len(d.Changes) > 0 || d.Losses() {
			t.Fatalf("a listing differs from itself: %s", d)
		}
		for _, c := range d.Changes {
			if !slices.IsSorted(c.Platforms) || len(c.Platforms) == 3 {
				t.Fatalf("platforms %v", c.Platforms)
			}
		}
	}
}

// TestCompareStrangeListings: a listing from elsewhere may hold anything.
func TestCompareStrangeListings(t *testing.T) {
	t.Parallel()
	twice := &catalogmerge.Listing{Offerings: []catalogmerge.ListedOffering{
		{ID: "1", Name: "one", Plans: []catalogmerge.ListedPlan{{ID: "a"}, {ID: "a"}}}, {ID: "1", Name: "two"},
	}}
	for _, pair := range [][2]*catalogmerge.Listing{
		{twice, {}},
		{{}, twice},
		{twice, twice},
		{{}, {}},
		{{Platforms: []string{"p", "p"}, Offerings: twice.Offerings}, {Platforms: []string{"p"}}},
	} {
		_ = catalogmerge.Compare(pair[0], pair[1]).String()
	}
}
