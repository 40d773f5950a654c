package redisstore_test

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// Where each round trip takes long, a page ends before the timeout of the store does, and the listing goes on.
func TestListOfAServerFarAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	near := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	for n := range 1000 {
		swap(t, near, routing.Change{Key: routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))}, Instance: write("x")})
	}
	const delay, timeout = 50 * time.Millisecond, time.Second
	address := serve(t, func(connection net.Conn) {
		to, err := net.Dial("tcp", server.Addr)
		if err != nil {
			return
		}
		defer func() { _ = to.Close() }()
		go func() { _, _ = io.Copy(to, connection) }()
		answer := make([]byte, 1<<16)
		for {
			n, err := to.Read(answer)
			if err != nil {
				return
			}
			<-time.After(delay)
			if _, err := connection.Write(answer[:n]); err != nil {
				return
			}
		}
	})
	far := open(t, redisstore.Config{Addresses: []string{address}, Timeout: timeout})
	page, next, err := far.List(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(page) == 0 || next == "" {
		t.Errorf("got %d records and %q to go on, want a few and more", len(page), next)
	}
}

// list returns a whole listing.
func list(t *testing.T, store routing.Store, limit int) (listed []routing.Listed) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := store.List(t.Context(), cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page...)
		if next == "" {
			return listed
		}
		cursor = next
	}
}

// What a listing has to do in one page is bounded, whatever lies in the buckets.
func TestListGoesThroughBucketsInOrder(t *testing.T) {
	t.Parallel()
	store := openShared(t)
	const instances = 1000
	for n := range instances {
		swap(t, store, routing.Change{Key: routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))}, Instance: write("x")})
	}
	seen, last := make(map[routing.Key]int), 0
	pages := 0
	for cursor := ""; ; pages++ {
		page, next, err := store.List(t.Context(), cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 7 {
			t.Fatalf("got %d records, want 7 at most", len(page))
		}
		for _, listed := range page {
			seen[listed.Key]++
			bucket := int(redisstore.Bucket(listed.Key.Instance))
			if bucket < last {
				t.Fatalf("%q of bucket %d comes after bucket %d", listed.Key, bucket, last)
			}
			last = bucket
		}
		if next == "" {
			break
		}
		cursor = next
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%q is listed %d times, want once", key, times)
		}
	}
	if len(seen) != instances {
		t.Errorf("%d instances are listed, want %d", len(seen), instances)
	}
	if least := instances / 7; pages < least {
		t.Errorf("the listing has %d pages, want more than %d", pages, least)
	}
}

// An empty store has 256 empty buckets, which are not looked at all at once, nor one by one.
func TestListOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	store := openShared(t)
	pages := 1
	for cursor := ""; ; pages++ {
		page, next, err := store.List(t.Context(), cursor, 100)
		if err != nil || len(page) != 0 {
			t.Fatalf("got %q, %v", page, err)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	if pages != 16 {
		t.Errorf("the listing has %d pages, want 16", pages)
	}
}

// The order of a listing is not up to the server process, so that a restart in its middle loses nothing.
func TestListGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	const bindings = 600
	held := routing.Snapshot{}
	for n := range bindings {
		held.Binding = nil
		held = swap(t, store, routing.Change{
			Key: routing.Key{Instance: "i", Binding: routing.BindingID(strconv.Itoa(n))}, Old: held,
			Instance: write("i"), Binding: write("b"),
		})
	}
	seen := make(map[routing.Key]bool)
	restarts := 0
	for cursor := ""; ; {
		page, next, err := store.List(t.Context(), cursor, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range page {
			seen[listed.Key] = true
		}
		if next == "" {
			break
		}
		cursor = next
		if len(page) == 100 && restarts < 3 {
			restarts++
			server.Restart(t)
			eventually(t, "the store works again", func() bool {
				_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
				return err == nil
			})
		}
	}
	if len(seen) != bindings+1 || restarts != 3 {
		t.Errorf("%d records are listed over %d restarts, want %d over 3", len(seen), restarts, bindings+1)
	}
}

func TestListFromAnOddCursor(t *testing.T) {
	t.Parallel()
	store := openShared(t)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	for _, cursor := range []string{"x", "-1", "256", "1x", " ", "17instance:i"} {
		page, next, err := store.List(t.Context(), cursor, 10)
		wantError(t, err, "cursor")
		if page != nil || next != "" {
			t.Errorf("List from %q returns %q, %q beside its error", cursor, page, next)
		}
	}
	for _, cursor := range []string{"17", "17 ", "17 instance:", "17 \xff", "255 x"} {
		if _, _, err := store.List(t.Context(), cursor, 10); err != nil {
			t.Errorf("List from %q: %v", cursor, err)
		}
	}
}

// What no store wrote into the sets is not passed over.
func TestForeignMembers(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	for _, member := range []string{"", "i", "instance:a:b", "instance:a%3ab", "binding:a", "binding:a:", "instance:%41"} {
		store := openShared(t)
		for _, set := range []string{"ids", "unfinished"} {
			err := server.Client().ZAdd(t.Context(), setKey(store.prefix, "i", set), redis.Z{Member: member}).Err()
			if err != nil {
				t.Fatal(err)
			}
		}
		name := setKey(store.prefix, "i", member)
		if err := server.Client().Set(t.Context(), name, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, _, err := store.List(t.Context(), "17", 10)
		wantError(t, err, "another program")
		_, err = store.Unfinished(t.Context(), 0, 10)
		wantError(t, err, "another program")
	}
}

// Whatever a limit keeps out now comes up another time.
func TestUnfinishedStarvesNobody(t *testing.T) {
	t.Parallel()
	store := openShared(t)
	const instances = 20
	waiting := make(map[routing.Key]bool)
	for n := range instances {
		key := routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))}
		swap(t, store, routing.Change{Key: key, Instance: &routing.Write{Data: []byte("x"), Unfinished: true}})
		waiting[key] = true
	}
	eventually(t, "each comes up", func() bool {
		keys, err := store.Unfinished(t.Context(), 0, 2)
		if err != nil || len(keys) != 2 {
			t.Fatalf("got %q, %v, want two", keys, err)
		}
		for _, key := range keys {
			delete(waiting, key)
		}
		return len(waiting) == 0
	})
}

// The age is by the server's clock.
func TestUnfinishedByAge(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	var want []routing.Key
	for n := range 5 {
		key := routing.Key{Instance: routing.InstanceID(fmt.Sprint("i", n)), Binding: "b"}
		held := swap(t, store, routing.Change{
			Key: key, Instance: write("x"), Binding: &routing.Write{Data: []byte("x"), Unfinished: true},
		})
		err := server.Client().ZAdd(t.Context(), setKey(store.prefix, key.Instance, "unfinished"), redis.Z{
			Score:  float64(held.Now.Add(-time.Duration(n) * time.Hour).UnixMilli()),
			Member: "binding:" + string(key.Instance) + ":b",
		}).Err()
		if err != nil {
			t.Fatal(err)
		}
		want = append([]routing.Key{key}, want...)
	}
	for n := range 5 {
		keys, err := store.Unfinished(t.Context(), time.Duration(n)*time.Hour, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:5-n], keys); diff != "" {
			t.Errorf("%d hours: the keys differ (-want +got):\n%s", n, diff)
		}
	}
}
