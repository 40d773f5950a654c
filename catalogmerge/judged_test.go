package catalogmerge_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// judgement is one offering and what the rules say of it.
type judgement struct {
	name, service string
	// want lists the path below the offering and the rule of each problem, soft ones in parentheses.
	want []string
}

// judge runs each judgement.
func judge(t *testing.T, judgements []judgement) {
	t.Helper()
	for _, j := range judgements {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			c := refresh(t, nil, "b", noon, j.service)
			var got []string
			for _, p := range c.Problems {
				s := strings.TrimPrefix(strings.TrimPrefix(p.Path, "services[0]"), ".") + " " + string(p.Rule)
				if !p.Hard {
					s = "(" + s + ")"
				}
				got = append(got, s)
				if p.Detail == "" || p.Backend != "b" || p.Kept {
					t.Errorf("problem %+v", p)
				}
			}
			if diff := cmp.Diff(j.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", diff, c.Problems)
			}
			if published, want := len(c.Offerings) == 1, len(hardOf(c.Problems)) == 0; published != want {
				t.Errorf("published is %t, want %t", published, want)
			}
		})
	}
}

// plan returns a sound plan with more fields.
func plan(fields string) string {
	p := `{"id":"p","name":"p","description":"d","free":true,"bindable":true}`
	if fields == "" {
		return p
	}
	return with(p, fields)
}

// ofPlan returns an offering with that plan.
func ofPlan(fields string) string { return planned("[" + plan(fields) + "]") }

// rulesAndDetails returns rule and detail of each problem.
func rulesAndDetails(problems []catalogmerge.Problem) []string {
	var result []string
	for _, p := range problems {
		result = append(result, string(p.Rule)+": "+p.Detail)
	}
	return result
}
