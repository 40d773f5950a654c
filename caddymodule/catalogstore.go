package caddymodule

import (
	"context"
	"errors"
	"slices"

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
}

// recall reads the store's copy of a catalog, unless that was done.
func (c *catalogs) recall(ctx context.Context, entry *catalogEntry) {
	if c.rt.named() == nil {
		return // nobody knows yet under which name the copy is kept
	}
	c.mu.Lock()
	asked := entry.asked && (entry.copy != nil || entry.version == 0 && entry.tried)
	id := entry.id
	c.mu.Unlock()
	if asked {
		return
	}
	document, err := c.rt.store.store.ReadDocument(ctx, documentName(id))
	if err != nil {
		c.warn(ctx, entry, "the store does not give the last good catalog", err)
		return
	}
	stored, err := decodeDocument(document)
	if err != nil {
		// It was published once, but this gateway cannot read it: it must not be left out quietly, nor overwritten by
		// less.
		c.warn(ctx, entry, "the last good catalog in the store cannot be read", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry.id != id {
		return // the names were resolved anew meanwhile, and this is another backend's
	}
	entry.asked, entry.waived = true, false
	if stored != nil && entry.copy != nil && len(stored.Offerings) > 0 && !shares(stored, entry.copy) {
		// What was fetched while nothing was known of the backend is another broker's.
		entry.take(nil)
		entry.broker.suspect.Store(true)
	}
	if stored != nil && (entry.copy == nil || stored.FetchedAt.After(entry.copy.FetchedAt)) {
		entry.take(stored)
	}
	if entry.copy == nil {
		entry.broker.suspect.Store(false) // there is nothing to compare with
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

// remember writes a copy to the store, if it says something new, and returns the copy to go by: another replica may
// have written a later one.
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
		document, swapped, err = c.rt.store.store.SwapDocument(ctx, documentName(after.Backend), version, data)
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
		if err != nil {
			c.warn(ctx, entry, "the catalog that another gateway wrote cannot be read", err)
			return ours
		}
		if theirs != nil {
			ours = theirs
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.version = document.Version // 0 if the store lost it: then the next fetch writes it anew
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
