package caddymodule

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// documentName is where the store has the last good copy of a backend's catalog.
func documentName(id string) string { return "catalog/" + id }

// forgetStored has the store asked again for its copies, because it is another store than before.
func (c *catalogs) forgetStored() {
	c.mu.Lock()
	defer c.mu.Unlock()
	servable := c.current().servable
	for _, entry := range c.entries {
		entry.asked, entry.waived = false, servable && entry.copy == nil
	}
	c.heard.everything()
}

// recall reads the store's copy of a catalog, unless that was done.
func (c *catalogs) recall(ctx context.Context, entry *catalogEntry) {
	entry.storing.Lock()
	defer entry.storing.Unlock()
	c.recallStored(ctx, entry)
}

// recallStored is recall for who holds storing. It tells whether there is nothing to be tried again: the store has said
// what it has.
func (c *catalogs) recallStored(ctx context.Context, entry *catalogEntry) bool {
	if c.rt.named() == nil {
		return true // nobody knows yet under which name the copy is kept; who learns it has everything looked at
	}
	c.mu.Lock()
	asked := entry.asked && (entry.copy != nil || entry.version == 0 && entry.tried)
	id := entry.id
	c.mu.Unlock()
	if asked {
		return true
	}
	document, err := c.readDocument(ctx, entry, id)
	if err != nil {
		return false
	}
	stored, err := c.decodeStored(ctx, entry, document)
	if err != nil {
		return true
	}
	c.lockToPublish()
	defer c.mu.Unlock()
	defer c.publishOrLeave()
	if entry.id != id {
		return true // the names were resolved anew meanwhile, and this is another backend's
	}
	entry.asked, entry.waived = true, false
	if stored != nil && entry.copy != nil && len(stored.Offerings) > 0 && !shares(stored, entry.copy) {
		// What was fetched while nothing was known of the backend is another broker's.
		entry.take(nil)
		entry.broker.suspect.Store(true)
	}
	entry.unsaved = entry.copy != nil
	if stored != nil {
		next := c.rejoin(entry, stored)
		entry.unsaved = !next.Same(stored)
		c.adopt(entry, next)
	}
	if entry.copy == nil {
		entry.broker.suspect.Store(false) // there is nothing to compare with
	}
	entry.version = document.Version
	return true
}

// rejoin returns the copy to go by now that the store has told of its own. What was fetched before it did, or is of
// another store, knows nothing of what that one has besides, and may be newer all the same. The caller holds mu.
func (c *catalogs) rejoin(entry *catalogEntry, stored *catalogmerge.Copy) *catalogmerge.Copy {
	if entry.copy.Same(stored) {
		return entry.copy
	}
	stored = c.learn(entry, stored)
	if entry.copy != nil {
		f := entry.broker.answered(nil, "", time.Time{}, c.rt.withdrawAfter)
		if next, err := catalogmerge.Rejoin(stored, entry.copy, f); err == nil {
			return next
		}
	}
	return stored
}

// learn returns a stored copy that knows how this configuration shows it, which the one that wrote it may not have done:
// of all backends since this gateway began, as in the first round of fetches.
func (c *catalogs) learn(entry *catalogEntry, stored *catalogmerge.Copy) *catalogmerge.Copy {
	if c.began.IsZero() {
		return stored // nothing is fetched yet either
	}
	return stored.Learn(entry.broker.policy, c.began)
}

// readDocument reads the document that has the store's copy of a catalog. An error was logged.
func (c *catalogs) readDocument(ctx context.Context, entry *catalogEntry, id string) (routing.Document, error) {
	document, err := c.rt.store.store.ReadDocument(ctx, documentName(id))
	if err != nil {
		c.warn(ctx, entry, "the store does not give the last good catalog", err)
	}
	return document, err
}

// decodeStored reads the copy in a document; nil if there is none. An error was logged.
func (c *catalogs) decodeStored(
	ctx context.Context, entry *catalogEntry, document routing.Document,
) (*catalogmerge.Copy, error) {
	stored, err := decodeDocument(document)
	if err != nil {
		// It was published once, but this gateway cannot read it: it must not be left out quietly, nor overwritten by
		// less.
		c.warn(ctx, entry, "the last good catalog in the store cannot be read", err)
	}
	return stored, err
}

