package catalogmerge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func selectors(t testing.TB, texts ...string) []catalogmerge.Selector {
	t.Helper()
	var result []catalogmerge.Selector
	for _, text := range texts {
		s, err := catalogmerge.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != text {
			t.Errorf("%q became %q", text, s)
		}
		result = append(result, s)
	}
	return result
}

func allow(t testing.TB, texts ...string) *catalogmerge.Visibility {
	t.Helper()
	return &catalogmerge.Visibility{Allow: selectors(t, texts...)}
}

func deny(t testing.TB, texts ...string) *catalogmerge.Visibility {
	t.Helper()
	return &catalogmerge.Visibility{Deny: selectors(t, texts...)}
}

func TestParseSelectorRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "is empty", "backend:": "names no backend", "a\nb": "control characters", "\xff": "not UTF-8",
		"backend:\x00": "control characters",
	} {
		if _, err := catalogmerge.ParseSelector(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", text, err, want)
		}
	}
}

// viewed is a catalog of three backends: x as it is, y with mapped ids and a prefix, and z that nobody sees.
func viewed(t testing.TB) *catalogmerge.Catalog {
	t.Helper()
	policies := []*catalogmerge.Policy{
		{Name: "one"}, {Name: "two", Prefix: "y-", NamespaceIDs: true}, {Name: "three", Drain: true, Hidden: true},
	}
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	x := refreshWith(t, nil, "x", policies[0], noon, service("gone", "old", "g"))
	x = refreshWith(t, x, "x", policies[0], noon.Add(time.Minute), service("gone", "former", "g"))
	x = refreshWith(t, x, "x", policies[0], noon.Add(2*time.Minute), service("sql", "db", "a"), with(service("2", "mq", "b"), client))
	x = refreshWith(t, x, "x", policies[0], noon.Add(time.Hour), service("sql", "db", "a"), with(service("2", "mq", "b"), client))
	o := &catalogmerge.Options{Gateway: gateway}
	return catalogmerge.Merge(expose([]*catalogmerge.Copy{
		x,
		refreshWith(t, nil, "y", policies[1], noon, service("sql", "db", "a"), service("3", "cache", "c")),
		refreshWith(t, nil, "z", policies[2], noon, service("4", "secret", "d")),
		nil,
	}, policies, o), o)
}

