package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// throughSentinels is the configuration of a store on the master that sentinels know.
func throughSentinels(s *redistest.Sentinel) redisstore.Config {
	return redisstore.Config{
		Addresses: s.Addresses(), SentinelMaster: redistest.MasterName, KeyPrefix: newPrefix(), Gateway: "g",
		Timeout: patience,
	}
}

// onCluster is the configuration of a store on a cluster.
func onCluster(c *redistest.Cluster) redisstore.Config {
	return redisstore.Config{
		Addresses: c.Addresses(), Cluster: true, KeyPrefix: newPrefix(), Gateway: "g", Timeout: patience,
	}
}

func TestStoreThroughSentinels(t *testing.T) {
	t.Parallel()
	servers := redistest.SharedSentinel(t)
	master := servers.Servers[0].Client()
	storetest.Run(t, func(t *testing.T) routing.Store {
		config := throughSentinels(servers)
		return prefixedStore{open(t, config), config.KeyPrefix}
	}, timeToLive(func(context.Context, string) *redis.Client { return master }))
}

func TestStoreOnCluster(t *testing.T) {
	t.Parallel()
	servers := redistest.SharedCluster(t)
	storetest.Run(t, func(t *testing.T) routing.Store {
		config := onCluster(servers)
		return prefixedStore{open(t, config), config.KeyPrefix}
	}, timeToLive(func(_ context.Context, key string) *redis.Client {
		return servers.Master(t, key).Client()
	}))
}

// timeToLive tells how long the record of a key in a prefixedStore is kept yet.
func timeToLive(server func(ctx context.Context, key string) *redis.Client) storetest.Option {
	return storetest.TTL(func(t *testing.T, store routing.Store, key routing.Key) (time.Duration, bool) {
		t.Helper()
		name := instanceKey(store.(prefixedStore).prefix, key)
		if key.Binding != "" {
			name = bindingKey(store.(prefixedStore).prefix, key)
		}
		ttl, err := server(t.Context(), name).PTTL(t.Context(), name).Result()
		if err != nil || ttl == -2 {
			t.Fatalf("PTTL %s: %s, %v", name, ttl, err)
		}
		return ttl, ttl >= 0
	})
}

// beforeSend is a change that creates or replaces the record of an instance on whose strength a call is sent.
func beforeSend(id routing.InstanceID, old routing.Snapshot, data string) routing.Change {
	return routing.Change{Key: routing.Key{Instance: id}, Old: old, Instance: write(data), BeforeSend: true}
}

// isUnavailable fails the test on an error that a store must not return.
func isUnavailable(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, routing.ErrUnavailable) {
		t.Fatalf("got %v, want an error that matches ErrUnavailable", err)
	}
	return err != nil
}
