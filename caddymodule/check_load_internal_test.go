package caddymodule

import (
	"slices"
	"strings"
	"testing"
)

func names(gateways []*Gateway) []string {
	found := make([]string, len(gateways))
	for i, gateway := range gateways {
		found[i] = gateway.Name
	}
	return found
}

// TestGatewaysIn finds handlers wherever they stand, in their order, and each gateway once.
func TestGatewaysIn(t *testing.T) {
	t.Parallel()
	const one, two = `{"handler": "osb_gateway", "name": "one", "store": {"kind": "memory"}}`, `{"name": "two", "handler": "osb_gateway"}`
	for _, test := range []struct {
		name, config string
		want         []string
		fails        string
	}{
		{"Nested", `{"apps": {"http": {"servers": {"z": {"routes": [{"handle": [{"handler": "subroute", "routes": [{"handle": [` +
			two + `]}]}]}]}, "a": {"named_routes": {"x": {"handle": [` + one + `]}}}}}}}`, []string{"two", "one"}, ""},
		{"Same", `[` + one + `, {"x": ` + one + `}]`, []string{"one"}, ""},
		{"OtherSpelling", `[` + one + `, {"store": {"kind": "memory"}, "handler": "osb_gateway", "name": "one"}]`, []string{"one"}, ""},
		{"Contradiction", `[` + one + `, {"handler": "osb_gateway", "name": "one"}]`, nil, `osb_gateway "one" is there twice`},
		{"Default", `[{"handler": "osb_gateway"}, {"handler": "osb_gateway", "name": "default"}]`, nil, `"default" is there twice`},
		{"Tagged", `[{"@id": "gw", "handler": "osb_gateway", "name": "one", "backends": [{"name": "x", "@id": "b"}]}]`, []string{"one"}, ""},
		{"Unknown", `[{"handler": "osb_gateway", "nane": "x"}]`, nil, `unknown field "nane"`},
		{"None", `{"apps": {"http": {"handler": "other"}}}`, nil, "the configuration has no osb_gateway"},
		{"Word", `{"apps": "osb_gateway", "handler": 3}`, nil, "the configuration has no osb_gateway"},
		{"NoJSON", `{"apps": `, nil, "reading the configuration: "},
		{"Empty", ``, nil, "the configuration has no osb_gateway"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gateways, err := gatewaysIn([]byte(test.config))
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Fatalf("got the error %v, want one that says %q", err, test.fails)
			}
			if got := names(gateways); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzGatewaysIn looks through what may be no configuration at all. Nothing panics, and an error says something.
func FuzzGatewaysIn(f *testing.F) {
	for _, seed := range []string{
		`{"apps": {"http": {"servers": {"a": {"routes": [{"handle": [{"handler": "osb_gateway"}]}]}}}}}`,
		`[{"handler": "osb_gateway", "name": 1}]`, `{"handler": "osb_gateway", "handler": 1}`, `[[[[`, `null`, `{"a": nul}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		gateways, err := gatewaysIn(config)
		if (err == nil) == (len(gateways) == 0) || err != nil && err.Error() == "" {
			t.Errorf("got %d gateways and the error %v", len(gateways), err)
		}
	})
}
