package caddymodule

import (
	"context"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// censusView says what a store holds.
type censusView struct {
	// Complete: the whole store was seen. If not, Error says why, and the numbers are those of a part.
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"`
	// Instances and Bindings count records by state.
	Instances map[routing.State]int `json:"instances"`
	Bindings  map[routing.State]int `json:"bindings"`
	Owners    []ownerView           `json:"owners"`
	// OtherOwners counts records of more owners than are listed.
	OtherOwners int `json:"other_owners,omitempty"`
	// NotConfigured counts records of platforms and backends that the configuration does not name.
	NotConfigured int `json:"not_configured"`
	// NamesNotConfigured are these platforms and backends.
	NamesNotConfigured []missingName               `json:"names_not_configured"`
	Strays             findings[strayFinding]      `json:"strays"`
	Leftovers          findings[leftoverFinding]   `json:"leftovers"`
	Unfinished         findings[unfinishedFinding] `json:"unfinished"`
	Unreadable         findings[unreadableFinding] `json:"unreadable"`
}

// ownerView counts the records of a platform on a backend.
type ownerView struct {
	Platform           routing.PlatformID `json:"platform"`
	PlatformConfigured bool               `json:"platform_configured"`
	Backend            routing.BackendID  `json:"backend"`
	BackendConfigured  bool               `json:"backend_configured"`
	Live               int                `json:"live"`
	Gone               int                `json:"gone"`
}

// findings is a count, and some of what was counted.
type findings[T any] struct {
	Count    int `json:"count"`
	Examples []T `json:"examples"`
}

// foundKey names a record.
type foundKey struct {
	InstanceID routing.InstanceID `json:"instance_id"`
	BindingID  routing.BindingID  `json:"binding_id,omitempty"`
}

type strayFinding struct {
	foundKey
	Backend routing.BackendID `json:"backend"`
	Strays  []strayView       `json:"strays"`
}

type leftoverFinding struct {
	foundKey
	Backend routing.BackendID      `json:"backend"`
	Reason  routing.LeftoverReason `json:"reason"`
}

type unfinishedFinding struct {
	foundKey
	Backend routing.BackendID `json:"backend"`
	State   routing.State     `json:"state"`
	Kind    routing.Kind      `json:"kind"`
	Since   *time.Time        `json:"since,omitempty"`
}

type unreadableFinding struct {
	foundKey
	Newer bool   `json:"newer"`
	Error string `json:"error"`
}

// viewCensus counts the store's records.
func (rt *runtime) viewCensus(ctx context.Context, store storeView, timeout time.Duration) *censusView {
	if !store.Answers {
		return viewCensus(routing.Census{}, "the store does not answer")
	}
	if rt.named() == nil {
		return viewCensus(routing.Census{}, "what the names of the configuration stand for is not known yet; ask again in a moment")
	}
	census, trouble := rt.takeCensus(ctx, timeout, routing.CensusOptions{})
	view := viewCensus(census, trouble)
	view.NamesNotConfigured = rt.missingNames(&census)
	return view
}

// takeCensus goes through the store's records, unless another census is being taken of the store. It tells why the numbers
// are not those of all records.
func (rt *runtime) takeCensus(
	ctx context.Context, timeout time.Duration, options routing.CensusOptions,
) (census routing.Census, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case rt.store.counting <- struct{}{}:
		defer func() { <-rt.store.counting }()
	case <-ctx.Done():
		return census, "another census is being taken; ask again later"
	}
	census, err := routing.TakeCensus(ctx, rt.store.store, rt, options)
	switch {
	case err != nil && ctx.Err() != nil:
		trouble = "there are more records than could be counted within " + timeout.String() +
			"; the numbers are those of a part. Give it more time with timeout"
	case err != nil:
		trouble = err.Error()
	}
	return census, trouble
}

func viewCensus(census routing.Census, trouble string) *censusView {
	view := &censusView{
		Complete: census.Complete, Error: trouble, Instances: viewStates(census.Instances),
		Bindings: viewStates(census.Bindings), OtherOwners: census.OtherOwners, NotConfigured: census.NotConfigured(),
		Owners: make([]ownerView, len(census.Owners)), NamesNotConfigured: []missingName{},
	}
	for i, owner := range census.Owners {
		view.Owners[i] = ownerView{
			Platform: owner.Platform, PlatformConfigured: owner.PlatformKnown,
			Backend: owner.Backend, BackendConfigured: owner.BackendKnown, Live: owner.Live, Gone: owner.Gone,
		}
	}
	view.Strays = viewFindings(census.Strays, func(f routing.StrayFinding) strayFinding {
		return strayFinding{viewKey(f.Key), f.Owner, viewStrays(f.Strays)}
	})
	view.Leftovers = viewFindings(census.Leftovers, func(f routing.LeftoverFinding) leftoverFinding {
		return leftoverFinding{viewKey(f.Key), f.Backend, f.Reason}
	})
	view.Unfinished = viewFindings(census.Unfinished, func(f routing.UnfinishedFinding) unfinishedFinding {
		return unfinishedFinding{viewKey(f.Key), f.Backend, f.State, f.Kind, viewMoment(f.Since)}
	})
	view.Unreadable = viewFindings(census.Unreadable, func(f routing.UnreadableFinding) unreadableFinding {
		return unreadableFinding{viewKey(f.Key), f.Newer, f.Problem}
	})
	return view
}

// viewStates gives every state a number, so that what reads it need not know which are left out.
func viewStates(counted map[routing.State]int) map[routing.State]int {
	view := make(map[routing.State]int)
	for _, state := range []routing.State{
		routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready, routing.Gone,
	} {
		view[state] = counted[state]
	}
	return view
}

func viewFindings[T, V any](found routing.Findings[T], view func(T) V) findings[V] {
	views := findings[V]{Count: found.Count, Examples: make([]V, len(found.Examples))}
	for i, example := range found.Examples {
		views.Examples[i] = view(example)
	}
	return views
}

func viewKey(key routing.Key) foundKey {
	return foundKey{InstanceID: key.Instance, BindingID: key.Binding}
}
