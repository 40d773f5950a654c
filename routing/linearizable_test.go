package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestMemoryStoreIsLinearizable(t *testing.T) {
	t.Parallel()
	for range 5 {
		storetest.Linearizable(t, func(_ *testing.T, replicas int) []routing.Store {
			store := routing.NewMemoryStore()
			stores := make([]routing.Store, replicas)
			for i := range stores {
				stores[i] = store
			}
			return stores
		})
	}
}
