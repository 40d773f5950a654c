package catalogmerge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestRefreshWithPolicies: what is excluded has no problems and takes nothing from what is offered, but stays in the
// copy, so that another policy needs no fetch.
func TestRefreshWithPolicies(t *testing.T) {
	t.Parallel()
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	bad := func(s string) string { return strings.Replace(s, "true", "1", 1) }
	tests := []struct {
		name     string
		policy   catalogmerge.Policy
		services []string
		held     []string // own ids in the copy
		shown    []string
		problems []string
		etag     bool
	}{
		{
			"sound ones",
			catalogmerge.Policy{Exclude: all("two")},
			[]string{service("1", "one", "a"), service("2", "two", "b")},
			[]string{"1", "2"},
			[]string{"x:1"},
			nil, true,
		},
		{
			"a plan id in both, the first one excluded",
			catalogmerge.Policy{Exclude: all("one")},
			[]string{service("1", "one", "a"), service("2", "two", "a")},
			[]string{"1", "2"},
			[]string{"x:2"},
			nil, true,
		},
		{
			"a plan id in both, the plan of the first one excluded",
			catalogmerge.Policy{Exclude: some("one", "a")},
			[]string{service("1", "one", "a", "b"), service("2", "two", "a")},
			[]string{"1", "2"},
			[]string{"x:1", "x:2"},
			nil, true,
		},
		{
			"a dashboard client in both, the first one not included",
			catalogmerge.Policy{Include: all("two")},
			[]string{with(service("1", "one", "a"), client), with(service("2", "two", "b"), client)},
			[]string{"1", "2"},
			[]string{"x:2"},
			nil, true,
		},
		{
			"the same id twice, the first one excluded",
			catalogmerge.Policy{Exclude: all("one")},
			[]string{service("1", "one", "a"), service("1", "two", "b")},
			[]string{"1"},
			[]string{"x:1"},
			nil, false,
		},
		{
			"the same id twice, the second one excluded",
			catalogmerge.Policy{Exclude: all("two")},
			[]string{service("1", "one", "a"), service("1", "two", "b")},
			[]string{"1"},
			[]string{"x:1"},
			nil, false,
		},
		{
			"the same id twice, both offered",
			catalogmerge.Policy{Exclude: all("three")},
			[]string{service("1", "one", "a"), service("1", "two", "b")},
			[]string{"1"},
			[]string{"x:1"},
			[]string{"services[1].id duplicate_offering_id"},
			false,
		},
		{
			"a bad one excluded",
			catalogmerge.Policy{Exclude: all("one")},
			[]string{bad(service("1", "one", "a")), service("2", "two", "b")},
			[]string{"2"},
			[]string{"x:2"},
			nil, false,
		},
		{
			"a bad one of which a plan is excluded",
			catalogmerge.Policy{Exclude: some("one", "a")},
			[]string{bad(service("1", "one", "a")), service("2", "two", "b")},
			[]string{"2"},
			[]string{"x:2"},
			[]string{"services[0].bindable wrong_type"},
			false,
		},
		{
			"a bad one without a readable name",
			catalogmerge.Policy{Include: all("two")},
			[]string{strings.Replace(service("1", "one", "a"), `"one"`, `1`, 1), service("2", "two", "b")},
			[]string{"2"},
			[]string{"x:2"},
			[]string{"services[0].name wrong_type"},
			false,
		},
		{
			"names that clash by a rename are not the broker's fault",
			catalogmerge.Policy{Rename: map[string]string{"two": "one"}},
			[]string{service("1", "one", "a"), service("2", "two", "b")},
			[]string{"1", "2"},
			[]string{"x:1"},
			[]string{"name duplicate_offering_name"},
			true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fetch(body(tt.services...), `"v1"`, noon)
			f.Policy = &tt.policy
			var c *catalogmerge.Copy
			for range 2 { // reading the same answer again changes nothing
				next, err := catalogmerge.Refresh(c, "x", f)
				if err != nil {
					t.Fatal(err)
				}
				if c != nil {
					if diff := cmp.Diff(c, next); diff != "" {
						t.Errorf("read again (-first +second):\n%s", diff)
					}
				}
				c = next
			}
			var held []string
			for _, o := range c.Offerings {
				held = append(held, o.ID)
			}
			if diff := cmp.Diff(tt.held, held); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
			catalog := publish(c, &tt.policy, nil)
			if diff := cmp.Diff(tt.shown, publishedIDs(catalog)); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
			var problems []catalogmerge.Problem
			for _, p := range catalog.Problems {
				if p.Rule != catalogmerge.RuleNoMatch {
					problems = append(problems, p)
				}
			}
			if diff := cmp.Diff(tt.problems, rulesOf(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if got := c.ETag != ""; got != tt.etag {
				t.Errorf("the next answer may be 304: %t", got)
			}
			for _, id := range []string{"1", "2"} {
				if _, _, ok := catalog.OfferingOwner(id); !ok && strings.Contains(string(f.Body), `"id":"`+id+`"`) {
					t.Errorf("offering %q is not known", id)
				}
			}
			checkExposed(t, catalog, []*catalogmerge.Copy{c}, []*catalogmerge.Policy{&tt.policy}, nil)
		})
	}
}

// TestPolicyThatUncoversAClash: offerings that stood side by side because one was excluded do not any more. The one that
// platforms were shown first stays.
func TestPolicyThatUncoversAClash(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{Exclude: all("one")}
	services := []string{service("1", "one", "a"), service("2", "two", "a")}
	c := refreshWith(t, nil, "x", policy, noon, services...)
	c = refreshWith(t, c, "x", nil, noon.Add(time.Minute), services...)
	catalog := publish(c, nil, nil)
	if diff := cmp.Diff([]string{"x:2"}, publishedIDs(catalog)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"services[0].plans[0].id duplicate_plan_id"}, rulesOf(catalog.Problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.ETag != "" {
		t.Error("the answer is not read again")
	}
	c = refreshWith(t, c, "x", policy, noon.Add(2*time.Minute), services...)
	if len(c.Offerings) != 2 || len(c.Problems) > 0 {
		t.Errorf("with the first policy the copy holds %q, %v", raws(c.Offerings), c.Problems)
	}
	// Without the answer, merging sees to it.
	c = refreshWith(t, nil, "x", policy, noon, services...)
	catalog = publish(c, nil, nil)
	if diff := cmp.Diff([]string{"x:2"}, publishedIDs(catalog)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestClashThatIsOver: what gives way to an older offering takes nothing from a younger one.
func TestClashThatIsOver(t *testing.T) {
	t.Parallel()
	one, two, three := service("1", "one", "a"), service("2", "two", "a", "b"), service("3", "three", "b")
	c := refreshWith(t, nil, "x", nil, noon, one)
	c = refreshWith(t, c, "x", &catalogmerge.Policy{Exclude: all("one")}, noon.Add(time.Minute), one, two)
	c = refreshWith(t, c, "x", &catalogmerge.Policy{Exclude: all("two")}, noon.Add(2*time.Minute), one, two, three)
	c = refreshWith(t, c, "x", nil, noon.Add(3*time.Minute), one, two)
	if diff := cmp.Diff([]string{one, three}, raws(c.Offerings)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExcludedStays: what is excluded is kept like everything else, through bad versions and until it was missing for
// long enough.
func TestExcludedStays(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{Exclude: all("one")}
	good := service("1", "one", "a")
	c := refreshWith(t, nil, "x", policy, noon, good)
	c = refreshWith(t, c, "x", policy, noon.Add(time.Minute), strings.Replace(good, "true", "1", 1))
	if diff := cmp.Diff([]string{good}, raws(c.Offerings)); diff != "" || len(c.Problems) > 0 {
		t.Errorf("after a bad version (-want +got):\n%s%v", diff, c.Problems)
	}
	c = refreshWith(t, c, "x", policy, noon.Add(2*time.Minute), service("2", "two", "b"))
	if len(c.Offerings) != 2 {
		t.Errorf("missing, it is gone at once: %q", raws(c.Offerings))
	}
	if diff := cmp.Diff([]string{"x:1", "x:2"}, publishedIDs(publish(c, nil, nil))); diff != "" {
		t.Errorf("with another policy (-want +got):\n%s", diff)
	}
	c = refreshWith(t, c, "x", policy, noon.Add(time.Hour), service("2", "two", "b"))
	if diff := cmp.Diff([]string{service("2", "two", "b")}, raws(c.Offerings)); diff != "" {
		t.Errorf("long after (-want +got):\n%s", diff)
	}
	if got := find(publish(c, policy, nil).OfferingOwner, "1"); got != (lookup{"x", false, true}) {
		t.Errorf("gone, its id leads to %v", got)
	}
}

// TestPlanIsOfWhatShowedIt: a plan is remembered with the offering that it was first shown in, not with one that was bad
// or excluded.
func TestPlanIsOfWhatShowedIt(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{Exclude: all("one"), NamespaceIDs: true}
	bad := strings.Replace(service("2", "two", "b"), "true", "1", 1)
	c := refreshWith(t, nil, "x", policy, noon, service("1", "one", "a"), bad)
	c = refreshWith(t, c, "x", policy, noon.Add(time.Minute), service("3", "three", "a", "b"))
	c = refreshWith(t, c, "x", policy, noon.Add(time.Hour), service("4", "four", "a", "b"))
	for _, id := range []string{"a", "b"} {
		if got := c.Known.Plans[id].Offering; got != "3" {
			t.Errorf("plan %q is remembered with offering %q", id, got)
		}
	}
}
