package e2e_test

import (
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// logged tells how many lines of a level hold all of the texts.
func (w *world) logged(level string, texts ...string) (lines int) {
	for line := range strings.Lines(w.Output()) {
		matches := strings.Contains(line, `"level":"`+level+`"`)
		for _, text := range texts {
			matches = matches && strings.Contains(line, text)
		}
		if matches {
			lines++
		}
	}
	return lines
}

// TestRedisMayLoseRecords has a Redis that evicts and keeps nothing on disk: the gateway works, and says in its log what to
// change. A reload has it look again.
func TestRedisMayLoseRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("maxmemory 512mb"), redistest.Setting("maxmemory-policy allkeys-lru"),
		redistest.Setting("appendonly no"))
	w := newWorld(t, redisStoreAt(server))
	all := w.populate(t)
	evicts, vanishes := "set maxmemory-policy noeviction", "set appendonly yes"
	harness.Await(t, "warnings", func() bool { return w.logged("warn", evicts) == 1 && w.logged("warn", vanishes) == 1 })

	if err := server.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(t, w.options); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the end of a warning", func() bool { return w.logged("info", "is over", evicts) == 1 })
	// What lasts is not said again at once.
	if lines := w.logged("warn", vanishes); lines != 1 {
		t.Errorf("the lasting warning was logged %d times, want once", lines)
	}
	w.findAll(t, w.Gateway, all)
}

// TestRedisThatDoesNotTell lets the gateway do all but read INFO.
func TestRedisThatDoesNotTell(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("user default on nopass ~* &* +@all -info"))
	w := newWorld(t, redisStoreAt(server))
	all := w.populate(t)
	harness.Await(t, "a warning", func() bool { return w.logged("warn", "+info") == 1 })
	w.findAll(t, w.Gateway, all)
}
