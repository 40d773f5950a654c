package caddymodule

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// TestEarlier: a check takes each backend that runs for one of the configuration, as the registry of names would.
func TestEarlier(t *testing.T) {
	t.Parallel()
	backend := func(name string, formerly ...string) *backendSettings {
		return &backendSettings{name: name, formerly: formerly}
	}
	for _, test := range []struct {
		name     string
		backends []*backendSettings
		want     map[string]string // stable ids by names
	}{
		{"Same", []*backendSettings{backend("one"), backend("two")}, map[string]string{"one": "id-one", "two": "id-two"}},
		{"Renamed", []*backendSettings{backend("uno", "one")}, map[string]string{"uno": "id-one"}},
		{"Joined", []*backendSettings{backend("two", "one")}, map[string]string{"two": "id-two"}},
		{"Split", []*backendSettings{backend("uno", "one"), backend("one")}, map[string]string{"one": "id-one"}},
		{"Twice", []*backendSettings{backend("uno", "one"), backend("ein", "one")}, map[string]string{"uno": "id-one"}},
		{"LaterName", []*backendSettings{backend("uno", "two", "one")}, map[string]string{"uno": "id-two"}},
		{"New", []*backendSettings{backend("three")}, map[string]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			running := &runningGateway{backends: &listedBackends{}}
			for _, name := range []string{"one", "two"} {
				listed := listedBackend{Known: new(catalogmerge.Known)}
				listed.Name, listed.ID = name, routing.BackendID("id-"+name)
				running.backends.Backends = append(running.backends.Backends, listed)
			}
			got := make(map[string]string)
			for name, earlier := range running.earlier(test.backends) {
				got[name] = earlier.Backend
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
