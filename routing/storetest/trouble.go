package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// WantUnavailable makes each kind of call under a context and checks that it fails with an error that matches
// routing.ErrUnavailable, and returns nothing else: never that something is absent, never that it was done.
func WantUnavailable(ctx context.Context, t testing.TB, store routing.Store) {
	t.Helper()
	check := func(operation string, err error, got, nothing any) {
		t.Helper()
		if !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("%s: got error %v, want one that matches ErrUnavailable", operation, err)
		}
		if diff := cmp.Diff(nothing, got); diff != "" {
			t.Errorf("%s returns something beside the error (-want +got):\n%s", operation, diff)
		}
	}
	key := routing.Key{Instance: "i", Binding: "b"}
	snapshot, err := store.Read(ctx, key)
	check("Read", err, snapshot, routing.Snapshot{})

	snapshot, swapped, err := store.Swap(ctx, routing.Change{Key: key, Instance: write("never"), Binding: write("never")})
	check("Swap", err, snapshot, routing.Snapshot{})
	check("Swap", err, swapped, false)

	document, err := store.ReadDocument(ctx, "d")
	check("ReadDocument", err, document, routing.Document{})

	document, swapped, err = store.SwapDocument(ctx, "d", 0, []byte("never"))
	check("SwapDocument", err, document, routing.Document{})
	check("SwapDocument", err, swapped, false)

	page, next, err := store.List(ctx, "", 10)
	check("List", err, page, []routing.Listed(nil))
	check("List", err, next, "")

	keys, err := store.Unfinished(ctx, 0, 10)
	check("Unfinished", err, keys, []routing.Key(nil))

	check("Mark", store.Mark(ctx, "never", true), nil, nil)

	unmarked, parts, err := store.Unmarked(ctx, "never")
	check("Unmarked", err, unmarked, 0)
	check("Unmarked", err, parts, 0)
}

func (s *suite) closedStore(t *testing.T) {
	store := s.start(t)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	for range 2 {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		WantUnavailable(t.Context(), t, store)
	}
}

// closeAmidCalls closes the store under calls of many goroutines: each of them ends, well or with the right error.
func (s *suite) closeAmidCalls(t *testing.T) {
	store := s.start(t)
	var callers sync.WaitGroup
	working := make(chan struct{}, 64)
	for caller := range 8 {
		callers.Go(func() {
			key := routing.Key{Instance: routing.InstanceID(rune('a' + caller))}
			held := routing.Snapshot{}
			for {
				next, swapped, err := store.Swap(t.Context(), routing.Change{
					Key: key, Old: held, Instance: write(held.Now.String()),
				})
				if err != nil {
					if !errors.Is(err, routing.ErrUnavailable) {
						t.Errorf("got %v, want an error that matches ErrUnavailable", err)
					}
					return
				}
				if !swapped {
					t.Errorf("found %q, though nobody else writes it", next)
				}
				held = next
				select {
				case working <- struct{}{}:
				default:
				}
			}
		})
	}
	for range cap(working) / 2 {
		<-working
	}
	if err := store.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	callers.Wait()
}

func (s *suite) endedContext(t *testing.T) {
	store := s.start(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	contexts := []struct {
		name  string
		ctx   context.Context
		cause error
	}{
		{"cancelled", cancelled, context.Canceled},
		{"expired", expired, context.DeadlineExceeded},
	}
	for _, c := range contexts {
		WantUnavailable(c.ctx, t, store)
		if _, err := store.Read(c.ctx, routing.Key{Instance: "i"}); !errors.Is(err, c.cause) {
			t.Errorf("%s: got %v, want an error that matches %v too", c.name, err, c.cause)
		}
	}
	// The call was not made, and the store works on.
	wantRead(t, store, routing.Key{Instance: "i", Binding: "b"}, nil, nil)
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
}
