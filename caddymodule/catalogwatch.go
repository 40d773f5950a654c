package caddymodule

import (
	"context"
	"strings"
	"sync"
)

// hearing collects what the store told of its copies of catalogs until somebody looks at them.
type hearing struct {
	// wake holds one place, for the one who looks.
	wake chan struct{}

	mu sync.Mutex
	// versions are the latest that were told of, by the document's name.
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
	if h.versions == nil {
		h.versions = make(map[string]uint64)
	}
	h.versions[name] = max(h.versions[name], version)
	h.mu.Unlock()
	h.nudge()
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
	for {
		select {
		case <-c.heard.wake:
		case <-ctx.Done():
			return
		}
		versions, all := c.heard.take()
		for _, entry := range c.entries {
			c.mu.Lock()
			name := documentName(entry.id)
			c.mu.Unlock()
			if version, told := versions[name]; told && !all {
				c.look(ctx, entry, version)
			} else if all {
				c.look(ctx, entry, 0)
			}
		}
	}
}

// look takes over the store's copy of a catalog if it is another one than the known one. version is what the store told
// of; 0 if it has to be asked.
func (c *catalogs) look(ctx context.Context, entry *catalogEntry, version uint64) {
	if c.rt.named() == nil {
		return
	}
	entry.storing.Lock()
	defer entry.storing.Unlock()
	c.mu.Lock()
	id, known, asked := entry.id, entry.version, entry.asked
	c.mu.Unlock()
	if !asked || version != 0 && version <= known {
		return // it is read before the next fetch, or was written here
	}
	document, stored, err := c.readStored(ctx, entry, id)
	if err != nil || document.Version == known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry.id != id {
		return // the names were resolved anew meanwhile, and this is another backend's
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
	c.publish()
}
