package routing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// identifier names identities id-1, id-2 and so on, after its own name.
func identifier(store routing.Store, name string) routing.Identifier {
	count := 0
	return routing.Identifier{Store: store, NewID: func() string { count++; return fmt.Sprintf("%s-%d", name, count) }}
}

// identityOf reads a store's identity document.
func identityOf(t *testing.T, store routing.Store) *routing.Identity {
	t.Helper()
	document, err := store.ReadDocument(t.Context(), "identity")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := routing.DecodeIdentity(document.Data)
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// giveIdentity writes a store's identity document.
func giveIdentity(t *testing.T, store routing.Store, data string) {
	t.Helper()
	document, err := store.ReadDocument(t.Context(), "identity")
	if err == nil {
		_, _, err = store.SwapDocument(t.Context(), "identity", document.Version, []byte(data))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkMarked wants every part of a store to carry an identity.
func checkMarked(t *testing.T, store routing.Store, identity string) {
	t.Helper()
	if unmarked, parts, err := store.Unmarked(t.Context(), identity); err != nil || unmarked != 0 || parts == 0 {
		t.Errorf("%d of %d parts are not marked with %q: %v", unmarked, parts, identity, err)
	}
}

func TestEstablish(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		document string
		mark     string
		known    routing.Known
		want     routing.Finding
		// marked is the mark that the store must carry afterwards.
		marked string
	}{
		"a new store":             {want: routing.Finding{ID: "a-1", Found: "a-1", Made: true}, marked: "a-1"},
		"seen for the first time": {document: `{"v":1,"id":"x","marked":true}`, want: routing.Finding{ID: "x", Found: "x"}},
		"known": {
			document: `{"v":1,"id":"x","marked":true}`, known: routing.Known{ID: "x"},
			want: routing.Finding{ID: "x", Found: "x"},
		},
		"a crash before it was marked": {
			document: `{"v":1,"id":"x","marked":false}`, known: routing.Known{ID: "x"},
			want: routing.Finding{ID: "x", Found: "x"}, marked: "x",
		},
		"a crash before an accepted one was marked": {
			document: `{"v":1,"id":"x","marked":false,"accepted_at":"2026-11-21T00:00:00Z"}`, mark: "w",
			want: routing.Finding{ID: "x", Found: "x"}, marked: "x",
		},
		"a new one with parts of another": {
			mark: "w", want: routing.Finding{ID: "a-1", Found: "a-1", Made: true}, marked: "w",
		},
		"wiped": {known: routing.Known{ID: "x"}, want: routing.Finding{ID: "x", Trouble: routing.ErrNoIdentity}},
		"pinned and empty": {
			known: routing.Known{ID: "x", Pinned: true}, want: routing.Finding{ID: "x", Trouble: routing.ErrNoIdentity},
		},
		"another": {
			document: `{"v":1,"id":"y","replaces":["z"],"marked":true}`, known: routing.Known{ID: "x"},
			want: routing.Finding{ID: "x", Found: "y", Trouble: routing.ErrOtherIdentity},
		},
		"accepted by another gateway": {
			document: `{"v":1,"id":"y","replaces":["z","x"],"marked":true}`, known: routing.Known{ID: "x"},
			want: routing.Finding{ID: "y", Found: "y"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := routing.NewMemoryStore()
			if test.document != "" {
				giveIdentity(t, store, test.document)
			}
			if test.mark != "" {
				if err := store.Mark(t.Context(), test.mark, false); err != nil {
					t.Fatal(err)
				}
			}
			got, err := identifier(store, "a").Establish(t.Context(), test.known)
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
			if test.marked == "" {
				return
			}
			checkMarked(t, store, test.marked)
			if !identityOf(t, store).Marked {
				t.Error("the document does not say that the store is marked")
			}
		})
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		document string
		known    routing.Known
		want     string
		replaces []string
	}{
		"wiped":            {known: routing.Known{ID: "x"}, want: "a-1", replaces: []string{"x"}},
		"pinned and empty": {known: routing.Known{ID: "p", Pinned: true}, want: "p"},
		"another": {
			document: `{"v":1,"id":"y","replaces":["z"],"marked":true}`, known: routing.Known{ID: "x"},
			want: "a-1", replaces: []string{"x", "y", "z"},
		},
		"another in place of the pinned one": {
			document: `{"v":1,"id":"y","replaces":["z"],"marked":true}`, known: routing.Known{ID: "p", Pinned: true},
			want: "p", replaces: []string{"y", "z"},
		},
		"the right one": {document: `{"v":1,"id":"x","marked":true}`, known: routing.Known{ID: "x"}, want: "x"},
		"accepted already": {
			document: `{"v":1,"id":"y","replaces":["x"],"marked":true}`, known: routing.Known{ID: "x"},
			want: "y", replaces: []string{"x"},
		},
		"damaged": {document: `{"v":1,"id":`, known: routing.Known{ID: "x"}, want: "a-1", replaces: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := routing.NewMemoryStore()
			if err := store.Mark(t.Context(), "old", false); err != nil {
				t.Fatal(err)
			}
			if test.document != "" {
				giveIdentity(t, store, test.document)
			}
			for range 2 { // it may be repeated
				finding, err := identifier(store, "a").Accept(t.Context(), test.known)
				if err != nil || finding.ID != test.want || finding.Trouble != nil {
					t.Fatalf("got %+v, %v, want the id %q", finding, err, test.want)
				}
				identity := identityOf(t, store)
				if !slices.Equal(identity.Replaces, test.replaces) || !identity.Marked {
					t.Errorf("got %+v, want one that is marked and replaces %q", identity, test.replaces)
				}
				checkMarked(t, store, test.want)
			}
			// Every other gateway follows.
			finding, err := identifier(store, "b").Establish(t.Context(), test.known)
			if err != nil || finding.ID != test.want || finding.Trouble != nil {
				t.Errorf("another gateway found %+v, %v", finding, err)
			}
		})
	}
}

// TestIdentityIsOne has many gateways meet a new store at once, and then accept a wiped one at once.
func TestIdentityIsOne(t *testing.T) {
	t.Parallel()
	store := routing.NewMemoryStore()
	all := func(round string, look func(routing.Identifier) (routing.Finding, error)) string {
		t.Helper()
		found := make([]routing.Finding, 16)
		var group sync.WaitGroup
		for n := range found {
			group.Go(func() {
				var err error
				if found[n], err = look(identifier(store, fmt.Sprintf("%s-%d", round, n))); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, finding := range found {
			if finding.ID != found[0].ID || finding.Trouble != nil {
				t.Errorf("gateways disagree: %+v and %+v", finding, found[0])
			}
		}
		checkMarked(t, store, found[0].ID)
		return found[0].ID
	}
	first := all("first", func(i routing.Identifier) (routing.Finding, error) {
		return i.Establish(context.Background(), routing.Known{})
	})
	store = routing.NewMemoryStore()
	second := all("second", func(i routing.Identifier) (routing.Finding, error) {
		return i.Accept(context.Background(), routing.Known{ID: first})
	})
	if first == second {
		t.Error("the accepted store has the identity of the one before it")
	}
}

// TestDamagedIdentity meets documents that say nothing: they are errors in words, and stay as they are.
func TestDamagedIdentity(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		``:                                 "damaged",
		`{"v":1,"id":`:                     "damaged",
		`null`:                             "no version",
		`{"v":1}`:                          "empty",
		`{"v":"1","id":"x"}`:               "no version",
		`{"v":0,"id":"x"}`:                 "no version",
		`{"v":1,"id":7}`:                   "damaged",
		`{"v":2,"id":"x"}`:                 "update the gateway",
		`{"v":2,"id":{"new":1}}`:           "update the gateway",
		`{"v":1,"id":"x","replaces":[""]}`: "empty",
	} {
		store := routing.NewMemoryStore()
		giveIdentity(t, store, data)
		_, err := identifier(store, "a").Establish(t.Context(), routing.Known{ID: "x"})
		if !errors.Is(err, routing.ErrBadDocument) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error %v, want one that says %q", data, err, want)
		}
		if document, _ := store.ReadDocument(t.Context(), "identity"); string(document.Data) != data {
			t.Errorf("%s was overwritten with %s", data, document.Data)
		}
		if _, err := identifier(store, "a").Accept(t.Context(), routing.Known{}); (err != nil) != strings.Contains(data, `"v":2`) {
			t.Errorf("%s: accepting it: %v; it may be done unless a newer version wrote it", data, err)
		}
	}
}

// TestIdentityKeepsUnknownFields rewrites a document that a newer gateway wrote a field into.
func TestIdentityKeepsUnknownFields(t *testing.T) {
	t.Parallel()
	store := routing.NewMemoryStore()
	giveIdentity(t, store, `{"v":1,"id":"x","marked":false,"colour":"blue"}`)
	if _, err := identifier(store, "a").Establish(t.Context(), routing.Known{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	document, err := store.ReadDocument(t.Context(), "identity")
	if err != nil || !strings.Contains(string(document.Data), `"colour":"blue"`) {
		t.Errorf("got %s, %v, want the unknown field kept", document.Data, err)
	}
}

// FuzzDecodeIdentity: what can be read can be written, and says the same then.
func FuzzDecodeIdentity(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"x","replaces":["y"],"marked":true,"created_at":"2026-11-21T00:00:00Z","colour":"blue"}`))
	f.Add([]byte(`{"v":1,"id":"x","V":9,"ID":""}`))
	f.Add([]byte(`{"v":1,"id":"x","V":9,"HD":""}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		identity, err := routing.DecodeIdentity(data)
		if err != nil {
			if !errors.Is(err, routing.ErrBadDocument) {
				t.Fatalf("the error %v is no ErrBadDocument", err)
			}
			return
		}
		encoded, err := identity.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := routing.DecodeIdentity(encoded)
		if err != nil || again.ID != identity.ID || !slices.Equal(again.Replaces, identity.Replaces) ||
			again.Marked != identity.Marked {
			t.Errorf("%s came back as %+v, %v, want %+v", encoded, again, err, identity)
		}
	})
}
