package redisstore_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// TestStoreIsLinearizable: without a failover, each kind of Redis is one register for all gateways. Each of them has
// connections of its own.
func TestStoreIsLinearizable(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(t *testing.T) redisstore.Config{
		"single server": func(t *testing.T) redisstore.Config {
			return redisstore.Config{
				Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: newPrefix(), Gateway: "g", Timeout: patience,
			}
		},
		"through sentinels": func(t *testing.T) redisstore.Config { return throughSentinels(redistest.SharedSentinel(t)) },
		"on a cluster":      func(t *testing.T) redisstore.Config { return onCluster(redistest.SharedCluster(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Linearizable(t, func(t *testing.T, replicas int) []routing.Store {
				shared := config(t)
				stores := make([]routing.Store, replicas)
				for i := range stores {
					stores[i] = open(t, shared)
				}
				return stores
			})
		})
	}
}
