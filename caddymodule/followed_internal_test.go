package caddymodule

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// expecting is a store that notes what it is to expect.
type expecting struct {
	*routing.MemoryStore
	expected []string
}

func (e *expecting) Expect(identity string) {
	e.expected = append(e.expected, identity)
	e.MemoryStore.Expect(identity)
}

// newTestIdentity looks after a store with an identity, for a gateway with this store_id. The log tells what it says.
func newTestIdentity(t *testing.T, found routing.Identity, storeID string) (*storeIdentity, *expecting, *observer.ObservedLogs) {
	t.Helper()
	store := &expecting{MemoryStore: routing.NewMemoryStore()}
	found.Version, found.Created, found.Marked = 1, time.Now(), true
	data, err := found.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.SwapDocument(t.Context(), "identity", 0, data); err != nil {
		t.Fatal(err)
	}
	if err := store.Mark(t.Context(), found.ID, false); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	shared := &sharedStore{store: store}
	shared.observer.Store(&runtime{settings: &settings{storeID: storeID}, logger: zap.New(core)})
	return newStoreIdentity(shared, ""), store, logs
}

// TestFollowedStoreStaysExpected: while a store is followed that was accepted in place of the one that store_id says,
// no look has the store expect the old one, for however short: calls without a record would be refused.
func TestFollowedStoreStaysExpected(t *testing.T) {
	t.Parallel()
	identity, store, _ := newTestIdentity(t, routing.Identity{ID: "new", Replaces: []string{"pinned"}}, "pinned")
	for look := range 3 {
		if !identity.look(t.Context()) {
			t.Fatalf("the store is not believed: %+v", identity.current())
		}
		if look > 0 && slices.Contains(store.expected, "pinned") {
			t.Errorf("it was to expect %q while %q is right", store.expected, "new")
		}
		store.expected = nil
	}
	// Another store_id is heeded at once.
	identity.shared.observer.Load().storeID = "other"
	if identity.look(t.Context()) || !slices.Contains(store.expected, "other") {
		t.Errorf("it was to expect %q, want another", store.expected)
	}
}

// TestWrongStoreIDIsTakenBack: that a wrong store_id was loaded and taken back is not told as if a store had been
// accepted.
func TestWrongStoreIDIsTakenBack(t *testing.T) {
	t.Parallel()
	identity, _, logs := newTestIdentity(t, routing.Identity{ID: "one"}, "")
	for _, storeID := range []string{"", "wrong", ""} {
		identity.shared.observer.Load().storeID = storeID
		if got := identity.look(t.Context()); got != (storeID == "") {
			t.Errorf("with the store_id %q the store is believed: %t", storeID, got)
		}
	}
	var said []string
	for _, entry := range logs.All() {
		said = append(said, entry.Message)
	}
	if len(said) != 3 || said[0] != said[2] || said[1] == said[0] {
		t.Errorf("the log says %q", said)
	}
}
