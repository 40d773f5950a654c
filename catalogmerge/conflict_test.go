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

// shown returns the published offerings as backend:own id=name.
func shown(c *catalogmerge.Catalog) []string {
	var result []string
	for _, o := range c.Offerings {
		result = append(result, o.Backend+":"+o.OwnID+"="+o.Name)
	}
	return result
}

// TestPrefixOnConflict: an offering whose name another backend has takes its backend's name along.
func TestPrefixOnConflict(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// services are those of backends x, y and z, each fetched a minute after the one before.
		services [3][]string
		policies []*catalogmerge.Policy
		want     []string
		problems []string // of the catalog
	}{
		{
			"the later one",
			[3][]string{{service("1", "sql", "a")}, {service("2", "sql", "b")}, {service("3", "sql", "c")}},
			[]*catalogmerge.Policy{{Name: "one"}, {Name: "two"}},
			[]string{"x:1=sql", "y:2=two-sql", "z:3=z-sql"},
			[]string{
				`soft backend "y", offering "2", name: offering name "sql" of backend "y" is that of offering "1" of backend "x"; ` +
					`it is shown as "two-sql" (duplicate_offering_name)`,
				`soft backend "z", offering "3", name: offering name "sql" of backend "z" is that of offering "1" of backend "x"; ` +
					`it is shown as "z-sql" (duplicate_offering_name)`,
			},
		},
		{
			"names as platforms see them",
			[3][]string{{service("1", "sql", "a")}, {service("2", "db", "b")}, nil},
			[]*catalogmerge.Policy{{Prefix: "my-"}, {Rename: map[string]string{"db": "my-sql"}}},
			[]string{"x:1=my-sql", "y:2=y-my-sql"},
			[]string{
				`soft backend "y", offering "2", name: offering name "my-sql" of backend "y" is that of offering "1" of backend "x"; ` +
					`it is shown as "y-my-sql" (duplicate_offering_name)`,
			},
		},
		{
			"not who loses an id too",
			[3][]string{{service("1", "sql", "a")}, {service("1", "sql", "b")}, {service("3", "sql", "a")}},
			nil,
			[]string{"x:1=sql"},
			[]string{
				`hard backend "y", offering "1", id: offering id "1" of backend "y" is that of offering "1" of backend "x" ` +
					`(duplicate_offering_id)`,
				`hard backend "z", offering "3", plans[0].id: plan id "a" of backend "z" is that of offering "1" of backend "x" ` +
					`(duplicate_plan_id)`,
			},
		},
		{
			"not against one that has that name of its own, though it came later",
			[3][]string{{service("1", "sql", "a")}, {service("2", "sql", "b")}, {service("3", "y-sql", "c")}},
			nil,
			[]string{"x:1=sql", "z:3=y-sql"},
			[]string{
				`hard backend "y", offering "2", name: offering name "y-sql" of backend "y" is that of offering "3" of backend "z"; ` +
					`it would have been shown under that name, because another backend has its own, "sql" (duplicate_offering_name)`,
			},
		},
		{
			"what was beaten has no name",
			[3][]string{{service("1", "sql", "a")}, {service("2", "sql", "b")}, {service("1", "y-sql", "c")}},
			nil,
			[]string{"x:1=sql", "y:2=y-sql"},
			[]string{
				`soft backend "y", offering "2", name: offering name "sql" of backend "y" is that of offering "1" of backend "x"; ` +
					`it is shown as "y-sql" (duplicate_offering_name)`,
				`hard backend "z", offering "1", id: offering id "1" of backend "z" is that of offering "1" of backend "x" ` +
					`(duplicate_offering_id)`,
			},
		},
		{
			"two that would take the same name",
			[3][]string{
				{service("1", "sql", "a"), service("2", "b-sql", "b")},
				{service("3", "b-sql", "c")},
				{service("4", "sql", "d")},
			},
			[]*catalogmerge.Policy{nil, {Name: "a"}, {Name: "a-b"}},
			[]string{"x:1=sql", "x:2=b-sql", "y:3=a-b-sql"},
			[]string{
				`soft backend "y", offering "3", name: offering name "b-sql" of backend "y" is that of offering "2" of backend "x"; ` +
					`it is shown as "a-b-sql" (duplicate_offering_name)`,
				`hard backend "z", offering "4", name: offering name "a-b-sql" of backend "z" is that of offering "3" of backend "y"; ` +
					`it would have been shown under that name, because another backend has its own, "sql" (duplicate_offering_name)`,
			},
		},
		{
			"two of one backend, by a policy",
			[3][]string{{service("1", "sql", "a"), service("2", "db", "b")}, nil, nil},
			[]*catalogmerge.Policy{{Rename: map[string]string{"db": "sql"}}},
			[]string{"x:1=sql", "x:2=x-sql"},
			[]string{
				`soft backend "x", offering "2", name: offering name "sql" of backend "x" is that of offering "1" of backend "x"; ` +
					`it is shown as "x-sql" (duplicate_offering_name)`,
			},
		},
		{
			"the name of who gave its own up goes to nobody else",
			[3][]string{
				{service("1", "sql", "a")},
				{service("2", "sql", "b"), service("3", "y-sql", "c")},
				{service("4", "y-y-sql", "d"), service("5", "y-sql", "e")},
			},
			nil,
			[]string{"x:1=sql", "y:3=y-sql", "z:4=y-y-sql", "z:5=z-y-sql"},
			[]string{
				`hard backend "y", offering "2", name: offering name "y-sql" of backend "y" is that of offering "3" of backend "y"; ` +
					`it would have been shown under that name, because another backend has its own, "sql" (duplicate_offering_name)`,
				`soft backend "z", offering "5", name: offering name "y-sql" of backend "z" is that of offering "3" of backend "y"; ` +
					`it is shown as "z-y-sql" (duplicate_offering_name)`,
			},
		},
		{
			"who gives up a name keeps its other rights",
			[3][]string{
				{service("1", "sql", "a")}, {service("2", "sql", "b")}, {service("3", "other", "b")},
			},
			nil,
			[]string{"x:1=sql", "y:2=y-sql"},
			[]string{
				`soft backend "y", offering "2", name: offering name "sql" of backend "y" is that of offering "1" of backend "x"; ` +
					`it is shown as "y-sql" (duplicate_offering_name)`,
				`hard backend "z", offering "3", plans[0].id: plan id "b" of backend "z" is that of offering "2" of backend "y" ` +
					`(duplicate_plan_id)`,
			},
		},
		{
			"who has the name of its own may still be waiting for something else",
			[3][]string{
				{service("v", "v", "r"), service("1", "sql", "a")},
				{service("w", "w", "r", "q"), service("2", "sql", "b")},
				{service("3", "y-sql", "q")},
			},
			nil,
			[]string{"x:v=v", "x:1=sql", "z:3=y-sql"},
			[]string{
				`hard backend "y", offering "w", plans[0].id: plan id "r" of backend "y" is that of offering "v" of backend "x" ` +
					`(duplicate_plan_id)`,
				`hard backend "y", offering "2", name: offering name "y-sql" of backend "y" is that of offering "3" of backend "z"; ` +
					`it would have been shown under that name, because another backend has its own, "sql" (duplicate_offering_name)`,
			},
		},
		{
			"each waits for the other: the one that goes by its own name",
			[3][]string{
				{service("1", "sql", "a")}, {service("2", "sql", "b")}, {service("3", "y-sql", "b")},
			},
			nil,
			[]string{"x:1=sql", "z:3=y-sql"},
			[]string{
				`hard backend "y", offering "2", plans[0].id: plan id "b" of backend "y" is that of offering "3" of backend "z" ` +
					`(duplicate_plan_id)`,
			},
		},
		{
			"what was beaten before has no name either",
			[3][]string{
				{service("1", "sql", "a"), service("v", "v", "r")},
				{service("2", "sql", "b")},
				{service("n", "y-sql", "r"), service("3", "other", "b")},
			},
			nil,
			[]string{"x:1=sql", "x:v=v", "y:2=y-sql"},
			[]string{
				`soft backend "y", offering "2", name: offering name "sql" of backend "y" is that of offering "1" of backend "x"; ` +
					`it is shown as "y-sql" (duplicate_offering_name)`,
				`hard backend "z", offering "n", plans[0].id: plan id "r" of backend "z" is that of offering "v" of backend "x" ` +
					`(duplicate_plan_id)`,
				`hard backend "z", offering "3", plans[0].id: plan id "b" of backend "z" is that of offering "2" of backend "y" ` +
					`(duplicate_plan_id)`,
			},
		},
		{
			"what is hidden has no name to lose",
			[3][]string{{service("1", "sql", "a")}, {service("2", "sql", "b")}, nil},
			[]*catalogmerge.Policy{{Drain: true, Hidden: true}},
			[]string{"x:1=sql", "y:2=sql"},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			copies := make([]*catalogmerge.Copy, 3)
			for i, services := range tt.services {
				var policy *catalogmerge.Policy
				if i < len(tt.policies) {
					policy = tt.policies[i]
				}
				copies[i] = refreshWith(t, nil, []string{"x", "y", "z"}[i], policy, noon.Add(time.Duration(i)*time.Minute), services...)
			}
			o := &catalogmerge.Options{PrefixOnConflict: true}
			c := catalogmerge.Merge(expose(copies, tt.policies, o), o)
			if diff := cmp.Diff(tt.want, shown(c)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			var problems []string
			for _, p := range c.Problems {
				problems = append(problems, map[bool]string{true: "hard ", false: "soft "}[p.Hard]+p.String())
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			checkExposed(t, c, copies, tt.policies, o)
			for _, p := range c.Offerings {
				// It is ambiguous where another backend has the name of its own.
				if backend, ambiguous, ok := c.NameOwner(p.Name); !ok || !ambiguous && backend != p.Backend {
					t.Errorf("name %q is that of %q, %t, %t", p.Name, backend, ambiguous, ok)
				}
			}
		})
	}
}

