package caddymodule

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// firstRetry is how soon a catalog that is not known yet is asked for again; the wait doubles up to the refresh interval.
const firstRetry = time.Second

// catalogs keeps the backends' catalogs: it fetches them, keeps the last good copy of each in the store, and publishes
// what they merge to. Calls read what is published without a lock.
type catalogs struct {
	rt        *runtime
	published atomic.Pointer[publication]
	// began is when the first round of fetches began.
	began time.Time

	mu      sync.Mutex
	entries []*catalogEntry // in the order of the configuration
	// reported are the problems that were logged, so that each is logged once and again only on change.
	reported map[catalogmerge.Problem]bool
}

// catalogEntry is what is known of one backend's catalog. Its fields are guarded by catalogs.mu.
type catalogEntry struct {
	broker *broker
	copy   *catalogmerge.Copy
	// version is that of the copy's document in the store.
	version uint64
	// asked: the store has said whether it has a copy.
	asked bool
	// tried: a fetch has ended, well or badly.
	tried bool
	// failing is the last fetch's error, and warned the last trouble with the copy in the store, as they were logged.
	failing, warned string
}

// publication is what calls see: the merged catalog and how far it is to be believed.
type publication struct {
	*catalogmerge.Catalog
	// servable: the catalog may be shown to platforms.
	servable bool
	// complete: the catalog of every backend is known.
	complete bool
}

// Complete tells whether the catalog of every backend is known. It implements routing.Directory.
func (p *publication) Complete() bool { return p.complete }

func newCatalogs(rt *runtime) *catalogs {
	c := &catalogs{rt: rt, reported: make(map[catalogmerge.Problem]bool)}
	for _, b := range rt.backends {
		c.entries = append(c.entries, &catalogEntry{broker: rt.brokers[routing.BackendID(b.name)]})
	}
	c.published.Store(&publication{Catalog: catalogmerge.Merge(nil)})
	return c
}

// current returns what is published.
func (c *catalogs) current() *publication { return c.published.Load() }

// inherit takes over what the gateway before this one knew, so that a reload loses nothing.
func (c *catalogs) inherit(before *catalogs) {
	before.mu.Lock()
	known := make(map[string]catalogEntry, len(before.entries))
	for _, entry := range before.entries {
		known[entry.broker.name] = *entry
	}
	wasServable := before.current().servable
	before.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, entry := range c.entries {
		old, ok := known[entry.broker.name]
		switch {
		case ok:
			entry.copy, entry.version, entry.asked, entry.tried = old.copy, old.version, old.asked, old.tried
		case wasServable:
			// The catalog was complete without this backend a moment ago; it may go on so until it answers.
			entry.tried, entry.asked = true, true
		}
	}
	c.publish()
}

// run fetches each backend's catalog again and again until ctx ends, each on its own.
func (c *catalogs) run(ctx context.Context, group *sync.WaitGroup) {
	c.began = time.Now()
	for _, entry := range c.entries {
		group.Go(func() { c.follow(ctx, entry) })
	}
}

