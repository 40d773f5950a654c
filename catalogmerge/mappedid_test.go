package catalogmerge_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestMappedIDs pins the mapped spellings: platforms hold them for as long as instances live.
func TestMappedIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		gateway, backend, own  string
		wantOffering, wantPlan string
	}{
		{
			"default", "mysql", "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01",
			"febe7ad3-4a03-5fb7-bc57-68f5bcb8108c", "d782eaac-bdc8-50ee-b6c3-ca93444e4d77",
		},
		{
			"default", "mysql-2", "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01",
			"af03250c-fb10-5892-a997-fc3015a7b9db", "82d99cb4-c801-5883-bdf4-8dd5492c8e19",
		},
		{
			"other", "mysql", "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01",
			"3f7ef73c-94c3-5453-bbec-a2195343fe65", "e17fc6b7-2ada-5507-884c-e54353bf089d",
		},
		{
			"default", "mysql", "",
			"ffafbb73-6e27-5274-8fb2-ef1b4265bb8e", "8edda10e-2c32-5a84-8bac-09349d6f5aae",
		},
		{
			"", "", "Überraschung \x00/",
			"30d8c1fe-5bb8-575d-8864-c9ca4045f3a7", "58d1760d-f850-5ea5-a702-743d7e827e92",
		},
	} {
		if got := catalogmerge.MappedOffering(tt.gateway, tt.backend, tt.own); got != tt.wantOffering {
			t.Errorf("offering %q of %q of %q is %s, want %s", tt.own, tt.backend, tt.gateway, got, tt.wantOffering)
		}
		if got := catalogmerge.MappedPlan(tt.gateway, tt.backend, tt.own); got != tt.wantPlan {
			t.Errorf("plan %q of %q of %q is %s, want %s", tt.own, tt.backend, tt.gateway, got, tt.wantPlan)
		}
	}
}

type lookup struct {
	Backend       string
	Ambiguous, OK bool
}

func find(f func(string) (string, bool, bool), id string) lookup {
	var l lookup
	l.Backend, l.Ambiguous, l.OK = f(id)
	return l
}

