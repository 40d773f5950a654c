package redisstore_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	client := redistest.Shared(t).Client()
	storetest.Run(t, func(t *testing.T) routing.Store { return openShared(t) },
		timeToLive(func(context.Context, string) *redis.Client { return client }))
}

func TestObserver(t *testing.T) {
	t.Parallel()
	storetest.RunObserver(t, func(t *testing.T, observe routing.Observer) routing.Store {
		return open(t, redisstore.Config{
			Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: newPrefix(), Timeout: patience, Observe: observe,
		})
	})
}

func TestScriptsAreLoadedAgainAfterAFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	held := routing.Snapshot{}
	var version uint64
	for n := range 3 {
		if err := server.Client().ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		sets := calls(t, server.Client(), "set")
		data := strconv.Itoa(n)
		held = swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Old: held, Instance: write(data)})
		if got := calls(t, server.Client(), "set") - sets; got != 1 {
			t.Errorf("the record was written %d times, want once", got)
		}
		wantInstance(t, store, "i", data)
		document, swapped, err := store.SwapDocument(t.Context(), "d", version, []byte(data))
		if err != nil || !swapped {
			t.Fatalf("SwapDocument: %t, %v", swapped, err)
		}
		version = document.Version
	}
	// Once loaded, a call is one round trip.
	evals := calls(t, server.Client(), "eval")
	wantInstance(t, store, "i", "2")
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Old: held, Instance: write("x")})
	if got := calls(t, server.Client(), "eval") - evals; got != 0 {
		t.Errorf("scripts were sent in full %d times more, want by their hash", got)
	}
}

func TestTimeToLiveShorterThanAMillisecond(t *testing.T) {
	t.Parallel()
	store := openShared(t)
	swap(t, store, routing.Change{
		Key: routing.Key{Instance: "i"}, Instance: &routing.Write{Data: []byte("x"), TTL: time.Nanosecond},
	})
	eventually(t, "the record expires", func() bool {
		snapshot, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Instance == nil
	})
}

func TestSettingsReachTheServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("user app on >s3cret ~app:* &app:* +@all"))
	config := redisstore.Config{
		URL: "redis://app:s3cret@" + server.Addr + "/3", KeyPrefix: "app", Gateway: "g", Timeout: patience,
	}
	store := open(t, config)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	other := redis.NewClient(&redis.Options{Addr: server.Addr, DB: 3})
	defer func() { _ = other.Close() }()
	name := instanceKey("app", routing.Key{Instance: "i"})
	if got, err := other.Get(context.Background(), name).Result(); err != nil || got != "x" {
		t.Errorf("db 3 holds %q, %v, want the record", got, err)
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) routing.Store { return openShared(b) })
}

func TestCosts(t *testing.T) {
	t.Parallel()
	opened := func(t *testing.T, observe routing.Observer) routing.Store {
		t.Helper()
		return open(t, redisstore.Config{
			Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: newPrefix(), Timeout: patience, Observe: observe,
		})
	}
	storetest.RunCosts(t, opened)
	storetest.RunColdCosts(t, opened)
}
