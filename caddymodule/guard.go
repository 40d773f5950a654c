package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// otherBrokerError is why a catalog is refused: it shares no offering with the last good one, so that another broker
// may answer at the URL. Its honest 410s would end the records of all instances.
type otherBrokerError struct {
	backend string
	// had and has are how many offerings the last good catalog and the refused one have.
	had, has int
}

func (e *otherBrokerError) Error() string {
	return fmt.Sprintf("the catalog shares no offering with the last good one (%d offerings before, %d now): another broker "+
		"answers at the URL. Correct the URL, or if it is meant, say so with `caddy osb-gateway accept %s`",
		e.had, e.has, e.backend)
}

// guard refuses a catalog that shares no offering with the last good one. An empty catalog shares none; where there is
// no last good one, or it has no offerings, nothing is refused.
func guard(b *broker, before *catalogmerge.Copy, body []byte, withdrawAfter time.Duration) error {
	if before == nil || len(before.Offerings) == 0 {
		return nil
	}
	found, err := catalogmerge.Refresh(nil, before.Backend, b.answered(body, "", time.Now(), withdrawAfter))
	if err != nil {
		return err // no catalog at all
	}
	if shares(before, found) {
		return nil
	}
	return &otherBrokerError{backend: b.name, had: len(before.Offerings), has: len(found.Known.Offerings)}
}

// guarded refuses a catalog that must not follow the last good copy: neither the one that this gateway knows, nor one
// that another wrote since, which takes its place.
func (c *catalogs) guarded(ctx context.Context, entry *catalogEntry, f *fetched) error {
	err := guard(entry.broker, f.before, f.body, c.rt.withdrawAfter)
	if _, other := errors.AsType[*otherBrokerError](err); other && c.accepted(ctx, entry, f) {
		err = guard(entry.broker, f.before, f.body, c.rt.withdrawAfter)
	}
	return err
}

// shares tells whether a copy ever had one of the last good offerings of another.
func shares(good, other *catalogmerge.Copy) bool {
	return slices.ContainsFunc(good.Offerings, func(o catalogmerge.Offering) bool {
		_, known := other.Known.Offerings[o.ID]
		return known
	})
}

// accepted takes the copy that another gateway wrote since the fetch began, if the store has one: an operator may have
// accepted the new catalog there.
func (c *catalogs) accepted(ctx context.Context, entry *catalogEntry, f *fetched) bool {
	c.look(ctx, entry, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !entry.asked || entry.version == f.version || entry.copy == nil {
		return false
	}
	f.before, f.version = entry.copy, entry.version
	return true
}

// doubt suspects the backends whose URL never gave a good catalog, or gave another broker's since, although there is,
// or may be, a last good one: the first call after a reload or a restart must not reach the wrong broker either.
func (c *catalogs) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtAll()
}

// doubtAll does it for who holds mu.
func (c *catalogs) doubtAll() {
	names := c.rt.store.names.current()
	if names == nil || c.named == nil {
		return
	}
	for _, entry := range c.entries {
		neverGood := entry.asked && entry.copy == nil
		url := entry.broker.url.String()
		entry.newURL = !neverGood && url != entry.goodURL && !names.KnowsURL(routing.BackendID(entry.id), url)
		entry.broker.suspect.Store(entry.newURL || entry.refused && !neverGood)
	}
}

// judge takes note of how a fetch ended: a good catalog ends a suspicion, one that was refused begins it. The caller
// holds mu.
func (c *catalogs) judge(entry *catalogEntry, err error) {
	var other *otherBrokerError
	switch {
	case errors.As(err, &other):
		if !entry.refused {
			c.rt.logger.Error("a backend's catalog is that of another broker: its last good one stays, and deletions and polls "+
				"get 503, because another broker would say that nothing exists",
				zap.String("gateway", c.rt.name), zap.String("backend", entry.broker.name),
				zap.Int("offerings_before", other.had), zap.Int("offerings_now", other.has),
				zap.String("if_it_is_meant", "caddy osb-gateway accept "+entry.broker.name))
		}
		entry.refused = true
		entry.broker.suspect.Store(true)
	case err == nil && entry.asked:
		if entry.refused {
			c.rt.logger.Info("a backend's catalog is its own again", zap.String("gateway", c.rt.name),
				zap.String("backend", entry.broker.name))
		}
		entry.refused, entry.newURL, entry.goodURL = false, false, entry.broker.url.String()
		entry.broker.suspect.Store(false)
	}
}