// follow keeps one backend's catalog.
func (c *catalogs) follow(ctx context.Context, entry *catalogEntry) {
	pace := pace{refresh: c.rt.refresh, retry: firstRetry}
	for {
		c.recall(ctx, entry)
		timer := time.NewTimer(pace.wait(c.refresh(ctx, entry)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pace says how long to wait between the fetches of one catalog.
type pace struct {
	refresh, retry time.Duration
}

// wait returns the time until the next fetch: the refresh interval, give or take a tenth, and less as long as the catalog
// is not known. It is above zero however often it is asked.
func (p *pace) wait(known bool) time.Duration {
	wait := p.refresh*9/10 + rand.N(p.refresh/5+1) //nolint:gosec // jitter is no secret
	if !known {
		wait = min(wait, p.retry)
		p.retry = min(2*p.retry, p.refresh)
	}
	return wait
}

func documentName(b *broker) string { return "catalog/" + b.name }

// recall reads the store's copy of a catalog, unless that was done.
func (c *catalogs) recall(ctx context.Context, entry *catalogEntry) {
	c.mu.Lock()
	asked := entry.asked && (entry.copy != nil || entry.version == 0 && entry.tried)
	c.mu.Unlock()
	if asked {
		return
	}
	document, err := c.rt.store.store.ReadDocument(ctx, documentName(entry.broker))
	if err != nil {
		c.warn(ctx, entry, "the store does not give the last good catalog", err)
		return
	}
	stored, err := decodeDocument(document)
	if err != nil {
		// It was published once, but this gateway cannot read it: it must not be left out quietly, nor overwritten by less.
		c.warn(ctx, entry, "the last good catalog in the store cannot be read", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.asked = true
	if stored != nil && (entry.copy == nil || stored.FetchedAt.After(entry.copy.FetchedAt)) {
		entry.copy = stored
	}
	entry.version = document.Version
	c.publish()
}

func decodeDocument(document routing.Document) (*catalogmerge.Copy, error) {
	if document.Version == 0 {
		return nil, nil
	}
	return catalogmerge.DecodeCopy(document.Data)
}

// refresh fetches a catalog once. It tells whether a catalog of the backend is known.
func (c *catalogs) refresh(ctx context.Context, entry *catalogEntry) bool {
	c.mu.Lock()
	before, tried := entry.copy, entry.tried
	c.mu.Unlock()

	after, err := c.fetch(ctx, entry.broker, before, tried)
	if ctx.Err() != nil {
		return true
	}
	if err == nil {
		after = c.remember(ctx, entry, before, after)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.tried = true
	c.note(entry, err)
	if err == nil {
		entry.copy = after
		c.rt.metrics.CatalogFetched(c.rt.name, entry.broker.name, after.FetchedAt)
	}
	c.publish()
	return entry.copy != nil
}

// fetch asks a backend for its catalog and returns the copy that follows the one before.
func (c *catalogs) fetch(
	ctx context.Context, b *broker, before *catalogmerge.Copy, tried bool,
) (*catalogmerge.Copy, error) {
	ctx, cancel := context.WithTimeout(withReplacer(ctx), b.catalogTimeout)
	defer cancel()
	ctx, finish := c.rt.observeCatalogFetch(ctx, b)
	etag := ""
	if before != nil {
		etag = before.ETag
	}
	body, newETag, notModified, err := b.Catalog(ctx, etag)
	finish(notModified, err)
	if err != nil {
		return nil, err
	}
	if notModified && before != nil {
		return catalogmerge.Touch(before, time.Now(), defaultWithdrawAfter), nil
	}
	if tried {
		return catalogmerge.Refresh(before, b.name, body, newETag, time.Now(), defaultWithdrawAfter)
	}
	// Nothing is published before the first round is over. What is new in it came at the same time, so that of two backends
	// that claim one id the one listed first has it, and not the one that answered first.
	after, err := catalogmerge.Refresh(before, b.name, body, newETag, c.began, defaultWithdrawAfter)
	if err != nil {
		return nil, err
	}
	return catalogmerge.Touch(after, time.Now(), defaultWithdrawAfter), nil
}

// remember writes a copy to the store, if it says something new, and returns the copy to go by: another replica may have
// written a later one.
func (c *catalogs) remember(
	ctx context.Context, entry *catalogEntry, before, after *catalogmerge.Copy,
) *catalogmerge.Copy {
	c.mu.Lock()
	version, asked := entry.version, entry.asked
	c.mu.Unlock()
	if !asked || version != 0 && sameButForTime(before, after) {
		return after
	}
	data, err := after.Encode()
	if err == nil {
		var document routing.Document
		var swapped bool
		document, swapped, err = c.rt.store.store.SwapDocument(ctx, documentName(entry.broker), version, data)
		if err == nil {
			return c.adopt(ctx, entry, after, document, swapped)
		}
	}
	c.warn(ctx, entry, "the catalog cannot be kept in the store", err)
	return after
}

// adopt takes note of what the store has after a write.
func (c *catalogs) adopt(
	ctx context.Context, entry *catalogEntry, ours *catalogmerge.Copy, document routing.Document, swapped bool,
) *catalogmerge.Copy {
	if !swapped {
		theirs, err := decodeDocument(document)
		if err != nil || theirs == nil {
			c.warn(ctx, entry, "the catalog that another gateway wrote cannot be read", err)
			return ours
		}
		ours = theirs
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.version = document.Version
	return ours
}

// sameButForTime tells whether two copies differ in nothing but when they were fetched.
func sameButForTime(before, after *catalogmerge.Copy) bool {
	if before == nil {
		return false
	}
	touched := *after
	touched.FetchedAt = before.FetchedAt
	a, errBefore := before.Encode()
	b, errAfter := touched.Encode()
	return errBefore == nil && errAfter == nil && slices.Equal(a, b)
}

// publish merges what is known. The caller holds mu.
func (c *catalogs) publish() {
	copies := make([]*catalogmerge.Copy, len(c.entries))
	next := &publication{servable: true, complete: true}
	known := false
	for i, entry := range c.entries {
		copies[i] = entry.copy
		if entry.copy != nil {
			known = true
			continue
		}
		next.complete = false
		// A backend that was never seen good holds nobody up once it was tried; one that may have been published before does.
		if !entry.tried || !entry.asked || entry.version != 0 {
			next.servable = false
		}
	}
	next.servable = next.servable && known
	next.Catalog = catalogmerge.Merge(copies)
	c.published.Store(next)
	c.report(next.Catalog)
}

// report logs the problems that are new and those that are gone.
func (c *catalogs) report(merged *catalogmerge.Catalog) {
	now := make(map[catalogmerge.Problem]bool, len(merged.Problems))
	quarantined := 0
	for _, problem := range merged.Problems {
		now[problem] = true
		if problem.Hard {
			quarantined++
		}
		if !c.reported[problem] {
			c.rt.logger.Warn("an offering is not published as its broker means it; its team has to mend it",
				zap.String("backend", problem.Backend), zap.String("problem", problem.String()))
		}
	}
	for problem := range c.reported {
		if !now[problem] {
			c.rt.logger.Info("a problem with an offering is gone", zap.String("backend", problem.Backend),
				zap.String("problem", problem.String()))
		}
	}
	c.reported = now
	c.rt.metrics.CatalogOfferings(c.rt.name, len(merged.Offerings), quarantined)
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

// warn logs trouble with a catalog's copy in the store, once and again only on change. That the store does not answer is
// logged elsewhere.
func (c *catalogs) warn(ctx context.Context, entry *catalogEntry, what string, err error) {
	if ctx.Err() != nil || errors.Is(err, routing.ErrUnavailable) {
		return
	}
	text := what
	if err != nil {
		text += err.Error()
	}
	c.mu.Lock()
	again := entry.warned == text
	entry.warned = text
	c.mu.Unlock()
	if !again {
		c.rt.logger.Warn(what, zap.String("backend", entry.broker.name), zap.Error(err))
	}
}
