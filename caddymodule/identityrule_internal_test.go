package caddymodule

import (
	"encoding/base64"
	"net/http/httptest"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// TestTwoIdentities: of two headers the broker may believe the one that the gateway does not, so logs name nobody.
func TestTwoIdentities(t *testing.T) {
	t.Parallel()
	of := func(user string) string {
		return "cloudfoundry " + base64.StdEncoding.EncodeToString([]byte(`{"user_id":"`+user+`"}`))
	}
	for name, test := range map[string]struct {
		headers []string
		user    string
	}{
		"one":                 {[]string{of("jane")}, "jane"},
		"two":                 {[]string{of("jane"), of("john")}, ""},
		"an empty one before": {[]string{"", of("john")}, ""},
		"an empty one behind": {[]string{of("jane"), ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("DELETE", "/v2/service_instances/i", nil)
			r.Header[osb.HeaderOriginatingIdentity] = test.headers
			c := &call{
				rt: &runtime{settings: &settings{identityLog: identityLog{mode: "full"}}}, r: r,
				path: osb.Path{Operation: osb.Deprovision}, platform: &platformSettings{},
			}
			if err := c.readIdentity(); err != nil {
				t.Fatal(err)
			}
			if c.identity.User != test.user {
				t.Errorf("got the user %q, want %q", c.identity.User, test.user)
			}
		})
	}
}