// noteURL has the registry remember whose catalog came from the backend's URL, so that a gateway which starts knows at
// once whether the backend is suspect. good tells that the last fetch succeeded. What cannot be written is tried again
// with the next fetch.
func (c *catalogs) noteURL(ctx context.Context, entry *catalogEntry, good bool) {
	c.mu.Lock()
	id, url := routing.BackendID(entry.id), entry.broker.url.String()
	asked, refused := entry.asked, entry.refused
	c.mu.Unlock()
	note := func(names *routing.Names) *routing.Names { return names.SawURL(id, url) }
	switch {
	case refused:
		note = func(names *routing.Names) *routing.Names { return names.DoubtURL(id, url) }
	case !good || !asked:
		return
	}
	names := c.rt.store.names.current()
	if names == nil || c.rt.named() == nil || note(names) == names {
		return
	}
	_ = c.rt.store.names.change(ctx, c.rt.store.store, c.rt.store.isKnown, note)
}

// acceptBackend takes a backend's catalog as it is, because an operator says that the broker at the URL is meant: what
// it published before leaves the catalog at once, and still routes calls. It may be repeated. The other gateways on the
// store show it as soon as they hear of it.
func (rt *runtime) acceptBackend(ctx context.Context, name string) error {
	if rt.named() == nil {
		return fmt.Errorf("backend %q: %w", name, errNames)
	}
	for _, entry := range rt.catalogs.entries {
		if entry.broker.name != name {
			continue
		}
		if err := rt.catalogs.accept(ctx, entry); err != nil {
			return fmt.Errorf("backend %q: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("backend %q is not configured", name)
}

func (c *catalogs) accept(ctx context.Context, entry *catalogEntry) error {
	entry.fetching.Lock()
	defer entry.fetching.Unlock()
	body, etag, _, err := c.ask(ctx, entry.broker, "")
	if err != nil {
		return fmt.Errorf("fetching its catalog: %w", err)
	}
	entry.storing.Lock()
	defer entry.storing.Unlock()
	for ctx.Err() == nil {
		after, document, swapped, err := c.acceptOver(ctx, entry, body, etag)
		if err != nil {
			return err
		}
		if !swapped {
			continue
		}
		c.mu.Lock()
		entry.version, entry.unsaved, entry.asked, entry.tried = document.Version, false, true, true
		c.adopt(entry, after)
		c.note(entry, nil)
		c.judge(entry, nil)
		c.publish()
		c.mu.Unlock()
		c.noteURL(ctx, entry, true)
		c.rt.logger.Warn("a backend's catalog was accepted as it is", zap.String("gateway", c.rt.name),
			zap.String("backend", entry.broker.name), zap.Int("offerings", len(after.Offerings)))
		return nil
	}
	return ctx.Err()
}

// acceptOver writes the copy that follows what the store has.
func (c *catalogs) acceptOver(
	ctx context.Context, entry *catalogEntry, body []byte, etag string,
) (*catalogmerge.Copy, routing.Document, bool, error) {
	c.mu.Lock()
	id, before := entry.id, entry.copy
	c.mu.Unlock()
	document, err := c.rt.store.store.ReadDocument(ctx, documentName(id))
	if err != nil {
		return nil, document, false, err
	}
	stored, err := decodeDocument(document)
	if err != nil {
		return nil, document, false, fmt.Errorf("reading its last good catalog: %w", err)
	}
	if stored != nil {
		before = stored
	}
	if guard(entry.broker, before, body, c.rt.withdrawAfter) != nil {
		withdrawn := *before
		withdrawn.Offerings, withdrawn.Problems = nil, nil
		before = &withdrawn
	}
	after, err := catalogmerge.Refresh(before, id, entry.broker.answered(body, etag, time.Now(), c.rt.withdrawAfter))
	if err != nil {
		return nil, document, false, err
	}
	data, err := after.Encode()
	if err != nil {
		return nil, document, false, err
	}
	document, swapped, err := c.rt.store.store.SwapDocument(ctx, documentName(id), document.Version, data)
	return after, document, swapped, err
}
