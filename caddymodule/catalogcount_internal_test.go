package caddymodule

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestCountOfferings(t *testing.T) {
	t.Parallel()
	problem := func(backend, offering, path string, hard bool) catalogmerge.Problem {
		return catalogmerge.Problem{Backend: backend, Offering: offering, Path: path, Hard: hard}
	}
	for name, test := range map[string]struct {
		problems            []catalogmerge.Problem
		quarantined, warned int
	}{
		"none": {},
		"several of one offering": {
			[]catalogmerge.Problem{problem("a", "x", "services[0].id", true), problem("a", "x", "services[0].name", true)}, 1, 0,
		},
		"hard and soft ones of one offering, wherever they were found": {
			[]catalogmerge.Problem{problem("a", "x", "services[0].name", false), problem("a", "x", "name", true)}, 1, 0,
		},
		"soft ones only": {
			[]catalogmerge.Problem{problem("a", "x", "services[0].name", false), problem("a", "y", "services[1].name", false)}, 0, 2,
		},
		"one id at two backends": {
			[]catalogmerge.Problem{problem("a", "x", "id", true), problem("b", "x", "id", false)}, 1, 1,
		},
		"what the configuration names and nobody has": {
			[]catalogmerge.Problem{
				{Backend: "a", Offering: "x", Path: "include[0].offering", Rule: catalogmerge.RuleNoMatch},
				{Offering: "x", Path: "offerings.deny[0]", Rule: catalogmerge.RuleNoMatch},
			}, 0, 0,
		},
		"unreadable ones": {
			[]catalogmerge.Problem{
				problem("a", "", "services[0]", true), problem("a", "", "services[0].plans[1]", true), problem("a", "", "services[1].id", true),
			}, 2, 0,
		},
	} {
		if quarantined, warned := countOfferings(test.problems); quarantined != test.quarantined || warned != test.warned {
			t.Errorf("%s: got %d quarantined and %d warned, want %d and %d", name, quarantined, warned, test.quarantined, test.warned)
		}
	}
}
