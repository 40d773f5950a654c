package catalogmerge_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// seeds are bodies for the fuzzers to begin with.
func seeds(t testing.TB) [][]byte {
	a, b := service("a", "alpha", "p/small", "p2/large"), service("b", "beta", "q")
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	return [][]byte{
		readTestdata(t, "database.json"),
		readTestdata(t, "queue.json"),
		body(),
		body(a, b),
		body(b, a),
		body(with(a, client), with(b, client)),
		body(service("b", "alpha", "r"), service("c", "beta", "p")),
		body(service("a", "beta", "q"), service("b", "alpha", "p")),
		body(strings.Replace(a, `"id":"a",`, ``, 1), strings.Replace(b, "true", "null", 1)),
		body(with(a, `"id":"a"`), `null`, `[[[]]]`, `{"plans":[{}]}`),
		body(strings.ReplaceAll(a, "alpha", `\ud83d\ude00\u0000`), strings.ReplaceAll(b, "beta", `\udc00`)),
		[]byte(`{"services":[{"id":"` + "\xff" + `"}],"services":[]}`),
		[]byte(`{"services":null}`),
		[]byte("\xef\xbb\xbf{}"),
		[]byte(``),
	}
}

// FuzzMerge merges two arbitrary catalogs: nothing is lost, doubled or changed.
func FuzzMerge(f *testing.F) {
	bodies := seeds(f)
	for i, one := range bodies {
		f.Add(one, bodies[(i+1)%len(bodies)], false)
		f.Add(one, bodies[len(bodies)-1-i], true)
	}
	f.Fuzz(func(t *testing.T, one, two []byte, secondIsOlder bool) {
		times := [2]time.Time{noon, noon}
		if secondIsOlder {
			times[1] = noon.Add(-time.Hour)
		}
		copies := make([]*catalogmerge.Copy, 2)
		for i, b := range [][]byte{one, two} {
			c, err := refreshed(nil, []string{"one", "two"}[i], b, "", times[i])
			if err != nil {
				continue
			}
			checkRefreshed(t, c, b)
			copies[i] = c
		}
		c := merge(copies)
		checkCatalog(t, c, copies)

		// The same copies from a store give the same catalog.
		for i := range copies {
			if copies[i] != nil {
				copies[i] = decode(t, encode(t, copies[i]))
			}
		}
		if stored := merge(copies); string(stored.Body) != string(c.Body) || stored.ETag != c.ETag {
			t.Errorf("from the store: got\n%s\nwant\n%s", stored.Body, c.Body)
		}

		// A platform could read the merged catalog as that of one broker, and so can Refresh.
		again, err := refreshed(nil, "merged", c.Body, "", noon)
		if err != nil {
			t.Fatalf("the merged catalog is none: %v", err)
		}
		if len(again.Problems) > 0 {
			t.Errorf("the merged catalog has problems: %v\n%s", again.Problems, c.Body)
		}
		if body := merge([]*catalogmerge.Copy{again}).Body; string(body) != string(c.Body) {
			t.Errorf("merged again: got\n%s\nwant\n%s", body, c.Body)
		}
	})
}

// FuzzRefresh reads three arbitrary answers of one backend, one after the other.
func FuzzRefresh(f *testing.F) {
	bodies := seeds(f)
	for i, b := range bodies {
		f.Add(b, bodies[(i+3)%len(bodies)], bodies[(i+7)%len(bodies)], `"v1"`, 5*60)
		f.Add(bodies[3], b, bodies[6], "\x00", 600)
	}
	f.Fuzz(func(t *testing.T, one, two, three []byte, etag string, stepSeconds int) {
		step := time.Duration(max(1, stepSeconds%3600)) * time.Second
		var previous *catalogmerge.Copy
		now := noon
		for _, b := range [][]byte{one, two, three} {
			now = now.Add(step)
			c, err := refreshed(previous, "x", b, etag, now)
			if err != nil {
				if !errors.Is(err, catalogmerge.ErrNoCatalog) || c != nil {
					t.Fatalf("got %v, %v", c, err)
				}
				continue
			}
			checkFollows(t, previous, c, b, etag, now)
			previous = c
		}
	})
}

