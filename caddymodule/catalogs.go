package caddymodule

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// catalogs keeps the backends' catalogs: it fetches them, keeps the last good copy of each in the store, and publishes
// what they merge to. Calls read what is published without a lock.
type catalogs struct {
	rt        *runtime
	published atomic.Pointer[publication]
	// began is when the first round of fetches began.
	began time.Time

	// waiting counts those that wait for mu and will publish; left is how often it was left to them since somebody did.
	waiting atomic.Int32
	left    int

	mu      sync.Mutex
	entries []*catalogEntry // in the order of the configuration
	named   *naming         // nil until the names are resolved
	// heard is what the store told of its copies and nobody has looked at yet.
	heard hearing
	// reported are the problems that were logged, so that each is logged once and again only on change.
	reported map[catalogmerge.Problem]bool
}

// catalogEntry is what is known of one backend's catalog. Its fields are guarded by catalogs.mu.
type catalogEntry struct {
	broker *broker
	// id is the backend's stable id, its name until the names are resolved.
	id string
	knownCatalog
	// newURL: no good catalog ever came from the URL, or another broker's did since, which makes the backend suspect.
	newURL bool
	// exposed is the copy as platforms see it.
	exposed *catalogmerge.Exposed
	// fetching is held while the catalog is fetched and taken over, so that fetches do so one after the other.
	fetching sync.Mutex
	// storing is held while the store is asked for the copy or given one, and until what comes of that is taken over, so that
	// copy and version are known before anybody looks at them. It is taken after fetching and before catalogs.mu.
	storing sync.Mutex
	// soon has the catalog fetched before its time; see hurry.go.
	soon *hurry
	// fresh: the copy says something else than what is published.
	fresh bool
	// failing is the last fetch's error, and warned the last trouble with the copy in the store, as they were logged.
	failing, warned string
}

// knownCatalog is what a reload hands on of a backend's catalog.
type knownCatalog struct {
	copy *catalogmerge.Copy
	// version is that of the copy's document in the store, unsaved: the copy says something that the document may not.
	version uint64
	unsaved bool
	// asked: the store has said whether it has a copy.
	asked bool
	// tried: a fetch has ended, well or badly.
	tried bool
	// waived: the catalog could be shown without this backend a moment ago, and may be so until the store was asked.
	waived bool
	// refused: the last catalog that came was another broker's, which makes the backend suspect.
	refused bool
	// goodURL is where the last good catalog came from, while the store's registry may not know it yet.
	goodURL string
}

func newCatalogs(rt *runtime) *catalogs {
	c := &catalogs{rt: rt, reported: make(map[catalogmerge.Problem]bool)}
	for _, b := range rt.backends {
		c.entries = append(c.entries, &catalogEntry{
			broker: rt.brokers[b.name], id: b.name, soon: newHurry(), fresh: true,
		})
	}
	c.heard.wake = make(chan struct{}, 1)
	c.published.Store(&publication{Catalog: catalogmerge.Merge(nil, nil)})
	return c
}

// current returns what is published.
func (c *catalogs) current() *publication { return c.published.Load() }

// inherit takes over what the gateway before this one knew, so that a reload loses nothing.
func (c *catalogs) inherit(before *catalogs) {
	// The stable ids are those of one store's registry, and so are the versions of the copies in it and the known URLs.
	sameStore := before.rt.store == c.rt.store
	identify := func(entry *catalogEntry) string { return entry.id }
	if !sameStore || before.rt.named() == nil || c.rt.named() == nil {
		identify = func(entry *catalogEntry) string { return entry.broker.name }
	}
	before.mu.Lock()
	known := make(map[string]knownCatalog, len(before.entries))
	for _, entry := range before.entries {
		known[identify(entry)] = entry.knownCatalog
	}
	wasServable := before.current().servable
	before.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, entry := range c.entries {
		if old, ok := c.knownBefore(known, identify(entry), entry.broker); ok {
			taken := old.copy
			old.copy = nil
			entry.knownCatalog = old
			entry.takeAnew(taken, now)
		}
		if !sameStore {
			entry.asked, entry.version, entry.unsaved, entry.goodURL = false, 0, false, ""
		}
		if entry.copy == nil {
			// Another gateway may have written one since, with which that at the URL must be compared.
			entry.asked = false
			entry.tried, entry.waived = entry.tried || wasServable, wasServable
		}
	}
	c.heard.everything() // what the gateway before this one heard last, it may not have looked at
	c.publish()
}

// knownBefore finds what was known of a backend, by the id that it has now or else by those that it had, unless they are
// those of other ones now.
func (c *catalogs) knownBefore(known map[string]knownCatalog, id string, b *broker) (knownCatalog, bool) {
	old, ok := known[id]
	for _, former := range b.formerly {
		if !ok && c.rt.brokers[former] == nil {
			old, ok = known[former]
		}
	}
	return old, ok
}

// run fetches each backend's catalog again and again until ctx ends, each on its own.
func (c *catalogs) run(ctx context.Context, group *sync.WaitGroup) {
	c.began = time.Now()
	group.Go(func() { c.listen(ctx) })
	for _, entry := range c.entries {
		group.Go(func() { c.follow(ctx, entry) })
	}
}

// take makes a copy the backend's, under the id that it has now. The caller holds catalogs.mu.
func (e *catalogEntry) take(taken *catalogmerge.Copy) {
	if taken != nil && taken.Backend != e.id {
		renamed := *taken
		renamed.Backend = e.id
		taken = &renamed
	}
	if taken.Same(e.copy) && taken != nil {
		taken = e.copy.Confirmed(taken)
	} else {
		e.fresh = e.fresh || taken != e.copy
	}
	e.copy = taken
}

// takeAnew makes a copy the backend's that was taken under another configuration. What that did not show, this one shows
// from now on. The caller holds catalogs.mu.
func (e *catalogEntry) takeAnew(taken *catalogmerge.Copy, now time.Time) {
	if taken != nil {
		learnt := taken.Learn(e.broker.policy, now)
		e.unsaved = e.unsaved || learnt != taken
		taken = learnt
	}
	e.take(taken)
}

// name gives the backends their stable ids, which offerings lead to and under which the store keeps copies.
func (c *catalogs) name(named *naming) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.named = named
	for _, entry := range c.entries {
		if id := string(named.backendIDs[entry.broker.name]); id != entry.id {
			entry.id = id
			entry.asked, entry.version, entry.unsaved = false, 0, false // that was another id's copy in the store
		}
		entry.take(entry.copy)
	}
	c.doubtAll() // before any call can be led to them
	c.publish()
}

// adopt makes a copy the backend's. The caller holds mu.
func (c *catalogs) adopt(entry *catalogEntry, taken *catalogmerge.Copy) {
	entry.take(taken)
	if entry.copy != nil {
		c.rt.metrics.CatalogFetched(c.rt.name, entry.broker.name, entry.copy.FetchedAt)
	}
}

// note logs the state of a backend's fetches when it changes. The caller holds mu.
func (c *catalogs) note(entry *catalogEntry, err error) {
	c.rt.metrics.BackendUp(c.rt.name, entry.broker.name, err == nil)
	switch {
	case err == nil && entry.failing != "":
		entry.failing = ""
		c.rt.logger.Info("a backend's catalog is fetched again", zap.String("backend", entry.broker.name))
	case err != nil && err.Error() != entry.failing:
		entry.failing = err.Error()
		c.rt.logger.Error("fetching a backend's catalog; its last good one stays", zap.String("backend", entry.broker.name),
			zap.Bool("have_last_good", entry.copy != nil), zap.Error(err))
	}
}
