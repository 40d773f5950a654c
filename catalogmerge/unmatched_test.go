package catalogmerge_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestUnmatched: a selector that chooses nothing is told of, one that chooses what is hidden, excluded or gone is not.
func TestUnmatched(t *testing.T) {
	t.Parallel()
	policies := []*catalogmerge.Policy{
		{Name: "one", Exclude: []catalogmerge.Selection{{Offering: "left-out"}}},
		{Name: "two", Prefix: "y-", NamespaceIDs: true, Drain: true, Hidden: true},
	}
	x := refreshWith(t, nil, "x", policies[0], noon, service("gone", "old", "g"))
	x = refreshWith(t, x, "x", policies[0], noon.Add(time.Minute), service("sql", "db", "a"), service("5", "left-out", "e"))
	x = refreshWith(t, x, "x", policies[0], noon.Add(time.Hour), service("sql", "db", "a"), service("5", "left-out", "e"))
	y := refreshWith(t, nil, "y", policies[1], noon, service("3", "cache", "c"))
	o := &catalogmerge.Options{Gateway: gateway}
	c := catalogmerge.Merge(expose([]*catalogmerge.Copy{x, y}, policies, o), o)
	v := &catalogmerge.Visibility{
		Allow: selectors(t, "db", "bd", "sql", "old", "gone", "left-out", "d*", "e*", "backend:one", "backend:x", "backend:t*"),
		Deny:  selectors(t, "y-cache", "3", catalogmerge.MappedOffering(gateway, "y", "3"), "cache", "*"),
	}
	var got []string
	for _, problem := range c.Unmatched("cf", v) {
		if problem.Hard || problem.Backend != "" || problem.Rule != catalogmerge.RuleNoMatch {
			t.Errorf("got %+v", problem)
		}
		got = append(got, problem.String())
	}
	want := []string{
		`offerings.allow[1]: platform "cf": offerings allow "bd", which is no offering that platforms see or saw (policy_without_match)`,
		`offerings.allow[7]: platform "cf": offerings allow "e*", which is no offering that platforms see or saw (policy_without_match)`,
		`offerings.allow[9]: platform "cf": offerings allow "backend:x", which is no offering that platforms see or saw ` +
			`(policy_without_match)`,
		`offerings.deny[3]: platform "cf": offerings deny "cache", which is no offering that platforms see or saw (policy_without_match)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems := c.Unmatched("cf", nil); problems != nil {
		t.Errorf("without selectors: got %v", problems)
	}
	unknown := catalogmerge.Merge(expose([]*catalogmerge.Copy{x, nil}, policies, o), o)
	if problems := unknown.Unmatched("cf", v); problems != nil {
		t.Errorf("while a backend is not known: got %v", problems)
	}
}
