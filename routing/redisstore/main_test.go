package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// TestMain collects what the client logs, in all tests, and looks for the secret in it at the end.
func TestMain(m *testing.M) {
	redisstore.SetLogger(func(_ context.Context, message string) {
		clientLog.mu.Lock()
		defer clientLog.mu.Unlock()
		clientLog.messages = append(clientLog.messages, message)
	})
	code := redistest.Main(m)
	if logged(secret) {
		fmt.Fprintln(os.Stderr, "the client logged the secret")
		code = 1
	}
	os.Exit(code)
}

var clientLog struct {
	mu       sync.Mutex
	messages []string
}

// logged tells whether the client logged the text.
func logged(text string) bool {
	clientLog.mu.Lock()
	defer clientLog.mu.Unlock()
	return slices.ContainsFunc(clientLog.messages, func(message string) bool { return strings.Contains(message, text) })
}

// patience is the timeout of stores in tests that are not about timeouts.
const patience = time.Minute

// prefixes keeps tests apart that share a server.
var prefixes atomic.Int64

func newPrefix() string { return fmt.Sprintf("test%d", prefixes.Add(1)) }

// open returns a store with the given configuration, closed with the test.
func open(t testing.TB, config redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return store
}

// prefixedStore is a store that knows its keys.
type prefixedStore struct {
	*redisstore.Store
	prefix string
}

// openShared returns a store of its own on the server that all tests share.
func openShared(t testing.TB) prefixedStore {
	t.Helper()
	prefix := newPrefix()
	return prefixedStore{open(t, redisstore.Config{
		Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: prefix, Gateway: "g", Timeout: patience,
	}), prefix}
}

// instanceKey and bindingKey write the layout down once more, as documented.
func instanceKey(prefix string, key routing.Key) string {
	return fmt.Sprintf("%s:g:{%d}:instance:%s",
		prefix, redisstore.Bucket(key.Instance), redisstore.Escape(string(key.Instance)))
}

func bindingKey(prefix string, key routing.Key) string {
	return fmt.Sprintf("%s:g:{%d}:binding:%s:%s", prefix, redisstore.Bucket(key.Instance),
		redisstore.Escape(string(key.Instance)), redisstore.Escape(string(key.Binding)))
}

func setKey(prefix string, instance routing.InstanceID, set string) string {
	return fmt.Sprintf("%s:g:{%d}:%s", prefix, redisstore.Bucket(instance), set)
}

func write(data string) *routing.Write { return &routing.Write{Data: []byte(data)} }

func swap(t *testing.T, store routing.Store, change routing.Change) routing.Snapshot {
	t.Helper()
	snapshot, swapped, err := store.Swap(t.Context(), change)
	if err != nil || !swapped {
		t.Fatalf("Swap(%.80q): got %q, %t, %v, want it to be made", change.Key, snapshot, swapped, err)
	}
	return snapshot
}

func wantInstance(t *testing.T, store routing.Store, id routing.InstanceID, want string) {
	t.Helper()
	snapshot, err := store.Read(t.Context(), routing.Key{Instance: id})
	if err != nil || string(snapshot.Instance) != want {
		t.Errorf("Read(%.80q): got %q, %v, want %q", id, snapshot.Instance, err, want)
	}
}

// eventually calls condition until it holds. It asserts nothing about time.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it never came to pass", what)
		case <-poll.C:
		}
	}
}

// calls tells how often the server ran a command.
func calls(t *testing.T, client *redis.Client, command string) int {
	t.Helper()
	info, err := client.InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var count int
	if stats, ok := info["Commandstats"]["cmdstat_"+command]; ok {
		if _, err := fmt.Sscanf(stats, "calls=%d,", &count); err != nil {
			t.Fatalf("reading %q: %v", stats, err)
		}
	}
	return count
}
