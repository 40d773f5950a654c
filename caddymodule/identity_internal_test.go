package caddymodule

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

// TestIdentityIsRememberedLater: a data directory that cannot be written costs the memory of a restart only as long as
// it lasts, and is told of once.
func TestIdentityIsRememberedLater(t *testing.T) {
	t.Parallel()
	// To a link that leads nowhere nothing can be written, whoever tries.
	nowhere, link := filepath.Join(t.TempDir(), "nowhere"), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(nowhere, link); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	shared := &sharedStore{store: routing.NewMemoryStore()}
	shared.observer.Store(&runtime{settings: &settings{name: "g"}, logger: zap.New(core)})
	file := rememberedStore(filepath.Join(link, "store.json"))
	shared.identity = newStoreIdentity(shared, file)
	look := func() {
		t.Helper()
		if !shared.identity.look(t.Context()) {
			t.Fatal("the store is not known")
		}
	}
	look()
	look()
	if got := logs.FilterMessageSnippet("cannot be remembered").Len(); got != 1 {
		t.Errorf("it is told %d times that nothing is remembered, want once", got)
	}
	if err := os.Mkdir(nowhere, 0o700); err != nil {
		t.Fatal(err)
	}
	look()
	remembered, err := file.read()
	if diff := cmp.Diff(shared.identityStatus().ID, remembered); err != nil || diff != "" {
		t.Errorf("%v; remembered (-want +got):\n%s", err, diff)
	}
}
