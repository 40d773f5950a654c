package caddymodule

import (
	"context"
	"net/http"
	"strconv"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// shownCatalog is the answer to GET /osb_gateway/catalog.
type shownCatalog struct {
	Gateway string `json:"gateway"`
	// ETag is that of the catalog without a view.
	ETag string `json:"etag"`
	// Servable: platforms get it. Complete: the catalog of every backend is known.
	Servable bool                  `json:"servable"`
	Complete bool                  `json:"complete"`
	Catalog  *catalogmerge.Listing `json:"catalog"`
	// InstancesError is why the instances could not be counted, or not all of them.
	InstancesError string `json:"instances_error,omitempty"`
}

// adminCatalog tells what platforms see, and if it is asked to, how many instances there are of it.
func adminCatalog(r *http.Request, request *adminRequest) (any, error) {
	count, err := request.flag("instances")
	if err != nil {
		return nil, err
	}
	options, err := censusOptions(request)
	if err != nil {
		return nil, err
	}
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	published := rt.catalogs.current()
	shown := &shownCatalog{
		Gateway: rt.name, ETag: published.ETag, Servable: published.servable, Complete: published.complete,
		Catalog: published.List(published.views),
	}
	if count {
		shown.InstancesError = rt.countInstances(r.Context(), shown.Catalog, options)
	}
	return shown, nil
}

// countInstances notes in a listing how many instances each platform has of each plan. It tells why it could not.
func (rt *runtime) countInstances(ctx context.Context, listing *catalogmerge.Listing, options censusRequest) string {
	named := rt.named()
	if named == nil {
		return errNames.Error()
	}
	census, trouble := rt.takeCensus(ctx, options.timeout, routing.CensusOptions{SkipLeftovers: true, Plans: true})
	type plan struct{ backend, service, plan string }
	counted := make(map[plan]map[string]int)
	for of, n := range census.Plans {
		backend := of.Backend
		if b := named.brokers[of.Backend]; b != nil {
			backend = named.backendIDs[b.name]
		}
		at := plan{string(backend), string(of.Service), string(of.Plan)}
		if counted[at] == nil {
			counted[at] = make(map[string]int)
		}
		counted[at][rt.platformName(of.Platform)] += n
	}
	for i := range listing.Offerings {
		o := &listing.Offerings[i]
		for j := range o.Plans {
			o.Plans[j].Instances = counted[plan{o.BackendID, o.OwnID, o.Plans[j].OwnID}]
		}
	}
	return trouble
}

// platformName returns the configured name of a platform that a record names, or what the record says.
func (rt *runtime) platformName(id routing.PlatformID) string {
	if p := rt.caller(id); p != nil {
		return p.name
	}
	return string(id)
}

// shownProblems is the answer to GET /osb_gateway/catalog/problems.
type shownProblems struct {
	Gateway  string                 `json:"gateway"`
	Problems []catalogmerge.Problem `json:"problems"`
}

// adminProblems tells what is wrong with the brokers' catalogs.
func adminProblems(_ *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	return shownProblems{Gateway: rt.name, Problems: rt.catalogs.problems()}, nil
}

// problems returns those of what is published, with the backends' configured names.
func (c *catalogs) problems() []catalogmerge.Problem {
	published := c.current()
	c.mu.Lock()
	defer c.mu.Unlock()
	return namedProblems(published.problems, c.nameOf)
}

// listedBackends is the answer to GET /osb_gateway/backends.
type listedBackends struct {
	Gateway  string          `json:"gateway"`
	Backends []listedBackend `json:"backends"`
}

// listedBackend is a backend with what its catalog is worth.
type listedBackend struct {
	backendView
	// Offerings and Plans are how many of it platforms see. Quarantined counts offerings that are left out for a hard
	// problem, Warned those that are published in spite of a soft one.
	Offerings   int `json:"offerings"`
	Plans       int `json:"plans"`
	Quarantined int `json:"quarantined"`
	Warned      int `json:"warned"`
	// Known is every id that the backend ever published, where that was asked for, and Exposures is which of them platforms
	// did not always see as they are.
	Known     *catalogmerge.Known     `json:"known,omitempty"`
	Exposures *catalogmerge.Exposures `json:"exposures,omitempty"`
}

// adminBackends tells how the backends and their catalogs do.
func adminBackends(_ *http.Request, request *adminRequest) (any, error) {
	known, err := request.flag("known")
	if err != nil {
		return nil, err
	}
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	return listedBackends{Gateway: rt.name, Backends: rt.listBackends(known)}, nil
}

func (rt *runtime) listBackends(known bool) []listedBackend {
	published := rt.catalogs.current()
	offerings := make(map[string][]int, len(rt.backends))
	for i := range published.Offerings {
		id := published.Offerings[i].Backend
		offerings[id] = append(offerings[id], i)
	}
	problems := make(map[string][]catalogmerge.Problem)
	for _, problem := range published.Problems {
		problems[problem.Backend] = append(problems[problem.Backend], problem)
	}
	listed := make([]listedBackend, len(rt.backends))
	for i, b := range rt.backends {
		view := listedBackend{backendView: rt.viewBackend(b)}
		id, held := rt.catalogs.held(b.name)
		for _, index := range offerings[id] {
			view.Offerings++
			view.Plans += len(published.Offerings[index].Plans)
		}
		view.Quarantined, view.Warned = countOfferings(problems[id])
		if known && held != nil {
			view.Known, view.Exposures = &held.Known, held.Known.Exposures()
		}
		listed[i] = view
	}
	return listed
}

// held returns the stable id of a backend, and its copy.
func (c *catalogs) held(backend string) (string, *catalogmerge.Copy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, entry := range c.entries {
		if entry.broker.name == backend {
			return entry.id, entry.copy
		}
	}
	return backend, nil
}

// flag reads a part of the query that is true or false; absent, it is false.
func (request *adminRequest) flag(name string) (bool, error) {
	text := request.query.Get(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, adminError(http.StatusBadRequest, "%s is true or false", name)
	}
	return value, nil
}
