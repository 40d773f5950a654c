package caddymodule

import (
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

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
