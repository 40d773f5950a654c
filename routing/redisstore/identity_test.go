package redisstore_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// wantUnknown checks that a record is not called absent, by a read or by a swap.
func wantUnknown(t *testing.T, store routing.Store, key routing.Key, want string) {
	t.Helper()
	snapshot, err := store.Read(t.Context(), key)
	wantError(t, err, want)
	wantError(t, err, "caddy osb-gateway store accept")
	if !errors.Is(err, routing.ErrUnknownStore) || snapshot.Instance != nil || !snapshot.Now.IsZero() {
		t.Errorf("Read: got %q, %v, want only an error that matches ErrUnknownStore", snapshot, err)
	}
	snapshot, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
	wantError(t, err, want)
	if !errors.Is(err, routing.ErrUnknownStore) || swapped || !snapshot.Now.IsZero() {
		t.Errorf("Swap: got %q, %t, %v, want only an error that matches ErrUnknownStore", snapshot, swapped, err)
	}
}

func TestServerThatIsWiped(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	if err := store.Mark(t.Context(), "first", false); err != nil {
		t.Fatal(err)
	}
	store.Expect("first")
	held := swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	wantInstance(t, store, "other", "")

	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	wantUnknown(t, store, routing.Key{Instance: "i"}, "no identity")
	wantUnknown(t, store, routing.Key{Instance: "other", Binding: "b"}, "no identity")
	// Nor is what was read before taken for a mere mismatch.
	_, _, err := store.Swap(t.Context(), routing.Change{Key: routing.Key{Instance: "i"}, Old: held, Instance: write("y")})
	if !errors.Is(err, routing.ErrUnknownStore) {
		t.Errorf("got %v, want an error that matches ErrUnknownStore", err)
	}
	if found := server.Client().DBSize(t.Context()).Val(); found != 0 {
		t.Errorf("the server holds %d keys, want none", found)
	}

	// Another gateway, which knows of no identity, gives it one of its own.
	other := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	if err := other.Mark(t.Context(), "second", false); err != nil {
		t.Fatal(err)
	}
	wantUnknown(t, store, routing.Key{Instance: "i"}, `the identity "second"`)
	store.Expect("second")
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
}

// The shard of a cluster that holds a bucket may be lost alone.
func TestBucketThatIsWiped(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	if err := store.Mark(t.Context(), "first", false); err != nil {
		t.Fatal(err)
	}
	store.Expect("first")
	const lost = routing.InstanceID("i")
	var kept routing.InstanceID
	for n := 0; kept == ""; n++ {
		if id := routing.InstanceID(strconv.Itoa(n)); redisstore.Bucket(id) != redisstore.Bucket(lost) {
			kept = id
		}
	}
	swap(t, store, routing.Change{Key: routing.Key{Instance: lost}, Instance: write("x")})
	keys, err := server.Client().Keys(t.Context(), setKey(store.prefix, lost, "*")).Result()
	if err != nil || len(keys) != 3 {
		t.Fatalf("got keys %q, %v, want those of one bucket", keys, err)
	}
	if err := server.Client().Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
	wantUnknown(t, store, routing.Key{Instance: lost}, "part 17 of the store carries no identity")
	wantInstance(t, store, kept, "")
	swap(t, store, routing.Change{Key: routing.Key{Instance: kept}, Instance: write("x")})
	unmarked, parts, err := store.Unmarked(t.Context(), "first")
	if unmarked != 1 || parts != 256 || err != nil {
		t.Errorf("Unmarked: got %d of %d, %v, want 1 of 256", unmarked, parts, err)
	}
	if err := store.Mark(t.Context(), "first", false); err != nil {
		t.Fatal(err)
	}
	wantInstance(t, store, lost, "")
}

// An identity that cannot be read is an error, not another one.
func TestIdentityOfAnotherType(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	if err := server.Client().RPush(t.Context(), setKey(store.prefix, "i", "store"), "x").Err(); err != nil {
		t.Fatal(err)
	}
	const want = "another program"
	_, _, err := store.Unmarked(t.Context(), "first")
	wantError(t, err, want)
	store.Expect("first")
	_, err = store.Read(t.Context(), routing.Key{Instance: "i"})
	wantError(t, err, want)
	_, _, err = store.Swap(t.Context(), routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	wantError(t, err, want)
}
