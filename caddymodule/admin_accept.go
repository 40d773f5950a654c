package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// acceptedStore is the answer to POST /osb_gateway/store/accept.
type acceptedStore struct {
	Gateway  string       `json:"gateway"`
	Identity identityView `json:"identity"`
}

// adminAcceptStore takes the store as it is for the right one.
func adminAcceptStore(r *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	// Whoever hangs up has it done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), adminStoreTimeout)
	defer cancel()
	before := rt.store.identityStatus()
	status, err := rt.store.accept(ctx)
	if err != nil {
		return nil, adminError(http.StatusServiceUnavailable, "gateway %q: %w", rt.name, err)
	}
	logAdmin(r, rt, "the ownership store was accepted by an operator", zap.String("store_id", status.ID),
		zap.String("before", before.ID))
	return acceptedStore{Gateway: rt.name, Identity: identityView(status)}, nil
}

// acceptedBackend is the answer to POST /osb_gateway/backends/{name}/accept.
type acceptedBackend struct {
	Gateway string      `json:"gateway"`
	Backend backendView `json:"backend"`
}

// adminAcceptBackend takes a backend for the right broker. Its catalog is fetched for that.
func adminAcceptBackend(r *http.Request, request *adminRequest) (any, error) {
	rt, release, err := request.gateway()
	if err != nil {
		return nil, err
	}
	defer release()
	at := slices.IndexFunc(rt.backends, func(b *backendSettings) bool { return b.name == request.backend })
	if at < 0 {
		names := make([]string, len(rt.backends))
		for i, b := range rt.backends {
			names[i] = b.name
		}
		return nil, adminError(http.StatusNotFound, "gateway %q has no backend %q; it has %s", rt.name, request.backend,
			strings.Join(names, ", "))
	}
	b := rt.backends[at]
	// Whoever hangs up has it done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), b.catalogTimeout+adminStoreTimeout)
	defer cancel()
	wasSuspect := rt.brokers[b.name].suspect.Load()
	if err := rt.acceptBackend(ctx, b.name); err != nil {
		status := http.StatusBadGateway
		if errors.Is(err, routing.ErrUnavailable) {
			status = http.StatusServiceUnavailable
		}
		return nil, adminError(status, "gateway %q: %w", rt.name, err)
	}
	logAdmin(r, rt, "a backend was accepted by an operator", zap.String("backend", b.name),
		zap.Bool("was_suspect", wasSuspect))
	return acceptedBackend{Gateway: rt.name, Backend: rt.viewBackend(b)}, nil
}
