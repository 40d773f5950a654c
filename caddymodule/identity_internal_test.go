package caddymodule

import (
	"context"
	"testing"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// wipedInParts is a store of which some parts do not carry the identity.
type wipedInParts struct {
	routing.Store
	unmarked int
}

func (w *wipedInParts) Unmarked(context.Context, string) (unmarked, parts int, err error) {
	return w.unmarked, 256, nil
}

// TestCallsHaveTheStoreLookedAt: the parts of a store are counted now and then, and at once when a call met one that
// does not carry the identity, but not for each such call.
func TestCallsHaveTheStoreLookedAt(t *testing.T) {
	t.Parallel()
	store := &wipedInParts{Store: routing.NewMemoryStore()}
	shared := &sharedStore{store: store}
	shared.observer.Store(&runtime{
		settings: &settings{name: "g"}, logger: zap.NewNop(),
		observeRoundTrip: func(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, func(error) {} },
	})
	shared.identity = newStoreIdentity(shared, "")
	woken := func() bool {
		select {
		case <-shared.identity.changed:
			return true
		default:
			return false
		}
	}
	call := func(err error) {
		_, done := shared.observe(t.Context(), routing.StoreRead)
		done(err)
	}
	look := func(want int) {
		t.Helper()
		if !shared.identity.look(t.Context()) {
			t.Fatal("the store is not known")
		}
		if got := shared.identityStatus().Unmarked; got != want {
			t.Errorf("%d parts are unmarked, want %d", got, want)
		}
	}
	look(0)
	store.unmarked = 3
	call(nil)
	if woken() {
		t.Error("a call that went well has the store looked at")
	}
	look(0)
	for range 2 {
		call(routing.ErrUnknownStore)
	}
	if !woken() {
		t.Error("a call that met another identity does not have the store looked at")
	}
	look(3)
	call(routing.ErrUnknownStore)
	if woken() {
		t.Error("what is known already has the store looked at")
	}
}
