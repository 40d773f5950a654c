package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func bindingsOf(
	ctx context.Context, t *testing.T, lister routing.BindingLister, instance routing.InstanceID, limit int,
) (bindings map[routing.BindingID]string, more bool) {
	t.Helper()
	page, more, err := lister.Bindings(ctx, instance, limit)
	if err != nil {
		t.Fatalf("Bindings(%.80q): %v", instance, err)
	}
	bindings = make(map[routing.BindingID]string)
	for _, listed := range page {
		if listed.Key.Instance != instance {
			t.Errorf("the bindings of %.80q are said to have %.80q", instance, listed.Key)
		}
		bindings[listed.Key.Binding] = string(listed.Data)
	}
	if len(bindings) != len(page) {
		t.Errorf("a binding of %.80q is listed twice", instance)
	}
	return bindings, more
}

// bindings lists those of one instance, among others whose ids look alike.
func (s *suite) bindings(t *testing.T) {
	store := s.start(t)
	lister, ok := store.(routing.BindingLister)
	if !ok {
		return
	}
	want := make(map[routing.InstanceID]map[routing.BindingID]string)
	put := func(instance routing.InstanceID, binding routing.BindingID) {
		t.Helper()
		if want[instance] == nil {
			want[instance] = make(map[routing.BindingID]string)
		}
		if _, exists := want[instance][binding]; exists {
			return
		}
		data := string(instance) + "/" + string(binding)
		key := routing.Key{Instance: instance, Binding: binding}
		swap(t, store, routing.Change{Key: key, Old: read(t, store, key), Binding: write(data)})
		want[instance][binding] = data
	}
	for _, id := range oddStrings() {
		put(routing.InstanceID(id), "b")
		put("i", routing.BindingID(id))
	}
	swap(t, store, routing.Change{
		Key: routing.Key{Instance: "without"}, Old: read(t, store, routing.Key{Instance: "without"}), Instance: write("x"),
	})
	want["without"], want["absent"] = map[routing.BindingID]string{}, map[routing.BindingID]string{}
	for instance, expected := range want {
		got, more := bindingsOf(t.Context(), t, lister, instance, 10_000)
		if diff := cmp.Diff(expected, got); diff != "" || more {
			t.Errorf("the bindings of %.80q differ, more is %v (-want +got):\n%.2000s", instance, more, diff)
		}
	}
	all := len(want["i"])
	for _, test := range []struct {
		limit, listed int
		more          bool
	}{{0, 0, true}, {1, 1, true}, {all - 1, all - 1, true}, {all, all, false}, {all + 1, all, false}} {
		got, more := bindingsOf(t.Context(), t, lister, "i", test.limit)
		if len(got) != test.listed || more != test.more {
			t.Errorf("up to %d: got %d, more is %v; want %d and %v", test.limit, len(got), more, test.listed, test.more)
		}
	}
}

func (s *suite) bindingsWithoutExpired(t *testing.T) {
	store := s.start(t)
	lister, ok := store.(routing.BindingLister)
	if !ok {
		return
	}
	const ttl = 20 * time.Millisecond
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i", Binding: "stays"}, Binding: write("x")})
	swap(t, store, routing.Change{
		Key: routing.Key{Instance: "i", Binding: "goes"}, Binding: &routing.Write{Data: []byte("y"), TTL: ttl},
	})
	s.pass(t, store, ttl)
	eventually(t, "expired bindings leave the list", func(ctx context.Context) bool {
		got, _ := bindingsOf(ctx, t, lister, "i", 10)
		if got["stays"] != "x" {
			t.Fatalf("listed is %q, want the other binding to stay", got)
		}
		return len(got) == 1
	})
}

func (s *suite) bindingsOfAClosedStore(t *testing.T) {
	store := s.start(t)
	lister, ok := store.(routing.BindingLister)
	if !ok {
		return
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := lister.Bindings(ended, "i", 10); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("when nobody waits: got %v, want an error that matches ErrUnavailable", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := lister.Bindings(t.Context(), "i", 10); !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("got %v, want an error that matches ErrUnavailable", err)
	}
}
