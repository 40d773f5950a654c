package caddymodule

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// missingName is a backend or a platform that records are of and that the configuration does not name.
type missingName struct {
	// Kind is backend or platform, ID what the records call it.
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Names are those that it had, the last one at the end; none where the registry does not know it.
	Names    []string    `json:"names,omitempty"`
	LastSeen routing.Day `json:"last_seen,omitempty"`
	// Live and Gone count its records; a tombstone is gone.
	Live int `json:"live"`
	Gone int `json:"gone"`
}

// text says how much is missing and what to do, for the table of the status.
func (m missingName) text() string {
	text := fmt.Sprintf("%d live, %d gone", m.Live, m.Gone)
	if m.LastSeen != "" {
		text += ", last seen " + string(m.LastSeen)
	}
	return text + "; add it, or `formerly " + m.ID + "`"
}

// missingNames are the names that the configuration lacks for the records of a census.
func (rt *runtime) missingNames(census *routing.Census) []missingName {
	missing := []missingName{}
	add := func(kind, id string, known bool, count *routing.OwnerCount) {
		if known {
			return
		}
		at := slices.IndexFunc(missing, func(m missingName) bool { return m.Kind == kind && m.ID == id })
		if at < 0 {
			named := rt.registeredAs(kind)[id]
			at = len(missing)
			missing = append(missing, missingName{Kind: kind, ID: id, Names: named.Names, LastSeen: named.LastSeen})
		}
		missing[at].Live += count.Live
		missing[at].Gone += count.Gone
	}
	for i := range census.Owners {
		count := &census.Owners[i]
		add("backend", string(count.Backend), count.BackendKnown, count)
		add("platform", string(count.Platform), count.PlatformKnown, count)
	}
	slices.SortFunc(missing, func(a, b missingName) int {
		return strings.Compare(a.Kind+" "+a.ID, b.Kind+" "+b.ID)
	})
	return missing
}

// registeredAs is what the registry knows of the backends or of the platforms.
func (rt *runtime) registeredAs(kind string) routing.NameSection {
	names := rt.store.names.current()
	switch {
	case names == nil:
		return nil
	case kind == "platform":
		return names.Platforms
	}
	return names.Backends
}

// reportMissing counts the records that the configuration leaves without a backend or platform, once, and says so.
func (rt *runtime) reportMissing(ctx context.Context) {
	select {
	case <-rt.resolved:
	case <-ctx.Done():
		return
	}
	named := rt.named()
	if named == nil || len(named.UnnamedBackends) == 0 && len(named.UnnamedPlatforms) == 0 {
		return
	}
	census, err := routing.TakeCensus(ctx, rt.store.store, rt, routing.CensusOptions{SkipLeftovers: true})
	if err != nil {
		if ctx.Err() == nil {
			rt.logger.Warn("the records of backends and platforms that the configuration does not name could not be counted",
				zap.String("gateway", rt.name), zap.Error(err))
		}
		return
	}
	for _, missing := range rt.missingNames(&census) {
		if missing.Live == 0 {
			continue
		}
		rt.logger.Error(fmt.Sprintf("%d records of %s %s, which is not configured: calls on them get 503; "+
			"add it again, or `formerly %s` where it has another name now", missing.Live, missing.Kind, missing.ID, missing.ID),
			zap.String("gateway", rt.name), zap.Int("records", missing.Live), zap.String(missing.Kind, missing.ID),
			zap.String("last_seen", string(missing.LastSeen)))
	}
}

// describeRefused says what the configuration lacks for a record.
func (rt *runtime) describeRefused(decision routing.Decision) string {
	if _, known := rt.named().Window(decision.Owner.Backend); !known {
		return rt.describeOwner("backend", string(decision.Owner.Backend))
	}
	return rt.describeOwner("platform", string(decision.OwnerPlatform))
}

// describeOwner says whom a record is of, for the log and for the platform that owns it.
func (rt *runtime) describeOwner(kind, id string) string {
	seen := "never seen"
	if known, ok := rt.registeredAs(kind)[id]; ok {
		seen = "last seen " + string(known.LastSeen)
	}
	return fmt.Sprintf("instance belongs to %s %s (%s), not configured; add it, or `formerly %s`", kind, id, seen, id)
}
