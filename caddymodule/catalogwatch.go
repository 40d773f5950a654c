package caddymodule

import (
	"context"
	"strings"
	"sync"
	"time"
)

// hearing collects what the store told of its copies of catalogs until somebody looks at them.
type hearing struct {
	// wake holds one place, for the one who looks.
	wake chan struct{}

	mu sync.Mutex
	// versions are the latest that were told of, by the document's name; 0 where the store has to be asked.
	versions map[string]uint64
	// all: changes may not have been told of, so each copy has to be looked at.
	all bool
}

// note takes what the store told. It does not block.
func (h *hearing) note(name string, version uint64) {
	if !strings.HasPrefix(name, documentName("")) {
		return
	}
	h.mu.Lock()
	h.add(name, version)
	h.mu.Unlock()
	h.nudge()
}

// add takes one version. The caller holds mu.
func (h *hearing) add(name string, version uint64) {
	if h.versions == nil {
		h.versions = make(map[string]uint64)
	}
	if latest, told := h.versions[name]; !told || latest != 0 && (version == 0 || version > latest) {
		h.versions[name] = version
	}
}

// giveBack is for what was taken and could not be looked at. It wakes nobody.
func (h *hearing) giveBack(name string, version uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(name, version)
}

// everything has all copies looked at once.
func (h *hearing) everything() {
	h.mu.Lock()
	h.all = true
	h.mu.Unlock()
	h.nudge()
}

func (h *hearing) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// take returns what was collected.
func (h *hearing) take() (versions map[string]uint64, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	versions, all = h.versions, h.all
	h.versions, h.all = nil, false
	return versions, all
}

// listen takes over the copies that other gateways write, as soon as the store tells of them, until ctx ends. It waits
// for the store alone, never for a backend.
func (c *catalogs) listen(ctx context.Context) {
	var again <-chan time.Time
	for patience := c.newPace(); ; {
		select {
		case <-c.heard.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		if again = nil; c.lookAtHeard(ctx) {
			patience = c.newPace()
		} else {
			again = time.After(patience.wait(false))
		}
	}
}

// lookAtHeard takes over what the store told of. It tells whether the store gave all of it; the rest is to be looked at
// again.
func (c *catalogs) lookAtHeard(ctx context.Context) bool {
	versions, all := c.heard.take()
	gotAll := true
	for _, entry := range c.entries {
		c.mu.Lock()
		name := documentName(entry.id)
		c.mu.Unlock()
		version, told := versions[name]
		switch {
		case all:
			version = 0
		case !told:
			continue
		}
		if !c.look(ctx, entry, version) {
			c.heard.giveBack(name, version)
			gotAll = false
		}
	}
	return gotAll
}

// look takes over the store's copy of a catalog if it is another one than the known one. version is what the store told
// of; 0 if it has to be asked. It tells whether there is nothing to be tried again: the store has said what it has.
func (c *catalogs) look(ctx context.Context, entry *catalogEntry, version uint64) bool {
	if c.rt.named() == nil {
		return true
	}
	entry.storing.Lock()
	defer entry.storing.Unlock()
	c.mu.Lock()
	id, known, asked := entry.id, entry.version, entry.asked
	c.mu.Unlock()
	switch {
	case !asked:
		gave := c.recallStored(ctx, entry)
		c.mu.Lock()
		defer c.mu.Unlock()
		if entry.tried && (entry.unsaved || entry.broker.suspect.Load()) {
			entry.soon.want() // that copy has to judge what the broker has
		}
		return gave
	case version != 0 && version <= known:
		return true // it was written here
	}
	document, err := c.readDocument(ctx, entry, id)
	if err != nil || document.Version == known {
		return err == nil
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
	entry.version, entry.waived = document.Version, false
	switch {
	case stored == nil || document.Version < known && entry.copy != nil:
		// The store lost what it had. The copy here is the later one: it is written again.
		entry.unsaved = !entry.copy.Same(stored)
		if entry.unsaved {
			entry.soon.want()
		}
	default:
		if entry.unsaved || entry.refused {
			entry.soon.want() // what was fetched here has to be judged by this copy
		}
		entry.unsaved = false
		c.adopt(entry, stored)
	}
	return true
}
