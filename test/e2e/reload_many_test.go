package e2e_test

import (
	"fmt"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestReloadsUnderLoad reloads 200 times while platforms call without pause. No call fails, and nothing piles up.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		reloadUnderLoad(t, redisStoreAt(server), func() int { return len(clientIDs(t, server)) })
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		reloadUnderLoad(t, fileStore, func() int { return 0 })
	})
}

func reloadUnderLoad(t *testing.T, store string, connections func() int) {
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(store), InheritSocket: true})
	var configs [][]byte
	for n := range 4 {
		options := w.options
		options.Block += fmt.Sprintf("max_request_body %dMiB\n", 2+n)
		configs = append(configs, w.Adapt(t, options))
	}
	underLoad := func(reloads int) {
		load := w.startLoad(t)
		for n := range reloads {
			w.Load(t, configs[n%len(configs)])
			if n%25 == 0 {
				load.awaitProgress(t)
			}
			if t.Failed() {
				break
			}
		}
		load.awaitProgress(t)
		load.stop()
		if err := w.Reload(t, w.options); err != nil {
			t.Fatal(err)
		}
	}
	underLoad(8)
	// Callers and the fetches of catalogs may have left connections that can be used again: to the store one each, to a
	// broker and from a platform one each with two goroutines and one file. It differs how many there are at a time.
	const spare = 6 + 3
	before, connectionsBefore := w.settled(t, nil), connections()

	const reloads = 200
	underLoad(reloads)
	most := harness.Usage{
		Goroutines: before.Goroutines + 2*2*spare, Files: before.Files + 3*spare,
		// Room for the records that are cached, and less than a configuration takes that was not let go of.
		HeapBytes: before.HeapBytes + reloads*20_000,
	}
	after := w.settled(t, &most)
	t.Logf("before: %+v, %d connections to the store; after %d reloads: %+v, %d",
		before, connectionsBefore, reloads, after, connections())
	if got := connections(); got > connectionsBefore+spare {
		t.Errorf("there were %d connections to the store and are %d", connectionsBefore, got)
	}
}

// settled waits until configurations that were replaced are gone, and as far as most says what they used, and measures.
func (w *world) settled(t *testing.T, most *harness.Usage) harness.Usage {
	t.Helper()
	var usage harness.Usage
	previous := -1
	harness.Await(t, "the gateway to be idle", func() bool {
		usage = w.Usage(t)
		if most != nil {
			return usage.Goroutines <= most.Goroutines && usage.Files <= most.Files && usage.HeapBytes <= most.HeapBytes
		}
		stable := usage.Goroutines == previous
		previous = usage.Goroutines
		return stable
	})
	return usage
}
