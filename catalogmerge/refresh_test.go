package catalogmerge_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, want string
	}{
		{"nothing", ``, "not JSON"},
		{"a web page", `<html>`, "not JSON: at byte 1"},
		{"a cut answer", `{"services":[`, "not JSON"},
		{"trailing bytes", `{"services":[]}{}`, "not JSON: at byte 16"},
		{"a byte order mark", "\xef\xbb\xbf" + `{"services":[]}`, "byte order mark"},
		{"an array", `[]`, "an array, not an object"},
		{"null", ` null `, "null, not an object"},
		{"no services", `{"Services":[]}`, "no services"},
		{"null as services", `{"services":null}`, "null, not an array"},
		{"an object as services", `{"services":{}}`, "an object, not an array"},
		{"services twice", `{"services":[],"\u0073ervices":[]}`, "more than once"},
		{"nesting without end", `{"services":[` + strings.Repeat(`[`, 1e6), "not JSON"},
		{"nesting", `{"services":[` + strings.Repeat(`[`, 1e5) + strings.Repeat(`]`, 1e5) + `]}`, "depth"},
		{"too much nonsense", `{"services":[0` + strings.Repeat(",0", 1000) + `]}`, "more than 1000"},
		{
			"too many doubles",
			string(body(strings.TrimSuffix(strings.Repeat(service("a", "a", "p")+",", 1002), ","))), "more than 1000",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := refreshed(nil, "b", []byte(tt.body), "", noon)
			if !errors.Is(err, catalogmerge.ErrNoCatalog) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if c != nil {
				t.Errorf("got a copy, want none")
			}
		})
	}
}

