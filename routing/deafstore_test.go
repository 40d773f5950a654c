package routing_test

import (
	"context"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// deafStore never gets to tell of changes, and says so again and again.
type deafStore struct{ routing.Store }

// Watch implements routing.Watcher.
func (deafStore) Watch(ctx context.Context, listener routing.Listener) {
	listener.Lost(errCut)
	listener.Lost(errCut)
	<-ctx.Done()
	listener.Lost(ctx.Err())
}
