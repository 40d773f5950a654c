package filestore_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestStoreIsLinearizable(t *testing.T) {
	t.Parallel()
	storetest.Linearizable(t, func(t *testing.T, replicas int) []routing.Store {
		store := open(t, newPath(t))
		stores := make([]routing.Store, replicas)
		for i := range stores {
			stores[i] = store
		}
		return stores
	})
}
