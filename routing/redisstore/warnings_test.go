package redisstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// wantWarnings checks that there is one warning for each of the texts, which it holds.
func wantWarnings(t *testing.T, store *redisstore.Store, want ...string) {
	t.Helper()
	warnings, err := store.Warnings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	matches := len(warnings) == len(want)
	for n := range min(len(want), len(warnings)) {
		matches = matches && strings.Contains(warnings[n], want[n])
	}
	if !matches {
		t.Errorf("the warnings differ (-want +got):\n%s", cmp.Diff(want, warnings))
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	const (
		evicts   = "set maxmemory-policy noeviction"
		vanishes = "set appendonly yes"
		info     = "+info"
	)
	tests := []struct {
		name     string
		settings []string
		want     []string
	}{
		{"all is well", nil, nil},
		{"a limit without eviction", []string{"maxmemory 100mb", "maxmemory-policy noeviction"}, nil},
		{"eviction without a limit", []string{"maxmemory-policy allkeys-lru"}, nil},
		{"eviction", []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"}, []string{evicts}},
		{"eviction of tombstones", []string{"maxmemory 100mb", "maxmemory-policy volatile-ttl"}, []string{evicts}},
		{"no persistence", []string{"appendonly no"}, []string{vanishes}},
		{"snapshots", []string{"appendonly no", "save 900 1"}, nil},
		{"all at once", []string{"appendonly no", "maxmemory 100mb", "maxmemory-policy allkeys-lfu"}, []string{evicts, vanishes}},
		{"no right to INFO", []string{"user default on nopass ~* &* +@all -info", "appendonly no"}, []string{info}},
		{"INFO by another name", []string{`rename-command INFO ""`, "appendonly no"}, []string{info}},
		{"no right to CONFIG", []string{"user default on nopass ~* &* +@all -config", "appendonly no"}, nil},
		{
			"no right to CONFIG, eviction", []string{
				"user default on nopass ~* &* +@all -config", "appendonly no", "maxmemory 100mb", "maxmemory-policy allkeys-lru",
			}, []string{evicts},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var options []redistest.Option
			for _, line := range test.settings {
				options = append(options, redistest.Setting(line))
			}
			server := redistest.Start(t, options...)
			store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
			wantWarnings(t, store, test.want...)
		})
	}
}

// A directory that is gone is a disk that cannot be written.
func TestWarningsOfAFailedSnapshot(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("enable-protected-configs yes"))
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	wantWarnings(t, store)
	folder := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := server.Client().ConfigSet(t.Context(), "dir", folder).Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := server.Client().BgSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the failure is warned of", func() bool {
		warnings, err := store.Warnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(warnings) == 1 && strings.Contains(warnings[0], "could not save its last snapshot")
	})
}

func TestWarningsOfAServerThatIsDown(t *testing.T) {
	t.Parallel()
	store := open(t, redisstore.Config{Addresses: []string{"127.0.0.1:1"}, Timeout: patience})
	warnings, err := store.Warnings(t.Context())
	wantError(t, err, "the server cannot be reached")
	if warnings != nil {
		t.Errorf("got %q beside an error", warnings)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Warnings(t.Context()); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("got %v of a closed store, want an error that matches ErrUnavailable", err)
	}
}

// Each master of a cluster has settings of its own.
func TestWarningsOfACluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	store := open(t, onCluster(servers))
	wantWarnings(t, store)
	master := servers.Master(t, "a")
	for name, value := range map[string]string{"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"} {
		if err := master.Client().ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantWarnings(t, store, master.Addr+": redis can evict records")
}
