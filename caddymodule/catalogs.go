package caddymodule

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// firstRetry is how soon a catalog that is not known yet is asked for again; the wait doubles up to the refresh
// interval.
const firstRetry = time.Second

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

// publication is what calls see: the merged catalog and how far it is to be believed.
type publication struct {
	*catalogmerge.Catalog
	// named tells whose the ids in the catalog are; nil until the names are resolved. Whoever is led by the one goes by
	// the other, not by names that were resolved before or after.
	named *naming
	// servable: the catalog may be shown to platforms.
	servable bool
	// complete: the catalog of every backend is known.
	complete bool
	// problems are those of the catalog and of the views.
	problems []catalogmerge.Problem
	// views are what the platforms see, and outlooks how they find it, by their names.
	views    map[string]*catalogmerge.View
	outlooks map[string]*outlook
}

// same tells whether two publications tell calls the same.
func (p *publication) same(other *publication) bool {
	return p.Catalog == other.Catalog && p.named == other.named && p.servable == other.servable && p.complete == other.complete
}

// Complete tells whether the catalog of every backend is known. It implements routing.Directory.
func (p *publication) Complete() bool { return p.complete }

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

// follow keeps one backend's catalog.
func (c *catalogs) follow(ctx context.Context, entry *catalogEntry) {
	pace := c.newPace()
	for {
		c.recall(ctx, entry)
		timer := time.NewTimer(pace.wait(c.refresh(ctx, entry)))
		select {
		case <-timer.C:
		case <-entry.soon.wanted:
			entry.soon.pause(ctx)
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (c *catalogs) newPace() pace { return pace{refresh: c.rt.refresh, retry: firstRetry} }

// pace says how long to wait between the fetches of one catalog.
type pace struct {
	refresh, retry time.Duration
}

// wait returns the time until the next fetch: the refresh interval, give or take a tenth, and less as long as the
// catalog is not known. It is above zero however often it is asked.
func (p *pace) wait(known bool) time.Duration {
	wait := p.refresh*9/10 + rand.N(p.refresh/5+1) //nolint:gosec // jitter is no secret
	if !known {
		wait = min(wait, p.retry)
		p.retry = min(2*p.retry, p.refresh)
	}
	return wait
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

// refresh fetches a catalog once. It tells whether a catalog of the backend is known.
func (c *catalogs) refresh(ctx context.Context, entry *catalogEntry) bool {
	known, _ := c.fetchOnce(ctx, entry)
	return known
}

// fetchOnce fetches a catalog, takes it over and publishes what comes of it. It tells whether a catalog of the backend
// is known, and why the fetch failed.
func (c *catalogs) fetchOnce(ctx context.Context, entry *catalogEntry) (known bool, err error) {
	entry.fetching.Lock()
	defer entry.fetching.Unlock()
	f, err := c.fetch(ctx, entry)
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	defer func() { c.noteURL(ctx, entry, err == nil) }() // after the locks were let go of
	// Whoever takes over what the store has waits until this is taken over: else that would be put in the place of a later
	// copy.
	entry.storing.Lock()
	defer entry.storing.Unlock()
	var after *catalogmerge.Copy
	if err == nil {
		after = c.remember(ctx, entry, f)
	} else {
		c.save(ctx, entry)
	}
	c.lockToPublish()
	defer c.mu.Unlock()
	entry.tried = true
	c.note(entry, err)
	c.judge(entry, err)
	if err == nil {
		c.adopt(entry, after)
	}
	c.publishOrLeave()
	return entry.copy != nil && entry.asked, err
}

// adopt makes a copy the backend's. The caller holds mu.
func (c *catalogs) adopt(entry *catalogEntry, taken *catalogmerge.Copy) {
	entry.take(taken)
	if entry.copy != nil {
		c.rt.metrics.CatalogFetched(c.rt.name, entry.broker.name, entry.copy.FetchedAt)
	}
}

// ask sends one fetch of a catalog.
func (c *catalogs) ask(ctx context.Context, b *broker, etag string) (body []byte, newETag string, same bool, err error) {
	ctx, cancel := context.WithTimeout(withReplacer(ctx), b.catalogTimeout)
	defer cancel()
	ctx, finish := c.rt.observeCatalogFetch(ctx, b)
	body, newETag, same, err = b.Catalog(ctx, etag)
	finish(same, err)
	return body, newETag, same, err
}

// fetched is a good answer to a fetch, and the copy that follows from it.
type fetched struct {
	broker *broker
	// before is the copy that the answer was judged by, and version that of its document when the fetch began.
	before  *catalogmerge.Copy
	version uint64
	// body is nil where the backend said that the copy is still good.
	body  []byte
	etag  string
	at    time.Time
	after *catalogmerge.Copy
}

// fetch asks a backend for its catalog and makes the copy that follows the one before.
func (c *catalogs) fetch(ctx context.Context, entry *catalogEntry) (*fetched, error) {
	b := entry.broker
	c.mu.Lock()
	f := &fetched{broker: b, before: entry.copy, version: entry.version}
	tried, id, etag := entry.tried, entry.id, ""
	doubts, whole := entry.soon.doubt()
	if f.before != nil && !entry.refused && entry.goodURL == b.url.String() && !whole {
		etag = f.before.ETag // at another URL it may be another catalog's; and a suspect backend has to show its own
	}
	c.mu.Unlock()
	body, newETag, notModified, err := c.ask(ctx, b, etag)
	if err != nil {
		return nil, err
	}
	if !notModified {
		f.body, f.etag = body, newETag
		if err := c.guarded(ctx, entry, f); err != nil {
			return nil, err
		}
	}
	f.at = time.Now()
	began := f.at
	if !tried {
		// Nothing is published before the first round is over. What is new in it came at the same time, so that of two
		// backends that claim one id the one listed first has it, and not the one that answered first.
		began = c.began
	}
	f.after, err = f.follow(f.before, id, began, c.rt.withdrawAfter)
	if err != nil {
		return nil, err
	}
	entry.soon.settle(doubts)
	return f, nil
}

// follow returns the copy that follows another one by the answer. What is new in it was seen at the time began.
func (f *fetched) follow(
	before *catalogmerge.Copy, id string, began time.Time, withdrawAfter time.Duration,
) (*catalogmerge.Copy, error) {
	answer := f.broker.answered(f.body, f.etag, began, withdrawAfter)
	var after *catalogmerge.Copy
	if f.body == nil {
		after = catalogmerge.Touch(before, answer)
	} else {
		var err error
		if after, err = catalogmerge.Refresh(before, id, answer); err != nil {
			return nil, err
		}
	}
	if !began.Equal(f.at) {
		after = catalogmerge.Touch(after, f.broker.answered(nil, "", f.at, withdrawAfter))
	}
	return after, nil
}

// answered is an answer of the backend to a fetch of its catalog.
func (b *broker) answered(body []byte, etag string, at time.Time, withdrawAfter time.Duration) catalogmerge.Fetch {
	return catalogmerge.Fetch{Body: body, ETag: etag, At: at, WithdrawAfter: withdrawAfter, Policy: b.policy}
}

// lockToPublish takes mu for who calls publishOrLeave in any case.
func (c *catalogs) lockToPublish() {
	c.waiting.Add(1)
	c.mu.Lock()
	c.waiting.Add(-1)
}

// publishOrLeave publishes, or leaves that to the next one who waits to do so: where a hundred copies come at once, as at
// the start, not all of them are merged a hundred times. The caller holds mu.
func (c *catalogs) publishOrLeave() {
	if c.waiting.Load() > 0 && c.left < len(c.entries) {
		c.left++
		return
	}
	c.publish()
}

// publish shows calls what is known. It merges the copies anew only where one of them says something else than before.
// The caller holds mu.
func (c *catalogs) publish() {
	c.left = 0
	before := c.current()
	next := &publication{
		Catalog: before.Catalog, problems: before.problems, views: before.views, named: c.named, servable: true, complete: true,
	}
	known, fresh := false, false
	for _, entry := range c.entries {
		fresh, entry.fresh = fresh || entry.fresh, false
		if entry.copy != nil {
			known = true
			continue
		}
		next.complete = false
		// A backend that was never seen good holds nobody up once it was tried, unless it is to; one that may have been
		// published before does.
		if c.rt.refuseIncomplete || !entry.tried || !entry.waived && (!entry.asked || entry.version != 0) {
			next.servable = false
		}
	}
	next.servable = next.servable && known
	if fresh {
		exposed := make([]*catalogmerge.Exposed, len(c.entries))
		for i, entry := range c.entries {
			entry.exposed = catalogmerge.Expose(entry.copy, entry.broker.policy, c.rt.catalogPolicy, entry.exposed)
			exposed[i] = entry.exposed
		}
		next.Catalog = catalogmerge.Merge(exposed, c.rt.catalogPolicy)
		next.views = viewsByName(next.Catalog, c.rt.platforms)
		next.problems = problemsOf(next.Catalog, c.rt.platforms)
		c.report(next)
	}
	if !next.same(before) {
		next.look(c.rt)
		c.published.Store(next)
	}
}

// report logs the problems that are new and those that are gone.
func (c *catalogs) report(next *publication) {
	now := make(map[catalogmerge.Problem]bool, len(next.problems))
	for _, problem := range next.problems {
		now[problem] = true
		if !c.reported[problem] {
			c.rt.logger.Warn(whatItMeans(problem),
				zap.String("backend", c.nameOf(problem.Backend)), zap.String("problem", problem.String()))
		}
	}
	for problem := range c.reported {
		if !now[problem] {
			c.rt.logger.Info("a problem with an offering is gone", zap.String("backend", c.nameOf(problem.Backend)),
				zap.String("problem", problem.String()))
		}
	}
	c.reported = now
	quarantined, warned := countOfferings(next.problems)
	c.rt.metrics.CatalogOfferings(c.rt.name, len(next.Offerings), quarantined, warned)
}

// whatItMeans says what comes of a problem, and whose it is.
func whatItMeans(problem catalogmerge.Problem) string {
	switch {
	case problem.Hard:
		return "an offering is not published as its broker means it; its team has to mend it"
	case problem.Rule == catalogmerge.RuleNoMatch && problem.Backend == "":
		return "the offerings of a platform name something that no broker has"
	case problem.Rule == catalogmerge.RuleNoMatch:
		return "the configuration names something that the broker's catalog does not have"
	case problem.Rule == catalogmerge.RuleOfferingName:
		return "an offering is published under another name, because its own is taken"
	}
	return "an offering is published, but some platforms may misread it"
}

// nameOf returns the configured name of a backend by its stable id. The caller holds mu.
func (c *catalogs) nameOf(id string) string {
	for _, entry := range c.entries {
		if entry.id == id {
			return entry.broker.name
		}
	}
	return id
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
