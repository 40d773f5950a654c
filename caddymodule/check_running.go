package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// againstRunning is the only thing that a check can compare with.
const againstRunning = "running"

// runningGateway is what a running gateway says of its catalog.
type runningGateway struct {
	backends *listedBackends
	catalog  *shownCatalog
}

// askRunning asks a running gateway for what a check compares with.
func askRunning(ctx context.Context, client *adminClient, gateway string) (*runningGateway, error) {
	running := new(runningGateway)
	query := url.Values{"gateway": {gateway}, "known": {"true"}}
	answer, err := client.ask(ctx, http.MethodGet, "/backends", query)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway that runs: %w", err)
	}
	if running.backends, err = decodeAnswer[listedBackends](answer); err != nil {
		return nil, err
	}
	query = url.Values{"gateway": {gateway}, "instances": {"true"}, "timeout": {maxCensusTimeout.String()}}
	if answer, err = client.ask(ctx, http.MethodGet, "/catalog", query); err != nil {
		return nil, fmt.Errorf("asking the gateway that runs: %w", err)
	}
	if running.catalog, err = decodeAnswer[shownCatalog](answer); err != nil {
		return nil, err
	}
	if running.catalog.Catalog == nil {
		return nil, errForeignAnswer
	}
	return running, nil
}

// earlier returns what the running gateway knows of the backends of a configuration, by the names that they have there.
// With it the ids that namespace_ids makes, and who has the older right to an id, come out as they would. As in the
// registry of names, what a backend is called now counts before what another one was called formerly.
func (g *runningGateway) earlier(backends []*backendSettings) map[string]*catalogmerge.Copy {
	copies := make(map[string]*catalogmerge.Copy)
	taken := make(map[string]bool)
	claim := func(b *backendSettings, name string) {
		if copies[b.name] != nil || taken[name] {
			return
		}
		for _, known := range g.backends.Backends {
			if known.Name == name && known.Known != nil {
				copies[b.name], taken[name] = known.copy(), true
			}
		}
	}
	for _, b := range backends {
		claim(b, b.name)
	}
	for _, b := range backends {
		for _, former := range b.formerly {
			claim(b, former)
		}
	}
	return copies
}

// copy returns a copy of the backend's catalog without offerings, which knows what the backend ever published.
func (b *listedBackend) copy() *catalogmerge.Copy {
	known := *b.Known
	if b.Exposures != nil {
		known.AddExposures(b.Exposures)
	}
	return &catalogmerge.Copy{Backend: string(b.ID), Known: known}
}
