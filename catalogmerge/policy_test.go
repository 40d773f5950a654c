package catalogmerge_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	one := `{"id":"1","name":"sql","bindable":true, "description":"d" ,"plans":[ {"id":"a","name":"small","description":"d"} ,` +
		` {"free":false,"id":"b","name":"large","description":"d","bindable":false}]}`
	tests := []struct {
		name    string
		policy  catalogmerge.Policy
		options catalogmerge.Options
		want    string
	}{
		{"nothing", catalogmerge.Policy{}, catalogmerge.Options{}, one},
		{
			"rename, then prefix",
			catalogmerge.Policy{Rename: map[string]string{"sql": "db"}, Prefix: "x-"},
			catalogmerge.Options{},
			`{"id":"1","name":"x-db","bindable":true, "description":"d" ,"plans":[ {"id":"a","name":"small","description":"d"} ,` +
				` {"free":false,"id":"b","name":"large","description":"d","bindable":false}]}`,
		},
		{
			"exclude a plan",
			catalogmerge.Policy{Exclude: []catalogmerge.Selection{{"sql", []string{"small"}}}},
			catalogmerge.Options{},
			`{"id":"1","name":"sql","bindable":true, "description":"d" ,"plans":[ ` +
				`{"free":false,"id":"b","name":"large","description":"d","bindable":false}]}`,
		},
		{
			"defaults",
			catalogmerge.Policy{},
			catalogmerge.Options{MaterializeDefaults: true},
			`{"id":"1","name":"sql","bindable":true, "description":"d" ,"plans":[ {"id":"a","name":"small","description":"d",` +
				`"free":true,"bindable":true} , {"free":false,"id":"b","name":"large","description":"d","bindable":false}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := refresh(t, nil, "x", noon, one)
			catalog := catalogmerge.Merge([]*catalogmerge.Exposed{catalogmerge.Expose(c, &tt.policy, &tt.options, nil)}, &tt.options)
			if diff := cmp.Diff(string(body(tt.want)), string(catalog.Body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
