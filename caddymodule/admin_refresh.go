package caddymodule

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// refreshedView is the answer to POST /osb_gateway/catalog/refresh.
type refreshedView struct {
	Gateway string `json:"gateway"`
	// Backends are those that were asked, in the order of the configuration.
	Backends []refreshedBackend `json:"backends"`
}

// What came of fetching a catalog.
const (
	refreshChanged   = "changed"
	refreshUnchanged = "unchanged"
	refreshFailed    = "failed"
)

// refreshedBackend tells what came of fetching one backend's catalog.
type refreshedBackend struct {
	Name string `json:"name"`
	// Outcome is changed, unchanged or failed. A failed fetch leaves the last good catalog.
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`
	// Offerings is how many the catalog in use has, those that wait to be withdrawn too.
	Offerings int `json:"offerings"`
	// FetchedAt is when the catalog in use was last fetched or confirmed; absent if there is none.
	FetchedAt *time.Time `json:"fetched_at,omitempty"`
}

// adminRefresh fetches the catalogs of all backends, or of those that are named, at the same time.
func adminRefresh(r *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	entries, err := rt.catalogs.chosen(request.query["backend"])
	if err != nil {
		return nil, err
	}
	view := refreshedView{Gateway: rt.name, Backends: make([]refreshedBackend, len(entries))}
	var fetching sync.WaitGroup
	for i, entry := range entries {
		fetching.Go(func() {
			// Whoever hangs up has it done all the same. A fetch that is under way is waited for.
			limit := 2*entry.broker.catalogTimeout + adminStoreTimeout
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), limit)
			defer cancel()
			view.Backends[i] = rt.catalogs.refreshNow(ctx, entry)
		})
	}
	fetching.Wait()
	logAdmin(r, rt, "the catalogs of backends were fetched for an operator", zap.Int("backends", len(entries)))
	return view, nil
}

// chosen returns the backends of these names; all where none is named.
func (c *catalogs) chosen(names []string) ([]*catalogEntry, error) {
	known := make([]string, len(c.entries))
	for i, entry := range c.entries {
		known[i] = entry.broker.name
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, adminError(http.StatusNotFound, "gateway %q has no backend %q; it has %s", c.rt.name, name,
				strings.Join(known, ", "))
		}
	}
	var entries []*catalogEntry
	for i, entry := range c.entries {
		if len(names) == 0 || slices.Contains(names, known[i]) {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// refreshNow fetches a catalog whole: who asks for that does not want to hear what the backend's validator says.
func (c *catalogs) refreshNow(ctx context.Context, entry *catalogEntry) refreshedBackend {
	c.mu.Lock()
	before := entry.copy
	c.mu.Unlock()
	entry.soon.distrust()
	c.recall(ctx, entry)
	_, err := c.fetchOnce(ctx, entry)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish() // it may have been left to somebody who has not yet
	view := refreshedBackend{Name: entry.broker.name, Outcome: refreshUnchanged}
	switch {
	case err != nil:
		view.Outcome, view.Error = refreshFailed, err.Error()
	case !before.Same(entry.copy):
		view.Outcome = refreshChanged
	}
	if entry.copy != nil {
		at := entry.copy.FetchedAt.UTC()
		view.FetchedAt, view.Offerings = &at, len(entry.copy.Offerings)
	}
	return view
}
