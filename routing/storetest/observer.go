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

// RunObserver checks that a store opened with an observer tells it of each call, once, and of its error.
func RunObserver(t *testing.T, open func(t *testing.T, observe routing.Observer) routing.Store) {
	t.Helper()
	var mu sync.Mutex
	var events []string
	add := func(event string) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, event)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var give context.Context
	store := open(t, func(ctx context.Context, operation string) (context.Context, func(error)) {
		add("begin " + operation)
		if give != nil {
			ctx = give
		}
		return ctx, func(err error) {
			switch {
			case err == nil:
				add("end " + operation)
			case errors.Is(err, routing.ErrUnavailable):
				add("fail " + operation)
			default:
				add("odd error of " + operation)
			}
		}
	})
	call := func() {
		key := routing.Key{Instance: "i"}
		held, _ := store.Read(ctx, key)
		_, _, _ = store.Swap(ctx, routing.Change{Key: key, Old: held, Instance: write("x")})
		_, _, _ = store.Swap(ctx, routing.Change{Key: key, Instance: write("y")})
		document, _ := store.ReadDocument(ctx, "d")
		_, _, _ = store.SwapDocument(ctx, "d", document.Version, []byte("x"))
		_, _, _ = store.List(ctx, "", 10)
		_, _ = store.Unfinished(ctx, time.Hour, 10)
		_, _ = store.Unfinished(ctx, 0, 10)
		_ = store.Mark(ctx, "identity", false)
		_, _, _ = store.Unmarked(ctx, "identity")
	}
	want := func(outcome string) {
		t.Helper()
		var expected []string
		for _, operation := range []string{
			"read", "swap", "swap", "read_document", "swap_document", "list", "unfinished", "in_progress",
			"mark", "unmarked",
		} {
			expected = append(expected, "begin "+operation, outcome+" "+operation)
		}
		if diff := cmp.Diff(expected, events); diff != "" {
			t.Errorf("the observer heard something else (-want +got):\n%s", diff)
		}
		events = nil
	}
	call()
	want("end")

	// The call runs under the context that the observer returns.
	ended, end := context.WithCancel(t.Context())
	end()
	give = ended
	call()
	want("fail")

	give = nil
	if err := store.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	call()
	want("fail")
}
