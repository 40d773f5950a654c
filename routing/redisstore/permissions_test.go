package redisstore_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

const documentedUser = "osb-gateway"

// documentedACL returns a command of the page about Redis, with a password in it.
func documentedACL(t *testing.T, name string) []any {
	t.Helper()
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		if example.Name != name {
			continue
		}
		if !strings.HasPrefix(example.Text, "ACL SETUSER "+documentedUser+" ") ||
			strings.Count(example.Text, ">PASSWORD") != 1 || strings.Count(example.Text, "\n") != 1 {
			t.Fatalf("docs/redis.md: %q is not one line that makes a user", example.Text)
		}
		var words []any
		for word := range strings.FieldsSeq(strings.ReplaceAll(example.Text, ">PASSWORD", ">"+secret)) {
			words = append(words, word)
		}
		return words
	}
	t.Fatalf("docs/redis.md has no example %q", name)
	return nil
}

// allow makes the documented user on servers.
func allow(t *testing.T, command []any, servers ...*redistest.Server) {
	t.Helper()
	for _, server := range servers {
		do(t, server, command...)
	}
}

// asUser is a configuration with the documented user, and keys of its own below the documented prefix.
func asUser(config redisstore.Config) redisstore.Config {
	config.Username, config.Password = documentedUser, secret
	config.KeyPrefix, config.Gateway = "osb:"+newPrefix(), "g"
	config.Timeout = patience
	return config
}

// The documented permissions are enough for everything that a store is asked to do, however Redis is run.
func TestDocumentedUser(t *testing.T) {
	t.Parallel()
	user, watcher := documentedACL(t, "acl"), documentedACL(t, "sentinel acl")
	single, _ := startReplicated(t)
	allow(t, user, single)
	sentinel := redistest.SharedSentinel(t)
	allow(t, user, sentinel.Servers...)
	allow(t, watcher, sentinel.Sentinels...)
	cluster := redistest.SharedCluster(t)
	allow(t, user, cluster.Members...)

	inDB := redis.NewClient(&redis.Options{Addr: single.Addr, DB: 3, Protocol: 2})
	t.Cleanup(func() { _ = inDB.Close() })
	tests := []struct {
		name   string
		config redisstore.Config
		server func(key string) *redis.Client
	}{
		{
			"single server",
			redisstore.Config{
				Addresses: []string{single.Addr}, DB: 3, WaitReplicas: new(1), WaitTimeout: patience / 2,
			},
			func(string) *redis.Client { return inDB },
		},
		{
			"sentinel",
			redisstore.Config{
				Addresses: sentinel.Addresses(), SentinelMaster: redistest.MasterName,
				SentinelUsername: documentedUser, SentinelPassword: secret,
			},
			func(string) *redis.Client { return sentinel.Servers[0].Client() },
		},
		{
			"cluster",
			redisstore.Config{Addresses: cluster.Addresses(), Cluster: true},
			func(key string) *redis.Client { return cluster.Master(t, key).Client() },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) routing.Store {
				config := asUser(test.config)
				return prefixedStore{open(t, config), config.KeyPrefix}
			}, timeToLive(func(_ context.Context, key string) *redis.Client { return test.server(key) }))
			store := open(t, asUser(test.config))
			swap(t, store, beforeSend("i", routing.Snapshot{}, "x"))
			wantInstance(t, store, "i", "x")
			if _, err := store.Warnings(t.Context()); err != nil {
				t.Errorf("Warnings: %v", err)
			}
		})
	}
}

// A user may do no more than what the store needs: nothing beside its keys, and no command that is dangerous.
func TestDocumentedUserMayNotMore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	allow(t, documentedACL(t, "acl"), server)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: documentedUser, Password: secret, Protocol: 2})
	defer func() { _ = client.Close() }()
	for _, command := range [][]any{
		{"get", "other:x"},
		{"set", "osbx", "1"},
		{"eval", "return redis.call('get', KEYS[1])", 1, "other:x"},
		{"eval", "return redis.call('flushall')", 0},
		{"publish", "other", "x"},
		{"subscribe", "other"},
		{"flushall"},
		{"keys", "*"},
		{"config", "get", "*"},
		{"cluster", "reset"},
		{"replicaof", "no", "one"},
		{"acl", "list"},
		{"script", "flush"},
		{"shutdown"},
	} {
		if err := client.Do(context.Background(), command...).Err(); err == nil {
			t.Errorf("the user may do %v", command)
		} else if text := err.Error(); !strings.Contains(text, "NOPERM") && !strings.Contains(text, "can't") &&
			!strings.Contains(text, "ACL failure") {
			t.Errorf("%v: got %q, want it to be forbidden", command, text)
		}
	}
}