func decodeDocument(document routing.Document) (*catalogmerge.Copy, error) {
	if document.Version == 0 {
		return nil, nil
	}
	return catalogmerge.DecodeCopy(document.Data)
}

// remember writes what was fetched to the store, if it says something new, and returns the copy to go by. The write
// counts only if the stored copy is still the one that was there when the fetch began. If it is not, another gateway
// has written one that may be of a later answer: see overtaken. The caller holds storing.
func (c *catalogs) remember(ctx context.Context, entry *catalogEntry, f *fetched) *catalogmerge.Copy {
	c.mu.Lock()
	version, asked, unsaved, theirs := entry.version, entry.asked, entry.unsaved, entry.copy
	c.mu.Unlock()
	switch {
	case !asked:
		return f.after
	case theirs != nil && (version != f.version || !theirs.Same(f.before)): // versions are those of one store
		return c.overtaken(entry, f, theirs)
	case version != 0 && !unsaved && f.after.Same(f.before):
		return f.after
	}
	document, swapped, err := c.swap(ctx, entry, f.after, version)
	if err == nil {
		return c.written(ctx, entry, f, document, swapped)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.unsaved = true
	return f.after
}

// swap writes a copy to the store in place of a version. An error was logged.
func (c *catalogs) swap(
	ctx context.Context, entry *catalogEntry, next *catalogmerge.Copy, version uint64,
) (document routing.Document, swapped bool, err error) {
	data, err := next.Encode()
	if err == nil {
		document, swapped, err = c.rt.store.store.SwapDocument(ctx, documentName(next.Backend), version, data)
	}
	if err != nil {
		c.warn(ctx, entry, "the catalog cannot be kept in the store", err)
	}
	return document, swapped, err
}

// save writes a copy that the store lost, or did not take, although the backend does not confirm it: a gateway that
// starts while the backend is down has it from nowhere else. The caller holds storing.
func (c *catalogs) save(ctx context.Context, entry *catalogEntry) {
	c.mu.Lock()
	version, held, due := entry.version, entry.copy, entry.asked && entry.unsaved && entry.copy != nil
	c.mu.Unlock()
	if !due {
		return
	}
	document, swapped, err := c.swap(ctx, entry, held, version)
	switch {
	case err != nil: // it stays unsaved
	case swapped:
		c.mu.Lock()
		defer c.mu.Unlock()
		entry.version, entry.unsaved = document.Version, false
	default:
		c.heard.note(documentName(held.Backend), document.Version) // another gateway wrote one, which is to be looked at
	}
}

// written takes note of what the store has after a write.
func (c *catalogs) written(
	ctx context.Context, entry *catalogEntry, f *fetched, document routing.Document, swapped bool,
) *catalogmerge.Copy {
	var theirs *catalogmerge.Copy
	if !swapped {
		var err error
		if theirs, err = decodeDocument(document); err != nil {
			c.warn(ctx, entry, "the catalog that another gateway wrote cannot be read", err)
			return f.after
		}
	}
	c.mu.Lock()
	entry.version = document.Version
	entry.unsaved = !swapped && theirs == nil // the store lost it: the next fetch writes it anew
	c.mu.Unlock()
	if theirs != nil {
		return c.overtaken(entry, f, theirs)
	}
	return f.after
}

// overtaken returns the copy to go by when another gateway wrote one during the fetch. Which of the two answers is the
// later one nobody can tell, and clocks differ. If the answer says of their copy that nothing has changed, both are
// the same. If not, theirs stands, and the backend is asked again: that answer is later than theirs.
func (c *catalogs) overtaken(entry *catalogEntry, f *fetched, theirs *catalogmerge.Copy) *catalogmerge.Copy {
	if f.body != nil && guard(entry.broker, theirs, f.body, c.rt.withdrawAfter) == nil {
		ours, err := f.follow(theirs, theirs.Backend, f.at, c.rt.withdrawAfter)
		if err == nil && ours.Same(theirs) {
			return ours
		}
	}
	if f.body == nil && theirs.Same(f.before) {
		return theirs.Confirmed(f.after)
	}
	entry.soon.want()
	return theirs
}

// warn logs trouble with a catalog's copy in the store, once and again only on change. That the store does not answer
// is logged elsewhere.
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
