package storetest

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// forgetful is a store that is wrong in one way.
type forgetful struct {
	routing.Store
	swaps atomic.Int64
	// swap takes the place of every tenth swap.
	swap func(ctx context.Context, store routing.Store, change routing.Change) (routing.Snapshot, bool, error)
}

func (f *forgetful) Swap(ctx context.Context, change routing.Change) (routing.Snapshot, bool, error) {
	if f.swaps.Add(1)%10 != 0 {
		return f.Store.Swap(ctx, change)
	}
	return f.swap(ctx, f.Store, change)
}

func replicasOf(store routing.Store) []routing.Store {
	stores := make([]routing.Store, linearReplicas)
	for i := range stores {
		stores[i] = store
	}
	return stores
}

// TestLinearizableCatches: stores that lose a write, or overwrite another's, are found out.
func TestLinearizableCatches(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]func(context.Context, routing.Store, routing.Change) (routing.Snapshot, bool, error){
		"a swap that does not compare": func(
			ctx context.Context, store routing.Store, change routing.Change,
		) (routing.Snapshot, bool, error) {
			held, err := store.Read(ctx, change.Key)
			if err != nil {
				return held, false, err
			}
			change.Old = held
			return store.Swap(ctx, change)
		},
		"a swap that is acknowledged and not made": func(
			ctx context.Context, store routing.Store, change routing.Change,
		) (routing.Snapshot, bool, error) {
			held, err := store.Read(ctx, change.Key)
			return change.After(held.Now), true, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				complaint := checkLinearizable(t, replicasOf(&forgetful{Store: routing.NewMemoryStore(), swap: swap}))
				if strings.Contains(complaint, "is Illegal") {
					return
				}
			}
			t.Error("nothing was found wrong")
		})
	}
}

// TestLinearizableDespite: a store may make a change and deny it, as one does whose answer is lost and asked for again.
// The call that is entered then finds itself entered.
func TestLinearizableDespite(t *testing.T) {
	t.Parallel()
	denied := func(
		ctx context.Context, store routing.Store, change routing.Change,
	) (routing.Snapshot, bool, error) {
		after, _, err := store.Swap(ctx, change)
		return after, false, err
	}
	for range 5 {
		Linearizable(t, func(*testing.T, int) []routing.Store {
			return replicasOf(&forgetful{Store: routing.NewMemoryStore(), swap: denied})
		})
	}
}