// TestNameInConflictIsRemembered: an instance id of IBM Cloud may carry a name that clashed for a while, also when the
// backend got another name since.
func TestNameInConflictIsRemembered(t *testing.T) {
	t.Parallel()
	x, y := refresh(t, nil, "x", noon, service("1", "sql", "a")), refresh(t, nil, "y", noon, service("2", "sql", "b"))
	y = refresh(t, y, "y", noon.Add(time.Minute), service("2", "db", "b"))
	c := catalogmerge.Merge(expose([]*catalogmerge.Copy{x, y}, []*catalogmerge.Policy{nil, {Name: "two"}}, nil), nil)
	for name, want := range map[string]string{
		"two-sql": "y", "y-sql": "y", "x-sql": "x", "two-db": "y", "x-db": "", "two-": "", "-sql": "", "two-two-sql": "",
	} {
		if got, ambiguous, ok := c.NameOwner(name); got != want || ambiguous || ok != (want != "") {
			t.Errorf("NameOwner(%q) = %q, %t, %t, want %q", name, got, ambiguous, ok, want)
		}
	}
	twins := catalogmerge.Merge(expose([]*catalogmerge.Copy{x, y}, []*catalogmerge.Policy{{Name: "y"}, {Name: "two"}}, nil), nil)
	if got, ambiguous, ok := twins.NameOwner("y-sql"); got != "x" || !ambiguous || !ok {
		t.Errorf("a name of two backends is that of %q, %t, %t", got, ambiguous, ok)
	}
}

