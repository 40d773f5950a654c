package catalogmerge_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestWarningsAreAboutWhatIsShown: soft rules are for platforms, so what counts is what a policy makes of an offering.
func TestWarningsAreAboutWhatIsShown(t *testing.T) {
	t.Parallel()
	bare := `{"id":"1","name":"one","description":"d","bindable":true,"plans":[{"id":"a","name":"a","description":"d"}]}`
	long := strings.Replace(bare, `"one"`, `"`+strings.Repeat("n", 70)+`"`, 1)
	spaced := strings.Replace(bare, `"one"`, `"one "`, 1)
	tests := []struct {
		name    string
		service string
		policy  *catalogmerge.Policy
		options catalogmerge.Options
		want    []string
	}{
		{"defaults are absent", bare, nil, catalogmerge.Options{}, []string{"services[0].plans default_absent"}},
		{"defaults are written", bare, nil, catalogmerge.Options{MaterializeDefaults: true}, nil},
		{
			"no default beside the same with another case", strings.Replace(bare, `"name":"a"`, `"name":"a","Free":null,"BINDABLE":false`, 1),
			nil,
			catalogmerge.Options{MaterializeDefaults: true},
			[]string{"services[0].plans[0].free misspelt", "services[0].plans[0].bindable misspelt"},
		},
		{
			"defaults of what is excluded", bare, &catalogmerge.Policy{Exclude: all("one")}, catalogmerge.Options{}, nil,
		},
		{
			"a long name", long, nil, catalogmerge.Options{MaterializeDefaults: true}, []string{"services[0].name too_long"},
		},
		{
			"a long name made short", long, &catalogmerge.Policy{Rename: map[string]string{strings.Repeat("n", 70): "one"}},
			catalogmerge.Options{MaterializeDefaults: true},
			nil,
		},
		{
			"a name made long", bare, &catalogmerge.Policy{Prefix: strings.Repeat("x", 61)},
			catalogmerge.Options{MaterializeDefaults: true},
			[]string{"name too_long"},
		},
		{
			"a name made just not too long", bare, &catalogmerge.Policy{Prefix: strings.Repeat("x", 60)},
			catalogmerge.Options{MaterializeDefaults: true},
			nil,
		},
		{
			"odd characters, still there", spaced, &catalogmerge.Policy{Prefix: "x-"},
			catalogmerge.Options{MaterializeDefaults: true},
			[]string{"name odd_characters"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := publish(refreshWith(t, nil, "x", tt.policy, noon, tt.service), tt.policy, &tt.options)
			if diff := cmp.Diff(tt.want, rulesOf(c.Problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := catalogmerge.Refresh(nil, "shown", fetch(c.Body, "", noon))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range append(c.Problems, again.Problems...) {
				if p.Hard {
					t.Errorf("%v is hard in %s", p, c.Body)
				}
			}
		})
	}
}

// TestNameInConflictMayBeTooLong: the name of the backend makes the name longer.
func TestNameInConflictMayBeTooLong(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 60)
	copies := []*catalogmerge.Copy{
		refresh(t, nil, "x", noon, service("1", name, "a")), refresh(t, nil, "backend", noon, service("2", name, "b")),
	}
	o := &catalogmerge.Options{PrefixOnConflict: true}
	c := catalogmerge.Merge(expose(copies, nil, o), o)
	if diff := cmp.Diff([]string{"name duplicate_offering_name", "name too_long"}, rulesOf(c.Problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := `backend "backend", offering "2", name: the name that it is shown under, "backend-` + name + `", has 68 bytes; ` +
		`Kubernetes takes at most 63 (too_long)`
	if got := c.Problems[1].String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
