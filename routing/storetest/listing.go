package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// listAll makes a whole listing. A record may be listed more than once.
func listAll(ctx context.Context, t *testing.T, store routing.Store, limit int) map[routing.Key]string {
	t.Helper()
	const most = 100_000
	all := make(map[routing.Key]string)
	cursor := ""
	for range most {
		page, next, err := store.List(ctx, cursor, limit)
		if err != nil {
			t.Fatalf("List from %q: %v", cursor, err)
		}
		for _, listed := range page {
			if listed.Data == nil {
				t.Errorf("%.80q is listed without data", listed.Key)
			}
			all[listed.Key] = string(listed.Data)
		}
		if next == "" {
			return all
		}
		cursor = next
	}
	t.Fatalf("a listing does not end within %d pages", most)
	return nil
}

func wantListing(t *testing.T, store routing.Store, limit int, want map[routing.Key]string) {
	t.Helper()
	if diff := cmp.Diff(want, listAll(t.Context(), t, store, limit)); diff != "" {
		t.Errorf("the listing by %d differs (-want +got):\n%.4000s", limit, diff)
	}
}

func (s *suite) listing(t *testing.T) {
	store := s.start(t)
	want := make(map[routing.Key]string)
	wantListing(t, store, 10, want)
	put := func(key routing.Key, data string) {
		t.Helper()
		held := read(t, store, key)
		change := routing.Change{Key: key, Old: held}
		if key.Binding == "" {
			change.Instance = write(data)
		} else {
			change.Binding = write(data)
		}
		swap(t, store, change)
		want[key] = data
	}
	for n := range 60 {
		instance := routing.InstanceID("i" + strconv.Itoa(n))
		put(routing.Key{Instance: instance}, "instance "+strconv.Itoa(n))
		for b := range n % 3 {
			put(routing.Key{Instance: instance, Binding: routing.BindingID(strconv.Itoa(b))}, fmt.Sprint("binding ", n, b))
		}
	}
	for _, id := range oddStrings() {
		put(routing.Key{Instance: routing.InstanceID(id)}, "odd "+id)
		// Bindings without an instance are listed too.
		put(routing.Key{Instance: "without a record", Binding: routing.BindingID(id)}, "odd binding "+id)
	}
	put(routing.Key{Instance: "empty"}, "")
	for _, limit := range []int{-1, 0, 1, 7, 100, 100_000} {
		wantListing(t, store, limit, want)
	}

	// A rewritten record is listed as it is now, an erased one not at all.
	put(routing.Key{Instance: "i1"}, "rewritten")
	erased := routing.Key{Instance: "i2", Binding: "1"}
	swap(t, store, routing.Change{
		Key: erased, Old: read(t, store, erased), Instance: &routing.Write{}, Binding: &routing.Write{},
	})
	delete(want, erased)
	delete(want, routing.Key{Instance: "i2"})
	wantListing(t, store, 7, want)

	// What was listed belongs to the caller.
	page, _, err := store.List(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, listed := range page {
		for i := range listed.Data {
			listed.Data[i] = 'X'
		}
	}
	wantListing(t, store, 100, want)
}

// listingAmidWrites lists while other records come and go, and while those that stay are written anew with and without
// an end: none of them is ever missing.
func (s *suite) listingAmidWrites(t *testing.T) {
	store := s.start(t)
	const staying = 150
	stays := func(n int) routing.Key {
		return routing.Key{Instance: routing.InstanceID("stays " + strconv.Itoa(n%staying))}
	}
	for n := range staying {
		swap(t, store, routing.Change{Key: stays(n), Instance: write("x")})
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(stop)
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	change := func(key routing.Key, write *routing.Write) bool {
		held, err := store.Read(t.Context(), key)
		if err == nil {
			_, _, err = store.Swap(t.Context(), routing.Change{Key: key, Old: held, Instance: write})
		}
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	writers.Go(func() {
		for n := 0; running(); n++ {
			next := &routing.Write{Data: []byte(strconv.Itoa(n)), Unfinished: n%5 == 0}
			if n%3 == 0 {
				next.TTL = time.Hour
			}
			if !change(stays(n), next) {
				return
			}
		}
	})
	writers.Go(func() {
		for n := 0; running(); n++ {
			goes := routing.Key{Instance: routing.InstanceID("goes " + strconv.Itoa(n))}
			if !change(goes, write("x")) || !change(goes, &routing.Write{}) {
				return
			}
		}
	})
	for _, limit := range []int{1, 2, 3, 5, 10, 20, 50, 100} {
		listed := listAll(t.Context(), t, store, limit)
		for n := range staying {
			if _, ok := listed[stays(n)]; !ok {
				t.Errorf("%q was there all the time, and is missing in a listing by %d", stays(n), limit)
			}
		}
	}
}

func (s *suite) listingWithoutExpired(t *testing.T) {
	store := s.start(t)
	const ttl = 20 * time.Millisecond
	stays, goes := routing.Key{Instance: "stays"}, routing.Key{Instance: "stays", Binding: "goes"}
	held := swap(t, store, routing.Change{
		Key: goes, Instance: &routing.Write{Data: []byte("x"), TTL: time.Hour},
		Binding: &routing.Write{Data: []byte("y"), TTL: ttl},
	})
	swap(t, store, routing.Change{
		Key: routing.Key{Instance: "goes"}, Instance: &routing.Write{Data: []byte("z"), TTL: ttl},
	})
	s.pass(t, store, ttl)
	eventually(t, "expired records leave the listing", func(ctx context.Context) bool {
		listed := listAll(ctx, t, store, 10)
		if listed[stays] != "x" {
			t.Fatalf("listed is %q, want the other record to stay", listed)
		}
		return len(listed) == 1
	})
	held.Binding = nil
	swap(t, store, routing.Change{Key: goes, Old: held, Binding: write("again")})
	wantListing(t, store, 10, map[routing.Key]string{stays: "x", goes: "again"})
}
