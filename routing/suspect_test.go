package routing_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// suspectConfig suspects backend a.
type suspectConfig struct{ testConfig }

func (suspectConfig) Suspect(backend routing.BackendID) bool { return backend == "a" }

// TestSuspectBackend sends calls to a backend that may be another broker: those whose answer may end a record are
// refused before anything is entered.
func TestSuspectBackend(t *testing.T) {
	t.Parallel()
	bound := routing.Records{Instance: newInstance(), Binding: newBinding()}
	elsewhere := newInstance(func(r *routing.Record) { r.Backend = "b" })
	for _, kind := range []routing.Kind{
		routing.KindCreate, routing.KindUpdate, routing.KindDelete, routing.KindPoll, routing.KindFetch,
	} {
		refused := kind == routing.KindDelete || kind == routing.KindPoll
		for name, test := range map[string]struct {
			records routing.Records
			key     routing.Key
			want    bool
		}{
			"recorded":                     {routing.Records{Instance: newInstance()}, onInstance, refused},
			"not recorded, by its hint":    {routing.Records{}, onInstance, refused},
			"recorded elsewhere":           {routing.Records{Instance: elsewhere}, onInstance, false},
			"a binding":                    {bound, onBinding, refused},
			"a binding without a record":   {routing.Records{Instance: newInstance()}, onBinding, refused},
			"a binding of another backend": {routing.Records{Instance: elsewhere}, onBinding, false},
		} {
			call := newCall(kind, test.key)
			after, decision := routing.Begin(test.records, call, suspectConfig{}, now)
			if got := decision.Refusal == routing.RefusalSuspect; got != test.want {
				t.Errorf("%s of what is %s: refused as suspect: %t, want %t (%+v)", kind, name, got, test.want, decision)
			}
			if test.want && cmp.Diff(test.records, after, cmp.AllowUnexported(routing.Record{})) != "" {
				t.Errorf("%s of what is %s is refused, and entered", kind, name)
			}
		}
	}
}

// TestUnknownStoreKeepsNothing begins creates in a store that is not the known one: nothing was entered, so nothing
// waits.
func TestUnknownStoreKeepsNothing(t *testing.T) {
	t.Parallel()
	store := routing.NewMemoryStore()
	ledger := routing.NewLedger(store, routing.LedgerOptions{})
	t.Cleanup(func() { _ = ledger.Shutdown(t.Context()) })
	if _, err := ledger.Begin(t.Context(), newCall(routing.KindCreate, onInstance), testConfig{}); err != nil {
		t.Fatal(err)
	}
	store.Expect("another")
	for range 3 {
		_, err := ledger.Begin(t.Context(), newCall(routing.KindCreate, routing.Key{Instance: "new"}), testConfig{})
		if !errors.Is(err, routing.ErrUnknownStore) || !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("a create ended in %v, want ErrUnknownStore", err)
		}
	}
	if pending := ledger.Pending(); pending != 0 {
		t.Errorf("%d outcomes wait to be written", pending)
	}
	if _, err := ledger.Begin(t.Context(), newCall(routing.KindPoll, onInstance), testConfig{}); err != nil {
		t.Errorf("a call with a record ended in %v", err)
	}
}