func TestRefreshEmptyCatalog(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "b", noon)
	want := &catalogmerge.Copy{
		Backend: "b", FetchedAt: noon,
		Known: catalogmerge.Known{
			Offerings: map[string]catalogmerge.KnownOffering{}, Plans: map[string]catalogmerge.KnownPlan{},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefreshReads(t *testing.T) {
	t.Parallel()
	data := readTestdata(t, "database.json")
	c, err := refreshed(nil, "b", data, `"v1"`, noon.Add(1234567).In(time.FixedZone("", 3600)))
	if err != nil {
		t.Fatal(err)
	}
	services, err := decodeServices(data)
	if err != nil {
		t.Fatal(err)
	}
	at := noon.Add(time.Millisecond)
	want := &catalogmerge.Copy{
		Backend: "b", FetchedAt: at, ETag: `"v1"`,
		Offerings: []catalogmerge.Offering{
			{
				ID: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01", Name: "tidepool-sql",
				Plans: []catalogmerge.Plan{
					{ID: "sql-small", Name: "small", OwnID: "sql-small"}, {ID: "sql-large", Name: "large", OwnID: "sql-large"},
				},
				DashboardClientID: "tidepool-dashboard", Raw: services[0],
			},
			{
				ID: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a02", Name: "tidepool-cache",
				Plans: []catalogmerge.Plan{{ID: "cache-only", Name: "only", OwnID: "cache-only"}}, Raw: services[1],
			},
		},
		Known: catalogmerge.Known{
			Offerings: map[string]catalogmerge.KnownOffering{
				"6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01": {FirstSeen: at, Names: map[string]time.Time{"tidepool-sql": at}},
				"6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a02": {FirstSeen: at, Names: map[string]time.Time{"tidepool-cache": at}},
			},
			Plans: map[string]catalogmerge.KnownPlan{
				"sql-small":  {Offering: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01", FirstSeen: at},
				"sql-large":  {Offering: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01", FirstSeen: at},
				"cache-only": {Offering: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a02", FirstSeen: at},
			},
		},
		// Warnings cost neither the offerings nor the ETag.
		Problems: []catalogmerge.Problem{
			{
				Backend: "b", Offering: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a01", Path: "services[0].plans",
				Rule: catalogmerge.RuleDefault, Detail: "2 of 2 plans leave out bindable, which Korifi reads as false",
			},
			{
				Backend: "b", Offering: "6b1f0c52-5d0a-4c1e-9a37-3f1f9f6f7a02", Path: "services[1].plans",
				Rule: catalogmerge.RuleDefault, Detail: "1 of 1 plans leave out free, which Kubernetes and Korifi read as false",
			},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	kept := string(c.Offerings[0].Raw)
	clear(data)
	if string(c.Offerings[0].Raw) != kept {
		t.Error("the copy changed with the buffer that it was read from")
	}
}

func TestRefreshETag(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, etag, want string
		body             []byte
	}{
		{"strong", `"a b"`, `"a b"`, body(service("a", "a", "p"))},
		{"weak", `W/"a"`, `W/"a"`, body()},
		{"none", ``, ``, body()},
		{"control characters", "\"a\r\nX: y\"", ``, body()},
		{"bytes beyond ASCII", "\"\xff\"", ``, body()},
		// The same bytes may be judged differently later, so they have to be read again.
		{"of an answer with a problem", `"a"`, ``, body(`{}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := refreshed(nil, "b", tt.body, tt.etag, noon)
			if err != nil {
				t.Fatal(err)
			}
			if c.ETag != tt.want {
				t.Errorf("got %q, want %q", c.ETag, tt.want)
			}
		})
	}
}

func TestRefreshKeepsLastGood(t *testing.T) {
	t.Parallel()
	good := service("a", "alpha", "p")
	other := service("b", "beta", "q")
	tests := []struct {
		name         string
		bad          string
		wantOffering string
	}{
		{"broken", strings.Replace(good, "true", `"yes"`, 1), "a"},
		{"without plans", `{"id":"a","name":"renamed","description":"d","bindable":true,"plans":[]}`, "a"},
		{"without id", strings.Replace(good, `"id":"a",`, ``, 1), "alpha"},
		{"with the plan of another", service("a", "alpha", "p", "q"), "a"},
		{"with the name of another", service("a", "beta", "p"), "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := refresh(t, nil, "b", noon, other, good)
			c := first
			// Long after withdrawAfter it is still there: the backend has the offering.
			for minutes := range 30 {
				c = refresh(t, c, "b", noon.Add(time.Duration(minutes)*time.Minute), other, tt.bad)
			}
			if diff := cmp.Diff(first.Offerings, c.Offerings); diff != "" {
				t.Errorf("offerings (-want +got):\n%s", diff)
			}
			if len(c.Problems) == 0 {
				t.Fatal("no problem")
			}
			for _, p := range c.Problems {
				if !p.Kept || p.Offering != tt.wantOffering {
					t.Errorf("got %+v, want a kept version of %q", p, tt.wantOffering)
				}
			}
			mended := service("a", "mended", "p")
			c = refresh(t, c, "b", noon.Add(time.Hour), other, mended)
			if diff := cmp.Diff([]string{other, mended}, raws(c.Offerings)); diff != "" {
				t.Errorf("after mending (-want +got):\n%s", diff)
			}
			if len(c.Problems) > 0 {
				t.Errorf("problems after mending: %v", c.Problems)
			}
		})
	}
}

func TestRefreshWithdraws(t *testing.T) {
	t.Parallel()
	a, b, d := service("a", "alpha", "p"), service("b", "beta", "q"), service("d", "delta", "r")
	c := refresh(t, nil, "x", noon, a, b, d)
	steps := []struct {
		after   time.Duration
		body    []string // nil: 304
		want    []string
		missing time.Duration // since when b is missing; 0: it is not
	}{
		{1 * time.Minute, []string{a, d}, []string{a, b, d}, 1 * time.Minute},
		{2 * time.Minute, []string{a, d}, []string{a, b, d}, 1 * time.Minute},
		{3 * time.Minute, []string{d, a}, []string{d, a, b}, 1 * time.Minute},
		{4 * time.Minute, nil, []string{d, a, b}, 1 * time.Minute},
		{5 * time.Minute, []string{a, b, d}, []string{a, b, d}, 0},
		{6 * time.Minute, []string{a, d}, []string{a, b, d}, 6 * time.Minute},
		{16*time.Minute - time.Millisecond, []string{a, d}, []string{a, b, d}, 6 * time.Minute},
		{16 * time.Minute, []string{a, d}, []string{a, d}, 0},
		{17 * time.Minute, []string{a, d, b}, []string{a, d, b}, 0},
		{18 * time.Minute, []string{a, d}, []string{a, d, b}, 18 * time.Minute},
		{28 * time.Minute, nil, []string{a, d}, 0},
		{29 * time.Minute, []string{}, []string{a, d}, 0},
		{39 * time.Minute, []string{}, nil, 0},
	}
	for _, step := range steps {
		now := noon.Add(step.after)
		before := c
		encoded := encode(t, before)
		if step.body == nil {
			c = touch(c, now)
		} else {
			c = refresh(t, c, "x", now, step.body...)
		}
		if !bytes.Equal(encode(t, before), encoded) {
			t.Fatalf("at %v the copy before changed", step.after)
		}
		if diff := cmp.Diff(step.want, raws(c.Offerings)); diff != "" {
			t.Fatalf("at %v (-want +got):\n%s", step.after, diff)
		}
		if !c.FetchedAt.Equal(now) {
			t.Errorf("at %v fetched at %v", step.after, c.FetchedAt)
		}
		for _, o := range c.Offerings {
			want := time.Time{}
			if o.ID == "b" && step.missing > 0 {
				want = noon.Add(step.missing)
			}
			if len(step.body) > 0 && !o.MissingSince.Equal(want) {
				t.Errorf("at %v %s is missing since %v, want %v", step.after, o.ID, o.MissingSince, want)
			}
		}
		if len(c.Problems) > 0 {
			t.Errorf("at %v problems: %v", step.after, c.Problems)
		}
	}
	if known := c.Known.Offerings["b"]; !known.FirstSeen.Equal(noon) || len(known.Names) != 1 {
		t.Errorf("withdrawn offering is known as %+v", known)
	}
	if known := c.Known.Plans["q"]; known.Offering != "b" {
		t.Errorf("withdrawn plan is known as %+v", known)
	}
}

func TestRefreshDoubles(t *testing.T) {
	t.Parallel()
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	a := service("a", "alpha", "p")
	tests := []struct {
		name     string
		previous []string
		body     []string
		want     []string // offerings
		problems []string
	}{
		{
			"id", nil,
			[]string{a, service("a", "beta", "q")},
			[]string{a},
			[]string{"services[1].id duplicate_offering_id"},
		},
		{
			"name, plan and client", nil,
			[]string{with(a, client), with(service("b", "alpha", "q", "p"), client)},
			[]string{with(a, client)},
			[]string{
				"services[1].name duplicate_offering_name", "services[1].plans[1].id duplicate_plan_id",
				"services[1].dashboard_client.id duplicate_dashboard_client_id",
			},
		},
		{
			"the first of an id is refused: so is the second", nil,
			[]string{a, service("b", "alpha", "q"), service("b", "beta", "q")},
			[]string{a},
			[]string{"services[1].name duplicate_offering_name", "services[2].id duplicate_offering_id"},
		},
		{
			"the first is broken", nil,
			[]string{strings.Replace(a, "true", "0", 1), a},
			[]string{a},
			[]string{"services[0].bindable wrong_type"},
		},
		{
			"what was published stands, wherever it is",
			[]string{a},
			[]string{service("b", "alpha", "q"), service("a", "alpha", "p", "p2")},
			[]string{service("a", "alpha", "p", "p2")},
			[]string{"services[0].name duplicate_offering_name"},
		},
		{
			"names change places",
			[]string{a, service("b", "beta", "q")},
			[]string{service("a", "beta", "p"), service("b", "alpha", "q")},
			[]string{service("a", "beta", "p"), service("b", "alpha", "q")},
			nil,
		},
		{
			"a newcomer with the name of a missing one",
			[]string{a},
			[]string{service("b", "alpha", "q")},
			[]string{a},
			[]string{"services[0].name duplicate_offering_name"},
		},
		{
			"a plan that moves away from a missing one",
			[]string{a, service("b", "beta", "q")},
			[]string{service("b", "beta", "q", "p")},
			[]string{a, service("b", "beta", "q")},
			[]string{"services[0].plans[1].id duplicate_plan_id"},
		},
		{
			// beta cannot have plan p yet, so it keeps its name, which gamma cannot have then, which keeps its own.
			"one refusal leads to the next",
			[]string{a, service("b", "beta", "q"), service("c", "gamma", "r")},
			[]string{service("c", "beta", "r"), service("b", "delta", "q", "p"), service("d", "gamma", "s")},
			[]string{a, service("c", "gamma", "r"), service("b", "beta", "q")},
			[]string{
				"services[0].name duplicate_offering_name", "services[1].plans[1].id duplicate_plan_id",
				"services[2].name duplicate_offering_name",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var previous *catalogmerge.Copy
			if tt.previous != nil {
				previous = refresh(t, nil, "x", noon, tt.previous...)
			}
			c := refresh(t, previous, "x", noon.Add(time.Minute), tt.body...)
			if diff := cmp.Diff(tt.problems, rulesOf(c.Problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, raws(c.Offerings)); diff != "" {
				t.Errorf("offerings (-want +got):\n%s", diff)
			}
			again := refresh(t, c, "x", noon.Add(time.Minute), tt.body...)
			if diff := cmp.Diff(c, again); diff != "" {
				t.Errorf("the same body again (-first +second):\n%s", diff)
			}
		})
	}
}

// TestRefreshKnowsBadOfferings: instances of an offering may be older than the gateway, so calls for it need their
// backend even while the offering is quarantined.
func TestRefreshKnowsBadOfferings(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(service("a", "alpha", "p"), "true", "1", 1)
	c := refresh(t, nil, "x", noon, bad)
	want := catalogmerge.Known{
		Offerings: map[string]catalogmerge.KnownOffering{"a": {Names: map[string]time.Time{"alpha": {}}}},
		Plans:     map[string]catalogmerge.KnownPlan{"p": {Offering: "a"}},
	}
	if diff := cmp.Diff(want, c.Known); diff != "" {
		t.Errorf("while bad (-want +got):\n%s", diff)
	}
	later := noon.Add(time.Minute)
	c = refresh(t, c, "x", later, service("a", "alpha", "p"))
	want = catalogmerge.Known{
		Offerings: map[string]catalogmerge.KnownOffering{
			"a": {FirstSeen: later, Names: map[string]time.Time{"alpha": later}},
		},
		Plans: map[string]catalogmerge.KnownPlan{"p": {Offering: "a", FirstSeen: later}},
	}
	if diff := cmp.Diff(want, c.Known); diff != "" {
		t.Errorf("once good (-want +got):\n%s", diff)
	}
	c = refresh(t, c, "x", later.Add(time.Minute), service("a", "alef", "p"))
	if got, want := len(c.Known.Offerings["a"].Names), 2; got != want {
		t.Errorf("after a new name the offering has %d names, want %d", got, want)
	}
}

// TestRefreshIgnoresAmbiguousIDs: readers disagree on which of two values counts, so neither becomes a route.
func TestRefreshIgnoresAmbiguousIDs(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "x", noon, with(service("a", "alpha", "p"), `"id":"b"`),
		planned(`[{"id":"p","id":"q","name":"p","description":"d"}]`))
	if _, ok := c.Known.Offerings["b"]; ok || len(c.Known.Offerings) != 1 || len(c.Known.Plans) != 1 {
		t.Errorf("got %+v", c.Known)
	}
	if got, want := c.Problems[0].Offering, "alpha"; got != want {
		t.Errorf("the problem names %q, want %q", got, want)
	}
}

// TestRefreshSequences lets a backend answer at random, so that refusals lead to further ones in many ways.
func TestRefreshSequences(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 11))
	for trial := range 60 {
		var c *catalogmerge.Copy
		now := noon
		for range 12 {
			now = now.Add(time.Duration(1+random.IntN(6)) * time.Minute)
			answer := body(append(randomServices(random), randomServices(random)...)...)
			before := encodeAny(t, c)
			next, err := refreshed(c, "x", answer, "", now)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encodeAny(t, c), before) {
				t.Fatalf("trial %d: Refresh changed the copy before it", trial)
			}
			checkFollows(t, c, next, answer, "", now)
			if t.Failed() {
				t.Fatalf("trial %d: after\n%s\ncame\n%s", trial, encodeAny(t, c), answer)
			}
			c = next
		}
	}
}

func encodeAny(t testing.TB, c *catalogmerge.Copy) []byte {
	t.Helper()
	if c == nil {
		return nil
	}
	return encode(t, c)
}