// TestConflictChain: each offering has a claim on what the next one has, so that a single pass decides about all of
// them, however many.
func TestConflictChain(t *testing.T) {
	t.Parallel()
	const length = 2000
	for _, rename := range []bool{false, true} {
		copies := make([]*catalogmerge.Copy, length)
		for i := range copies {
			copies[i] = refresh(t, nil, fmt.Sprintf("b%d", i), noon.Add(time.Duration(i)*time.Second),
				service(fmt.Sprint("id", i), fmt.Sprintf("name%d", i/2), fmt.Sprint("p", i), fmt.Sprint("p", i+1)))
		}
		o := &catalogmerge.Options{PrefixOnConflict: rename}
		c := catalogmerge.Merge(expose(copies, nil, o), o)
		// Every second one loses its plan to the one before.
		if len(c.Offerings) != length/2 || len(c.Problems) != length/2 {
			t.Errorf("got %d offerings, %d problems", len(c.Offerings), len(c.Problems))
		}
	}
}

// TestPrefixOnConflictIsSound merges random catalogs in which ids, names and the names in conflicts clash in all ways.
func TestPrefixOnConflictIsSound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 4))
	names := []string{"n", "m", "0-n", "1-n", "2-n", "0-0-n", "1-0-n", "0-1-n", "2-m", "0-2-m"}
	for trial := range 800 {
		copies := make([]*catalogmerge.Copy, 3)
		policies := make([]*catalogmerge.Policy, 3)
		id := 0
		for i := range copies {
			var services []string
			for range random.IntN(4) {
				id++
				plans := []string{fmt.Sprint("p", random.IntN(14))}
				services = append(services, service(fmt.Sprint(random.IntN(12)), names[random.IntN(len(names))], plans...))
			}
			copies[i] = refresh(t, nil, fmt.Sprint(i), noon.Add(time.Duration(random.IntN(3))*time.Minute), services...)
			policies[i] = &catalogmerge.Policy{Name: fmt.Sprint(random.IntN(3))}
		}
		o := &catalogmerge.Options{PrefixOnConflict: true}
		c := catalogmerge.Merge(expose(copies, policies, o), o)
		checkExposed(t, c, copies, policies, o)
		checkNothingLost(t, c, copies)
		again := catalogmerge.Merge(expose(copies, policies, o), o)
		if again.ETag != c.ETag || !slices.Equal(again.Problems, c.Problems) {
			t.Fatalf("trial %d: merging again gives\n%s\nand not\n%s", trial, again.Body, c.Body)
		}
		// A platform that reads the result finds nothing to object to, and neither would a gateway in front.
		outer := refresh(t, nil, "outer", noon, servicesOf(t, c)...)
		if len(outer.Problems) > 0 || string(publish(outer, nil, nil).Body) != string(c.Body) {
			t.Fatalf("trial %d: %v\n%s", trial, outer.Problems, c.Body)
		}
		if t.Failed() {
			t.Fatalf("trial %d", trial)
		}
	}
}

