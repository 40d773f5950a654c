package osb_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestCRNServiceName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		id, want string
		ok       bool
	}{
		"instance":        {crn, "mydb", true},
		"service key":     {keyCRN, "mydb", true},
		"without the end": {"crn:v1:bluemix:public:compose-redis:us-south:a/46aa:416d", "compose-redis", true},
		"global service": {
			"crn:v1:bluemix:public:resource-controller::a/46aa::resource-group:2a5f", "resource-controller", true,
		},
		"service name last":         {"crn:v1:bluemix:public:mydb", "mydb", true},
		"empty cname and ctype":     {"crn:v1:::mydb:", "mydb", true},
		"no service name":           {"crn:v1:bluemix:public:", "", false},
		"empty service name":        {"crn:v1:bluemix:public::us-south", "", false},
		"too short":                 {"crn:v1:bluemix:public", "", false},
		"shorter":                   {"crn:v1:bluemix", "", false},
		"nothing but the beginning": {"crn:v1:", "", false},
		"other version":             {"crn:v2:bluemix:public:mydb:us-south", "", false},
		"other scheme":              {"urn:v1:bluemix:public:mydb:us-south", "", false},
		"GUID":                      {"7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7", "", false},
		"nothing":                   {"", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := osb.CRNServiceName(test.id); got != test.want || ok != test.ok {
				t.Errorf("got %q and %t, want %q and %t", got, ok, test.want, test.ok)
			}
		})
	}
}
