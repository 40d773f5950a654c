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

// The tests of this file are named after mistakes that gateways in front of several brokers are known to make.

// TestT36DuplicateIDs: the same offering or plan id in two backends. The newcomer is refused, always the same one, and
// reported; a later one never takes over silently.
func TestT36DuplicateIDs(t *testing.T) {
	t.Parallel()
	first := refresh(t, nil, "first", noon, service("1", "one", "a"), service("2", "two", "b"))
	second := refresh(t, nil, "second", noon.Add(time.Second),
		service("1", "other", "x"), service("3", "three", "b"), service("4", "four", "y"))
	for _, copies := range [][]*catalogmerge.Copy{{first, second}, {second, first}} {
		c := merge(copies)
		got := publishedIDs(c)
		slices.Sort(got)
		if diff := cmp.Diff([]string{"first:1", "first:2", "second:4"}, got); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"id duplicate_offering_id", "plans[0].id duplicate_plan_id"}, rulesOf(c.Problems)); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
		if backend, ok := c.Offering("1"); backend != "first" || !ok {
			t.Errorf("calls go to %q", backend)
		}
		if c.Plan("3", "b") || !c.Plan("2", "b") {
			t.Error("the plan is that of the newcomer")
		}
		// Nor does the other spelling of the id make it the other backend's.
		if backend, ok := c.Offering(catalogmerge.MappedOffering("", "second", "1")); ok {
			t.Errorf("the newcomer's id, mapped, leads to %q", backend)
		}
		// An instance may be at either of them, as long as there is no record.
		if got := find(c.OfferingOwner, "1"); got != (lookup{"first", true, true}) {
			t.Errorf("without a record, the id leads to %v", got)
		}
	}

	// With its ids mapped, the newcomer stands beside the other, and takes nothing from it.
	mapped := &catalogmerge.Policy{NamespaceIDs: true}
	second = refreshWith(t, nil, "second", mapped, noon, service("1", "other", "a"), service("2", "others", "b"))
	policies := []*catalogmerge.Policy{mapped, nil}
	o := &catalogmerge.Options{Gateway: gateway}
	c := catalogmerge.Merge(expose([]*catalogmerge.Copy{second, first}, policies, o), o)
	if len(c.Offerings) != 4 || len(c.Problems) > 0 {
		t.Errorf("mapped, got %v, %v", shown(c), c.Problems)
	}
	if backend, ok := c.Offering("1"); backend != "first" || !ok {
		t.Errorf("calls go to %q", backend)
	}
	// The path is that in what the backend sent, whatever a policy leaves out of it.
	policy := &catalogmerge.Policy{Exclude: some("other", "x")}
	second = refreshWith(t, nil, "second", policy, noon.Add(time.Second), service("5", "other", "x", "b"))
	c = catalogmerge.Merge(expose([]*catalogmerge.Copy{first, second}, []*catalogmerge.Policy{nil, policy}, o), o)
	if diff := cmp.Diff([]string{"plans[1].id duplicate_plan_id"}, rulesOf(c.Problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	// The same plan id under two offerings of one broker is no better.
	c = merge([]*catalogmerge.Copy{refresh(t, nil, "x", noon, service("1", "one", "a"), service("2", "two", "a"))})
	if diff := cmp.Diff([]string{"services[1].plans[0].id duplicate_plan_id"}, rulesOf(c.Problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestT37DuplicateNames: names are unique in one answer. Each way out of a clash of names leaves the ids alone, unless
// the ids are to be mapped too, and then both spellings stay known.
func TestT37DuplicateNames(t *testing.T) {
	t.Parallel()
	copies := []*catalogmerge.Copy{
		refresh(t, nil, "x", noon, service("1", "db", "a")), refresh(t, nil, "y", noon, service("2", "db", "b")),
	}
	tests := []struct {
		name    string
		policy  *catalogmerge.Policy
		options catalogmerge.Options
		want    []string
	}{
		{"quarantine", nil, catalogmerge.Options{}, []string{"x:1=db"}},
		{"prefix the later one", nil, catalogmerge.Options{PrefixOnConflict: true}, []string{"x:1=db", "y:2=y-db"}},
		{"rename", &catalogmerge.Policy{Rename: map[string]string{"db": "db2"}}, catalogmerge.Options{}, []string{"x:1=db", "y:2=db2"}},
		{"prefix", &catalogmerge.Policy{Prefix: "my-"}, catalogmerge.Options{}, []string{"x:1=db", "y:2=my-db"}},
		{"exclude", &catalogmerge.Policy{Exclude: all("db")}, catalogmerge.Options{}, []string{"x:1=db"}},
		{"map the ids too", &catalogmerge.Policy{Prefix: "my-", NamespaceIDs: true}, catalogmerge.Options{}, []string{"x:1=db", "y:2=my-db"}},
	}
	for _, tt := range tests {
		policies := []*catalogmerge.Policy{nil, tt.policy}
		c := catalogmerge.Merge(expose(copies, policies, &tt.options), &tt.options)
		if diff := cmp.Diff(tt.want, shown(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		for _, o := range c.Offerings {
			if mapped := tt.policy != nil && tt.policy.NamespaceIDs && o.Backend == "y"; mapped == (o.ID == o.OwnID) {
				t.Errorf("%s: offering %q has id %q", tt.name, o.OwnID, o.ID)
			}
		}
		checkExposed(t, c, copies, policies, &tt.options)
	}
	// A broker may give its offering another name. The id stays, and so do the calls.
	renamed := refresh(t, copies[0], "x", noon.Add(time.Minute), service("1", "database", "a"))
	c := merge([]*catalogmerge.Copy{renamed, copies[1]})
	if diff := cmp.Diff([]string{"x:1=database", "y:2=db"}, shown(c)); diff != "" {
		t.Errorf("renamed by the broker (-want +got):\n%s", diff)
	}
	if got := find(c.NameOwner, "db"); got != (lookup{"x", true, true}) {
		t.Errorf("the former name leads to %v", got)
	}
}

// TestT39StableBytes: replicas that hear of the same answers in another order, or take what others wrote from the store,
// show the same bytes under the same entity tag, for every view; and whatever changes the bytes changes the tag.
func TestT39StableBytes(t *testing.T) {
	t.Parallel()
	const backends, rounds = 4, 5
	random := rand.New(rand.NewPCG(39, 1))
	o := &catalogmerge.Options{Gateway: gateway, PrefixOnConflict: true, MaterializeDefaults: true}
	of := []*catalogmerge.Visibility{nil, allow(t, "*1", "backend:n1"), deny(t, "name*")}
	tags := make(map[string]string)
	for trial := range 20 {
		var answers [rounds][backends][]byte
		var policies [backends]*catalogmerge.Policy
		for backend := range backends {
			policies[backend] = randomPolicy(random)
			for round := range rounds {
				answers[round][backend] = body(randomServices(random)...)
			}
		}
		replica := func() (*catalogmerge.Catalog, []*catalogmerge.View) {
			copies := make([]*catalogmerge.Copy, backends)
			exposed := make([]*catalogmerge.Exposed, backends)
			for round := range rounds {
				for _, i := range random.Perm(backends) {
					f := fetch(answers[round][i], "", noon.Add(time.Duration(round)*4*time.Minute))
					f.Policy = policies[i]
					next, err := catalogmerge.Refresh(copies[i], fmt.Sprint("b", i), f)
					if err != nil {
						t.Fatal(err)
					}
					if random.IntN(2) == 0 {
						next = decode(t, encode(t, next))
					}
					copies[i] = next
					exposed[i] = catalogmerge.Expose(next, policies[i], o, exposed[i])
				}
			}
			c := catalogmerge.Merge(exposed, o)
			return c, c.Views(of)
		}
		want, wantViews := replica()
		for range 3 {
			got, views := replica()
			if string(got.Body) != string(want.Body) || got.ETag != want.ETag || !slices.Equal(got.Problems, want.Problems) {
				t.Fatalf("trial %d: got\n%s\n%v\nwant\n%s\n%v", trial, got.Body, got.Problems, want.Body, want.Problems)
			}
			for i, view := range views {
				if string(view.Body) != string(wantViews[i].Body) || view.ETag != wantViews[i].ETag {
					t.Fatalf("trial %d: view %d is\n%s\nwant\n%s", trial, i, view.Body, wantViews[i].Body)
				}
			}
		}
		for _, view := range wantViews {
			if before, ok := tags[view.ETag]; ok && before != string(view.Body) {
				t.Fatalf("trial %d: two bodies have the tag %s", trial, view.ETag)
			}
			tags[view.ETag] = string(view.Body)
		}
	}
}

// TestT42DashboardClients: a platform takes each dashboard client id once, the secret that goes with it is not for
// caches, and both are the broker's own: mapping ids does not touch them.
func TestT42DashboardClients(t *testing.T) {
	t.Parallel()
	client := `"dashboard_client":{"id":"c","secret":"s\u003d","redirect_uri":"u"}`
	offering := with(service("1", "db", "a"), client)
	mapped := &catalogmerge.Policy{NamespaceIDs: true, Prefix: "y-"}
	copies := []*catalogmerge.Copy{
		refresh(t, nil, "x", noon, offering, service("2", "mq", "b")),
		refreshWith(t, nil, "y", mapped, noon, offering, service("2", "mq", "b")),
	}
	o := &catalogmerge.Options{Gateway: gateway}
	policies := []*catalogmerge.Policy{nil, mapped}
	c := catalogmerge.Merge(expose(copies, policies, o), o)
	if diff := cmp.Diff([]string{"x:1=db", "x:2=mq", "y:2=y-mq"}, shown(c)); diff != "" {
		t.Errorf("two deployments with one client (-want +got):\n%s", diff)
	}
	want := `backend "y", offering "1", dashboard_client.id: dashboard client id "c" of backend "y" is that of offering "1" of ` +
		`backend "x"; a platform takes each client once, and the client is its broker's own: have the broker use another one, ` +
		`or exclude the offering from one of the two (duplicate_dashboard_client_id)`
	if len(c.Problems) != 1 || !c.Problems[0].Hard || c.Problems[0].String() != want {
		t.Errorf("got problems %v, want %s", c.Problems, want)
	}
	for name, policies := range map[string][]*catalogmerge.Policy{
		"excluded from the other": {{Exclude: all("db")}, mapped},
		"hidden in the other":     {{Drain: true, Hidden: true}, mapped},
		"alone":                   {{Include: all("mq")}, mapped},
	} {
		c := catalogmerge.Merge(expose(copies, policies, o), o)
		if len(c.Problems) > 0 || !c.Secret {
			t.Errorf("%s: problems %v, secret %t", name, c.Problems, c.Secret)
		}
		var raw string
		for _, p := range c.Offerings {
			if p.Backend == "y" && p.OwnID == "1" {
				raw = string(p.Raw)
			}
		}
		if !strings.Contains(raw, client) || strings.Contains(raw, `"id":"1"`) {
			t.Errorf("%s: the client is not as its broker sent it: %s", name, raw)
		}
	}
	// A view without the client may be cached, one with it may not.
	views := c.Views([]*catalogmerge.Visibility{nil, deny(t, "db"), allow(t, "db")})
	if !views[0].Secret || views[1].Secret || !views[2].Secret {
		t.Errorf("got Secret %t, %t, %t", views[0].Secret, views[1].Secret, views[2].Secret)
	}
	for _, p := range c.Problems {
		if strings.Contains(p.String(), "s=") {
			t.Errorf("a problem holds the secret: %v", p)
		}
	}
}
