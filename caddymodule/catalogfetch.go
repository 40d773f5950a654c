package caddymodule

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// firstRetry is how soon a catalog that is not known yet is asked for again; the wait doubles up to the refresh
// interval.
const firstRetry = time.Second

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
