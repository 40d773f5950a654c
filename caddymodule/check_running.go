package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

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
// With it the ids that namespace_ids makes, and who has the older right to an id, come out as they would.
func (g *runningGateway) earlier(backends []*backendSettings) map[string]*catalogmerge.Copy {
	copies := make(map[string]*catalogmerge.Copy)
	for _, b := range backends {
		names := append([]string{b.name}, b.formerly...)
		for _, known := range g.backends.Backends {
			if known.Known != nil && slices.Contains(names, known.Name) {
				copies[b.name] = &catalogmerge.Copy{Backend: string(known.ID), Known: *known.Known}
				break
			}
		}
	}
	return copies
}
