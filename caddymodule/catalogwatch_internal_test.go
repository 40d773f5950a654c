package caddymodule

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// failing is a store that does not give its documents for some time.
type failing struct {
	routing.Store
	// reads is how many reads fail from now on.
	reads atomic.Int64
}

func (f *failing) ReadDocument(ctx context.Context, name string) (routing.Document, error) {
	if f.reads.Add(-1) >= 0 {
		return routing.Document{}, fmt.Errorf("%w: LOADING", routing.ErrUnavailable)
	}
	return f.Store.ReadDocument(ctx, name)
}

// failingReplica makes another gateway on the store of the first, which fails for it, that only listens to the store.
func (rt *runtime) failingReplica(t *testing.T) (*catalogs, *failing) {
	t.Helper()
	store := &failing{Store: rt.store.store}
	other := &runtime{
		settings: rt.settings, logger: rt.logger, metrics: rt.metrics, brokers: rt.brokers, tracing: rt.tracing,
		store: &sharedStore{store: store},
	}
	other.naming.Store(rt.named())
	return other.replica(), store
}

// listenTo has a gateway listen until the test ends.
func listenTo(t *testing.T, c *catalogs) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { c.listen(ctx) })
	t.Cleanup(func() { cancel(); group.Wait() })
}

// TestToldAndNotRead: a copy that the store told of and then did not give is looked at again.
func TestToldAndNotRead(t *testing.T) {
	for name, tell := range map[string]func(c *catalogs){
		"one":        func(c *catalogs) { c.heard.note(documentName("broker-0"), 2) },
		"everything": func(c *catalogs) { c.heard.everything() },
	} {
		t.Run(name, func(t *testing.T) {
			server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
			rt := startQuietGateway(t, server)
			c, store := rt.failingReplica(t)
			c.recall(t.Context(), c.entries[0])
			server.change()
			if _, err := rt.catalogs.fetchOnce(t.Context(), rt.catalogs.entries[0]); err != nil {
				t.Fatal(err)
			}
			store.reads.Store(1)
			listenTo(t, c)
			tell(c)
			until(t, "the copy to be read", func() bool { return strings.Contains(string(c.current().Body), "version 1") })
		})
	}
}

// TestAskedForAtOnce: the store's copies are asked for as soon as the names are known under which it has them, and when
// the store turned out to be another one, not with the next fetch.
func TestAskedForAtOnce(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	late := &runtime{
		settings: rt.settings, logger: rt.logger, metrics: rt.metrics, brokers: rt.brokers, tracing: rt.tracing,
		store: rt.store, resolved: make(chan struct{}),
	}
	c := newCatalogs(late)
	c.began, late.catalogs = time.Now(), c
	asked := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.entries[0].asked
	}
	listenTo(t, c)
	if err := late.nameAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the store to be asked once the names are known", asked)
	if !strings.Contains(string(c.current().Body), "version 0") {
		t.Errorf("got %s, want what is stored", c.current().Body)
	}
	c.forgetStored()
	until(t, "another store to be asked", asked)
}

// TestHearing: of each document the latest version counts, unless the store has to be asked.
func TestHearing(t *testing.T) {
	t.Parallel()
	one, two := documentName("one"), documentName("two")
	h := hearing{wake: make(chan struct{}, 1)}
	h.note("names", 1)
	if len(h.wake) != 0 {
		t.Error("another document wakes who waits for copies")
	}
	h.note(one, 7)
	h.note(one, 6)
	h.giveBack(one, 5)
	h.giveBack(two, 0)
	h.note(two, 3)
	versions, all := h.take()
	if len(versions) != 2 || versions[one] != 7 || versions[two] != 0 || all {
		t.Errorf("got %v, all %t; want 7 of one, and two to be asked for", versions, all)
	}
}