func servicesOf(t testing.TB, c *catalogmerge.Catalog) []string {
	t.Helper()
	raw, err := decodeServices(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	services := make([]string, len(raw))
	for i := range raw {
		services[i] = string(raw[i])
	}
	return services
}

// checkNothingLost checks that every offering of the copies is either published or named in a hard problem, and in the
// latter case that somebody published has what it claims.
func checkNothingLost(t testing.TB, c *catalogmerge.Catalog, copies []*catalogmerge.Copy) {
	t.Helper()
	published := make(map[string]bool)
	for _, o := range c.Offerings {
		published[o.Backend+" "+o.OwnID] = true
	}
	quarantined := make(map[string]string)
	for _, p := range c.Problems {
		if p.Hard && !strings.HasPrefix(p.Path, "services[") { // those are of Refresh
			quarantined[p.Backend+" "+p.Offering] = p.Detail
		}
	}
	for _, from := range copies {
		if from == nil {
			continue
		}
		for _, o := range from.Offerings {
			key := from.Backend + " " + o.ID
			detail, bad := quarantined[key]
			if published[key] == bad {
				t.Errorf("offering %q is published: %t, and quarantined: %q", key, published[key], detail)
			}
			if _, holder, ok := strings.Cut(detail, " is that of offering "); bad && ok {
				var id, backend string
				if _, err := fmt.Sscanf(strings.TrimSuffix(strings.SplitN(holder, ";", 2)[0], ";"), "%q of backend %q", &id, &backend); err != nil {
					t.Errorf("%v in %q", err, detail)
				} else if !published[backend+" "+id] {
					t.Errorf("%q lost against %q of %q, which is not published", key, id, backend)
				}
			}
		}
	}
}