// TestViews shows platforms parts of one catalog.
func TestViews(t *testing.T) {
	t.Parallel()
	c := viewed(t)
	mapped := catalogmerge.MappedOffering(gateway, "y", "sql")
	everything := []string{"db", "mq", "y-db", "y-cache"}
	tests := []struct {
		name string
		v    *catalogmerge.Visibility
		want []string
	}{
		{"nothing said", nil, everything},
		{"nothing said either", new(catalogmerge.Visibility), everything},
		{"allow all", allow(t, "*"), everything},
		{"allow by name", allow(t, "db", "y-cache"), []string{"db", "y-cache"}},
		{"allow by a part of the name", allow(t, "*db"), []string{"db", "y-db"}},
		{"allow by the own id", allow(t, "sql"), []string{"db", "y-db"}},
		{"allow by the mapped id", allow(t, mapped), []string{"y-db"}},
		{"allow by a part of an id", allow(t, mapped[:13]+"*"), []string{"y-db"}},
		{"not by the own name", allow(t, "cache"), nil},
		{"not in another case", allow(t, "DB"), nil},
		{"allow by backend", allow(t, "backend:two"), []string{"y-db", "y-cache"}},
		{"allow by backends", allow(t, "backend:t*"), []string{"y-db", "y-cache"}},
		{"not by the backend's stable id", allow(t, "backend:y"), nil},
		{"allow what is not there", allow(t, "nothing"), nil},
		{"deny all", deny(t, "*"), nil},
		{"deny by name", deny(t, "db"), []string{"mq", "y-db", "y-cache"}},
		{"deny by backend", deny(t, "backend:one"), []string{"y-db", "y-cache"}},
		{"deny what is not there", deny(t, "nothing", "secret"), everything},
		{
			"deny wins", &catalogmerge.Visibility{Allow: selectors(t, "backend:*", "db"), Deny: selectors(t, "db", "y-*")},
			[]string{"mq"},
		},
		{"what is hidden cannot be allowed", allow(t, "secret", "4", "backend:three"), nil},
	}
	of := make([]*catalogmerge.Visibility, len(tests))
	for i, tt := range tests {
		of[i] = tt.v
	}
	views := c.Views(of)
	byBody := make(map[string]*catalogmerge.View)
	for i, tt := range tests {
		view := views[i]
		var got []string
		for _, index := range view.Offerings {
			got = append(got, c.Offerings[index].Name)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		var services []string
		for _, index := range view.Offerings {
			services = append(services, string(c.Offerings[index].Raw))
		}
		if diff := cmp.Diff(string(body(services...)), string(view.Body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if view.Secret != slices.Contains(got, "mq") {
			t.Errorf("%s: got Secret %t", tt.name, view.Secret)
		}
		if other := byBody[string(view.Body)]; other == nil {
			byBody[string(view.Body)] = view
		} else if other != view {
			t.Errorf("%s: equal views are not shared", tt.name)
		}
		for name, other := range byBody {
			if (other.ETag == view.ETag) != (name == string(view.Body)) {
				t.Errorf("%s: the entity tag does not tell views apart", tt.name)
			}
		}
		checkVisible(t, c, tt.v, view)
	}
	full := views[0]
	if unsafe.SliceData(full.Body) != unsafe.SliceData(c.Body) || full.ETag != c.ETag || !full.Secret {
		t.Error("the full view is not the catalog's own")
	}
	if len(c.Views(nil)) > 0 {
		t.Error("nobody has views")
	}
}

// checkVisible checks that Visible says the same as the view, in both spellings.
func checkVisible(t testing.TB, c *catalogmerge.Catalog, v *catalogmerge.Visibility, view *catalogmerge.View) {
	t.Helper()
	for i, o := range c.Offerings {
		if !o.Hidden && c.Visible(v, o.Backend, o.OwnID) != slices.Contains(view.Offerings, i) {
			t.Errorf("offering %q of %q is visible: %t", o.OwnID, o.Backend, c.Visible(v, o.Backend, o.OwnID))
		}
	}
}

// TestVisible judges offerings that are in no body.
func TestVisible(t *testing.T) {
	t.Parallel()
	c := viewed(t)
	mapped := catalogmerge.MappedOffering(gateway, "y", "unknown")
	tests := []struct {
		backend, id string
		v           *catalogmerge.Visibility
		want        bool
	}{
		{"z", "4", nil, true},
		{"z", "4", allow(t, "secret"), true},
		{"z", "4", allow(t, "backend:three"), true},
		{"z", "4", deny(t, "4"), false},
		{"z", "4", allow(t, "db"), false},
		{"x", "gone", allow(t, "gone"), true},
		{"x", "gone", allow(t, "old"), true},
		{"x", "gone", allow(t, "former"), true},
		{"x", "gone", deny(t, "old"), false},
		{"x", "gone", allow(t, "db", "backend:two"), false},
		{"y", "unknown", allow(t, "unknown"), true},
		{"y", "unknown", allow(t, mapped), true},
		{"y", "unknown", deny(t, "backend:two"), false},
		{"unknown", "sql", nil, true},
		{"unknown", "sql", allow(t, "sql"), true},
		{"unknown", "sql", allow(t, "backend:unknown"), true},
		{"unknown", "sql", allow(t, "db"), false},
		{"unknown", "sql", deny(t, "*"), false},
	}
	for _, tt := range tests {
		if got := c.Visible(tt.v, tt.backend, tt.id); got != tt.want {
			t.Errorf("offering %q of %q is visible to %v: %t", tt.id, tt.backend, tt.v, got)
		}
	}
	// A name that is not the present one does not count for what is published.
	if c.Visible(allow(t, "cache"), "y", "3") || !c.Visible(allow(t, "y-cache"), "y", "3") {
		t.Error("a published offering is judged by another name")
	}
}

// TestViewsOfClashes: selectors see names as platforms do, also those that offerings take because theirs are taken.
func TestViewsOfClashes(t *testing.T) {
	t.Parallel()
	copies := []*catalogmerge.Copy{
		refresh(t, nil, "x", noon, service("1", "db", "a")), refresh(t, nil, "y", noon, service("2", "db", "b")),
	}
	o := &catalogmerge.Options{PrefixOnConflict: true}
	c := catalogmerge.Merge(expose(copies, nil, o), o)
	view := c.Views([]*catalogmerge.Visibility{allow(t, "y-db")})[0]
	if diff := cmp.Diff(string(body(strings.Replace(service("2", "db", "b"), `"db"`, `"y-db"`, 1))), string(view.Body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checkVisible(t, c, allow(t, "y-db"), view)
	checkVisible(t, c, deny(t, "db"), c.Views([]*catalogmerge.Visibility{deny(t, "db")})[0])
}

// TestGlobs compares selectors with a slower way to the same answer.
func TestGlobs(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 9))
	word := func(letters string, length int) string {
		b := make([]byte, length)
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	for range 2000 {
		pattern, name := word("ab*", 1+random.IntN(6)), word("ab", 1+random.IntN(7))
		c := publish(refresh(t, nil, "x", noon, service("-", name, "p")), nil, nil)
		if got, want := c.Visible(allow(t, pattern), "x", "-"), slowGlob(pattern, name) || slowGlob(pattern, "-"); got != want {
			t.Fatalf("%q is taken for %q: %t", name, pattern, got)
		}
	}
}

// slowGlob fills a table of which beginnings of the pattern stand for which beginnings of the text.
func slowGlob(pattern, text string) bool {
	row := make([]bool, len(text)+1) // for the beginning of the pattern so far
	row[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(text)+1)
		for t := range next {
			if pattern[i] == '*' {
				next[t] = row[t] || t > 0 && next[t-1]
			} else {
				next[t] = t > 0 && row[t-1] && pattern[i] == text[t-1]
			}
		}
		row = next
	}
	return row[len(text)]
}

// TestGlobTakesItsTime: a pattern of many stars costs no more than its length times that of the name.
func TestGlobTakesItsTime(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 5000)
	c := publish(refresh(t, nil, "x", noon, service("-", name, "p")), nil, nil)
	if c.Visible(allow(t, strings.Repeat("a*", 500)+"b"), "x", "-") {
		t.Error("a name without b ends in b")
	}
}

// TestViewsAreDeterministic: the order in which platforms are listed changes no byte.
func TestViewsAreDeterministic(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	copies := make([]*catalogmerge.Copy, 4)
	for i := range copies {
		copies[i] = refresh(t, nil, fmt.Sprint("b", i), noon, randomServices(random)...)
	}
	c := merge(copies)
	var of []*catalogmerge.Visibility
	for i := range 10 {
		of = append(of, allow(t, fmt.Sprintf("*%d", i)), deny(t, fmt.Sprintf("name%d", i)), allow(t, fmt.Sprintf("backend:b%d", i)))
	}
	views := c.Views(of)
	for range 5 {
		order := random.Perm(len(of))
		shuffled := make([]*catalogmerge.Visibility, len(of))
		for i, j := range order {
			shuffled[i] = of[j]
		}
		for i, view := range c.Views(shuffled) {
			if want := views[order[i]]; string(view.Body) != string(want.Body) || view.ETag != want.ETag {
				t.Fatalf("got\n%s\nwant\n%s", view.Body, want.Body)
			}
		}
	}
}