// TestTwoDeploymentsSideBySide: two deployments of one broker have the same ids and names. One was there before, and its
// ids are in the hands of platforms; that of the other are mapped.
func TestTwoDeploymentsSideBySide(t *testing.T) {
	t.Parallel()
	services := []string{service("sql", "db", "small", "large"), service("queue", "mq", "tiny")}
	old, young := (*catalogmerge.Policy)(nil), &catalogmerge.Policy{Name: "y", Prefix: "y-", NamespaceIDs: true}
	policies := []*catalogmerge.Policy{old, young}
	o := &catalogmerge.Options{Gateway: gateway}
	copies := []*catalogmerge.Copy{
		refreshWith(t, nil, "x", old, noon.Add(time.Minute), services...),
		refreshWith(t, nil, "y", young, noon, services...), // it is the older one for itself
	}
	c := catalogmerge.Merge(expose(copies, policies, o), o)
	if diff := cmp.Diff([]string{"x:sql=db", "x:queue=mq", "y:sql=y-db", "y:queue=y-mq"}, shown(c)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if len(c.Problems) > 0 {
		t.Errorf("problems: %v", c.Problems)
	}
	checkExposed(t, c, copies, policies, o)
	theirs, theirPlan := catalogmerge.MappedOffering(gateway, "y", "sql"), catalogmerge.MappedPlan(gateway, "y", "small")
	for id, want := range map[string]lookup{"sql": {"x", false, true}, theirs: {"y", false, true}} {
		if got := find(c.OfferingOwner, id); got != want {
			t.Errorf("OfferingOwner(%q) = %v, want %v", id, got, want)
		}
		if backend, ok := c.Offering(id); backend != want.Backend || !ok {
			t.Errorf("Offering(%q) = %q, %t", id, backend, ok)
		}
	}
	for id, want := range map[string]lookup{"small": {"x", false, true}, theirPlan: {"y", false, true}} {
		if got := find(c.PlanOwner, id); got != want {
			t.Errorf("PlanOwner(%q) = %v, want %v", id, got, want)
		}
	}
	if !c.Plan(theirs, "small") || !c.Plan(theirs, theirPlan) || !c.Plan("sql", "small") || c.Plan("sql", theirPlan) ||
		c.Plan(theirs, catalogmerge.MappedPlan(gateway, "x", "small")) {
		t.Error("plans are found under the offering of the other deployment, or not under their own")
	}

	// The first one leaves the configuration. Its ids are those of the second now, until that is known to lead elsewhere.
	alone := catalogmerge.Merge(expose(copies[1:], policies[1:], o), o)
	if got := find(alone.OfferingOwner, "sql"); got != (lookup{"y", false, true}) {
		t.Errorf("an own id that nobody else has is that of %v", got)
	}
	if backend, ok := alone.Offering("sql"); backend != "y" || !ok {
		t.Errorf("an own id leads to %q, %t", backend, ok)
	}
}

// TestBothMapped: where both deployments are mapped from the start, the plain spelling says nothing.
func TestBothMapped(t *testing.T) {
	t.Parallel()
	policies := []*catalogmerge.Policy{{NamespaceIDs: true}, {NamespaceIDs: true}}
	copies := make([]*catalogmerge.Copy, 2)
	for i := range copies {
		copies[i] = refreshWith(t, nil, []string{"x", "y"}[i], policies[i], noon, service("sql", "db", "small"))
	}
	o := &catalogmerge.Options{Gateway: gateway, PrefixOnConflict: true}
	c := catalogmerge.Merge(expose(copies, policies, o), o)
	if diff := cmp.Diff([]string{"x:sql=db", "y:sql=y-db"}, shown(c)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if got := find(c.OfferingOwner, "sql"); got != (lookup{"x", true, true}) {
		t.Errorf("the plain spelling leads to %v", got)
	}
	if _, ok := c.Offering("sql"); ok || c.Plan("sql", "small") {
		t.Error("the plain spelling is published")
	}
	for _, backend := range []string{"x", "y"} {
		if got := c.OwnOffering(backend, "sql"); got != "sql" {
			t.Errorf("%s knows its own id as %q", backend, got)
		}
	}
	checkExposed(t, c, copies, policies, o)
}

// TestWhoShowedItHasIt goes through what a backend may have done with an id, beside one that shows it as it is.
func TestWhoShowedItHasIt(t *testing.T) {
	t.Parallel()
	offering := service("sql", "db", "small")
	bad := strings.Replace(offering, "true", "1", 1)
	plain, mapped, excluded := (*catalogmerge.Policy)(nil), &catalogmerge.Policy{NamespaceIDs: true},
		&catalogmerge.Policy{Exclude: all("db")}
	type step struct {
		policy  *catalogmerge.Policy
		service string
	}
	tests := []struct {
		name  string
		steps []step
		// clear tells that the id leads to the other backend without doubt.
		clear bool
	}{
		{"shown", []step{{plain, offering}}, false},
		{"mapped", []step{{mapped, offering}}, true},
		{"excluded", []step{{excluded, offering}}, true},
		{"a plan of it excluded", []step{{&catalogmerge.Policy{Exclude: some("db", "small")}, offering}}, true},
		{"not included", []step{{&catalogmerge.Policy{Include: all("other")}, offering}}, true},
		{"bad, and to be shown", []step{{plain, bad}}, false},
		{"bad and mapped", []step{{mapped, bad}}, true},
		{"bad and excluded", []step{{excluded, bad}}, true},
		{"mapped, then shown", []step{{mapped, offering}, {plain, offering}}, false},
		{"shown, then mapped", []step{{plain, offering}, {mapped, offering}}, false},
		{"shown, then excluded", []step{{plain, offering}, {excluded, offering}}, false},
		{"excluded, then mapped", []step{{excluded, offering}, {mapped, offering}}, true},
		{"excluded, then shown", []step{{excluded, offering}, {plain, offering}}, false},
		{"bad, then mapped", []step{{plain, bad}, {mapped, offering}}, false},
		{"mapped, then withdrawn", []step{{mapped, offering}, {plain, service("other", "other", "other")}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var other *catalogmerge.Copy
			var policy *catalogmerge.Policy
			for i, s := range tt.steps {
				policy = s.policy
				other = refreshWith(t, other, "other", policy, noon.Add(time.Duration(i)*time.Minute), s.service)
				other = decode(t, encode(t, other))
			}
			copies := []*catalogmerge.Copy{other, refresh(t, nil, "x", noon.Add(time.Hour), offering)}
			policies := []*catalogmerge.Policy{policy, nil}
			o := &catalogmerge.Options{Gateway: gateway}
			c := catalogmerge.Merge(expose(copies, policies, o), o)
			for what, got := range map[string]lookup{
				"offering": find(c.OfferingOwner, "sql"), "plan": find(c.PlanOwner, "small"),
			} {
				if !got.OK || got.Ambiguous == tt.clear || tt.clear && got.Backend != "x" {
					t.Errorf("the %s is that of %v", what, got)
				}
			}
			checkExposed(t, c, copies, policies, o)
		})
	}
}

// TestRightsGoByWhatIsShown: to have had an id as it is gives no right to it mapped, and the other way about; having had
// another name gives none to the present one.
func TestRightsGoByWhatIsShown(t *testing.T) {
	t.Parallel()
	mapped := &catalogmerge.Policy{NamespaceIDs: true}
	offering := service("sql", "db", "small")
	// x was mapped first, and shows its ids as they are since the third minute; y does so since the second.
	x := refreshWith(t, nil, "x", mapped, noon, offering)
	x = refreshWith(t, x, "x", nil, noon.Add(3*time.Minute), offering)
	y := refreshWith(t, nil, "y", nil, noon.Add(2*time.Minute), service("sql", "sql", "tiny"))
	z := refreshWith(t, nil, "z", &catalogmerge.Policy{Rename: map[string]string{"z": "other"}}, noon, service("z", "z", "z"))
	z = refreshWith(t, z, "z", nil, noon.Add(4*time.Minute), service("z", "z", "z"))
	w := refreshWith(t, nil, "w", nil, noon.Add(time.Minute), service("w", "z", "w"))
	for _, copies := range [][]*catalogmerge.Copy{{x, y, z, w}, {w, z, y, x}} {
		if got := publishedIDs(merge(copies)); strings.Join(got, " ") != "y:sql w:w" && strings.Join(got, " ") != "w:w y:sql" {
			t.Errorf("published %v", got)
		}
	}
}

// TestOwnIDThatLooksMapped: a backend may have an id that is the mapped spelling of another one of its ids. The way in
// which ids are shown today says which of them is meant.
func TestOwnIDThatLooksMapped(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "x", noon, service("1", "one", xPlan("a")), service(xOffering("1"), "two", "a"))
	o := &catalogmerge.Options{Gateway: gateway}
	for _, tt := range []struct {
		policy                 *catalogmerge.Policy
		wantOffering, wantPlan string
	}{{nil, xOffering("1"), xPlan("a")}, {&catalogmerge.Policy{NamespaceIDs: true}, "1", "a"}} {
		catalog := publish(c, tt.policy, o)
		if got := catalog.OwnOffering("x", xOffering("1")); got != tt.wantOffering {
			t.Errorf("the offering is %q, want %q", got, tt.wantOffering)
		}
		if got := catalog.OwnPlan("x", xPlan("a")); got != tt.wantPlan {
			t.Errorf("the plan is %q, want %q", got, tt.wantPlan)
		}
		if got := find(catalog.OfferingOwner, xOffering("1")); got != (lookup{"x", false, true}) {
			t.Errorf("the offering is that of %v", got)
		}
		for _, id := range []string{"1", xOffering("1")} {
			if got := catalog.OwnOffering("x", catalog.ExposedOffering("x", id)); got != id {
				t.Errorf("offering %q came back as %q", id, got)
			}
		}
	}
}

// TestTouchLearns: the answer that nothing changed is enough for a new policy.
func TestTouchLearns(t *testing.T) {
	t.Parallel()
	c := refreshWith(t, nil, "x", &catalogmerge.Policy{Exclude: all("two")}, noon,
		service("1", "one", "a"), service("2", "two", "b"))
	before := string(encode(t, c))
	f := fetch(nil, "", noon.Add(time.Minute))
	f.Policy = &catalogmerge.Policy{Prefix: "x-", NamespaceIDs: true}
	next := catalogmerge.Touch(c, f)
	want := catalogmerge.Known{
		Offerings: map[string]catalogmerge.KnownOffering{
			"1": {
				FirstSeen: noon, Exposure: catalogmerge.Exposure{MappedSince: noon.Add(time.Minute)},
				Names: map[string]time.Time{"one": noon, "x-one": noon.Add(time.Minute)},
			},
			"2": {
				Exposure: catalogmerge.Exposure{MappedSince: noon.Add(time.Minute), Withheld: true},
				Names:    map[string]time.Time{"x-two": noon.Add(time.Minute)}, OwnNames: []string{"two"},
			},
		},
		Plans: map[string]catalogmerge.KnownPlan{
			"a": {Offering: "1", FirstSeen: noon, Exposure: catalogmerge.Exposure{MappedSince: noon.Add(time.Minute)}},
			"b": {Offering: "2", Exposure: catalogmerge.Exposure{MappedSince: noon.Add(time.Minute), Withheld: true}},
		},
	}
	if diff := cmp.Diff(want, next.Known); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if string(encode(t, c)) != before {
		t.Error("the copy before it changed")
	}
	f.At = noon.Add(2 * time.Minute)
	f.Policy = nil
	shown := catalogmerge.Touch(next, f)
	two := shown.Known.Offerings["2"]
	if two.Withheld || !two.FirstSeen.Equal(f.At) || len(two.OwnNames) > 0 || !two.Names["two"].Equal(f.At) {
		t.Errorf("shown as it is, it is known as %+v", two)
	}
	for _, c := range []*catalogmerge.Copy{next, shown} {
		if diff := cmp.Diff(c, decode(t, encode(t, c))); diff != "" {
			t.Errorf("decoded (-want +got):\n%s", diff)
		}
	}
}

// TestSpellingsSurvivePolicies goes through random sequences of policies and catalogs: whatever was ever known is found
// in both spellings, and every catalog is sound.
func TestSpellingsSurvivePolicies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 1))
	o := &catalogmerge.Options{Gateway: gateway, PrefixOnConflict: true, MaterializeDefaults: true}
	for range 80 {
		const backends = 3
		copies := make([]*catalogmerge.Copy, backends)
		policies := make([]*catalogmerge.Policy, backends)
		exposed := make([]*catalogmerge.Exposed, backends)
		now := noon
		for range 12 {
			now = now.Add(4 * time.Minute)
			i := random.IntN(backends)
			policies[i] = randomPolicy(random)
			f := fetch(body(randomServices(random)...), "", now)
			f.Policy = policies[i]
			if copies[i] == nil || random.IntN(3) > 0 {
				next, err := catalogmerge.Refresh(copies[i], fmt.Sprint("b", i), f)
				if err != nil {
					t.Fatal(err)
				}
				checkKnows(t, copies[i], next)
				copies[i] = next
			} else {
				copies[i] = catalogmerge.Touch(copies[i], f)
			}
			if random.IntN(4) == 0 {
				copies[i] = decode(t, encode(t, copies[i]))
			}
			for j := range exposed {
				exposed[j] = catalogmerge.Expose(copies[j], policies[j], o, exposed[j])
			}
			c := catalogmerge.Merge(exposed, o)
			checkExposed(t, c, copies, policies, o)
			if afresh := catalogmerge.Merge(expose(copies, policies, o), o); afresh.ETag != c.ETag {
				t.Fatalf("taken over from before:\n%s\nafresh:\n%s", c.Body, afresh.Body)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// randomPolicy returns a policy that speaks of the offerings of randomServices.
func randomPolicy(random *rand.Rand) *catalogmerge.Policy {
	if random.IntN(5) == 0 {
		return nil
	}
	selections := func() []catalogmerge.Selection {
		var result []catalogmerge.Selection
		for range random.IntN(4) {
			s := catalogmerge.Selection{Offering: fmt.Sprintf("name%d", random.IntN(10))}
			for range random.IntN(3) {
				s.Plans = append(s.Plans, fmt.Sprintf("p%d", random.IntN(12)))
			}
			result = append(result, s)
		}
		return result
	}
	p := &catalogmerge.Policy{Name: fmt.Sprint("n", random.IntN(2)), NamespaceIDs: random.IntN(2) == 0}
	if random.IntN(3) == 0 {
		p.Include = selections()
	}
	if random.IntN(2) == 0 {
		p.Exclude = selections()
	}
	if random.IntN(3) == 0 {
		p.Prefix = "name"
	}
	if random.IntN(3) == 0 {
		p.Rename = map[string]string{"name1": "name2", "name3": fmt.Sprint(random.IntN(10))}
	}
	p.Drain, p.Hidden = random.IntN(4) == 0, random.IntN(2) == 0
	return p
}