// FuzzExpose applies arbitrary policies to an arbitrary catalog, beside another backend with the same answer: only what
// the policy says changes, everything is found again in both spellings, and a platform takes the result.
func FuzzExpose(f *testing.F) {
	for i, b := range append(seeds(f), body(odd, service("2", "two", "d"))) {
		f.Add(b, "alpha", "p", "beta", "x-", uint8(i))
		f.Add(b, "one", "small", "two", `"`, uint8(0xff-i))
	}
	f.Fuzz(func(t *testing.T, data []byte, offering, plan, other, prefix string, flags uint8) {
		for _, s := range []string{offering, plan, other, prefix} {
			if !utf8.ValidString(s) {
				return // a configuration is JSON, which holds valid text
			}
		}
		flag := func(bit int) bool { return flags&(1<<bit) != 0 }
		policy := &catalogmerge.Policy{Name: other, Prefix: prefix, NamespaceIDs: flag(0), Drain: flag(1), Hidden: flag(2)}
		if flag(3) {
			policy.Include = append(some(offering, plan), all(other)...)
		}
		if flag(4) {
			policy.Exclude = some(other, plan)
		}
		if flag(5) {
			policy.Rename = map[string]string{offering: other}
		}
		o := &catalogmerge.Options{Gateway: prefix, PrefixOnConflict: flag(6), MaterializeDefaults: flag(7)}
		policies := []*catalogmerge.Policy{nil, policy}
		copies := make([]*catalogmerge.Copy, 2)
		for i := range copies {
			answer := fetch(data, "", noon)
			answer.Policy = policies[i]
			c, err := catalogmerge.Refresh(nil, []string{"one", "two"}[i], answer)
			if err != nil {
				return
			}
			copies[i] = c
		}
		c := catalogmerge.Merge(expose(copies, policies, o), o)
		checkExposed(t, c, copies, policies, o)
		checkNothingLostButExcluded(t, c, copies[0])
		if diff := diffCopies(copies[1], decode(t, encode(t, copies[1]))); diff != "" {
			t.Errorf("encoded and decoded (-want +got):\n%s", diff)
		}
		again, err := catalogmerge.Refresh(nil, "merged", fetch(c.Body, "", noon))
		if err != nil {
			t.Fatalf("the merged catalog is none: %v", err)
		}
		if len(again.Problems) > 0 {
			t.Errorf("the merged catalog has problems: %v\n%s", again.Problems, c.Body)
		}
	})
}

// checkNothingLostButExcluded checks that every offering of a copy without a policy is published, or named in a problem.
func checkNothingLostButExcluded(t testing.TB, c *catalogmerge.Catalog, from *catalogmerge.Copy) {
	t.Helper()
	published := make(map[string]bool)
	for _, o := range c.Offerings {
		published[o.Backend+" "+o.OwnID] = true
	}
	for _, o := range from.Offerings {
		if !published[from.Backend+" "+o.ID] && !names(c.Problems, from.Backend, o.ID) {
			t.Errorf("offering %q is neither published nor named in %v", o.ID, c.Problems)
		}
	}
}

// FuzzSelector reads arbitrary selectors and asks arbitrary things of them, against a slower way to the same answer.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"", "*", "db", "backend:x", "backend:", "backend:*x*", "a*b*c", "**", "d\x00", "\xff*", "*é"} {
		f.Add(s, "db")
		f.Add(s, "aXbYc")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		s, err := catalogmerge.ParseSelector(text)
		if err != nil {
			return
		}
		if again, err := catalogmerge.ParseSelector(s.String()); err != nil || again != s {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
		c := merge(nil)
		v := &catalogmerge.Visibility{Allow: []catalogmerge.Selector{s}}
		want := slowGlob(text, name)
		if pattern, backend := strings.CutPrefix(text, "backend:"); backend {
			want = slowGlob(pattern, "x")
		}
		if got := c.Visible(v, "x", name); got != want {
			t.Errorf("%q is visible with %q: %t", name, text, got)
		}
		v.Deny, v.Allow = v.Allow, nil
		if got := c.Visible(v, "x", name); got == want {
			t.Errorf("%q is visible in spite of %q: %t", name, text, got)
		}
	})
}
