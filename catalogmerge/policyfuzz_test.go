package catalogmerge_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// FuzzExpose applies arbitrary policies to an arbitrary catalog, beside another backend with the same answer: only what
// the policy says changes, everything is found again in both spellings, and a platform takes the result.
func FuzzExpose(f *testing.F) {
	otherCase := strings.Replace(odd, `"free":null`, `"Free":null,"Bindable":true`, 1)
	for i, b := range append(seeds(f), body(odd, service("2", "two", "d")), body(otherCase)) {
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
		for _, p := range again.Problems {
			if p.Hard {
				t.Errorf("the merged catalog has a problem: %v\n%s", p, c.Body)
			}
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
