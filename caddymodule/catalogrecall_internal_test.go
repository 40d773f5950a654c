package caddymodule

import (
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// TestFetchedBeforeTheStoreAnswered: what a gateway fetched while the store did not answer follows the stored copy when
// it does. What the broker does not have at the moment stays in the catalog, and what it ever had is known.
func TestFetchedBeforeTheStoreAnswered(t *testing.T) {
	for name, broken := range map[string]string{"a missing offering": "", "a broken one": `{"id":"b","name":"b"},`} {
		t.Run(name, func(t *testing.T) {
			server := serveCatalog(t, func(version int) string {
				a, b, c := offeringJSON("a", "a", version), offeringJSON("b", "b", version), offeringJSON("c", "c", version)
				if version == 0 {
					return a + "," + b
				}
				return broken + a + "," + c
			})
			rt := startQuietGateway(t, server)
			before := rt.catalogs.entries[0].copy
			server.change()
			until(t, "a later millisecond", func() bool { return time.Since(before.FetchedAt) > time.Millisecond })
			late := rt.replica()
			entry := late.entries[0]
			if _, err := late.fetchOnce(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
			check := func(when string) {
				t.Helper()
				body := string(late.current().Body)
				for _, want := range []string{offeringJSON("a", "a", 1), offeringJSON("b", "b", 0), offeringJSON("c", "c", 1)} {
					if !strings.Contains(body, want) {
						t.Errorf("%s: got %s, want it to have %s", when, body, want)
					}
				}
				for _, id := range []string{"a", "b"} {
					if got, want := entry.copy.Known.Offerings[id].FirstSeen, before.Known.Offerings[id].FirstSeen; !got.Equal(want) {
						t.Errorf("%s: offering %s counts as seen since %s, want %s", when, id, got, want)
					}
				}
			}
			late.recall(t.Context(), entry)
			check("when the store answered")
			if _, err := late.fetchOnce(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
			check("after the next fetch")
			settleReplicas(t, []*catalogs{late, rt.catalogs})
			checkReplicas(t, []*catalogs{late, rt.catalogs})
		})
	}
}

// TestStoreAnsweredLate: what was fetched while the store did not answer is fetched again as soon as it does, if it says
// something else or the backend may be another broker; else there is no need.
func TestStoreAnsweredLate(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	for _, test := range []struct {
		name             string
		changed, suspect bool
		want             int
	}{{"the same", false, false, 0}, {"another broker, maybe", false, true, 1}, {"a new version", true, false, 1}} {
		late := rt.replica()
		entry := late.entries[0]
		if test.changed {
			server.change()
		}
		if _, err := late.fetchOnce(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		if !test.changed {
			// The time at which it was first seen is part of what a copy says.
			entry.copy.Known = rt.catalogs.entries[0].copy.Known
		}
		entry.broker.suspect.Store(test.suspect)
		late.look(t.Context(), entry, 0)
		if !entry.asked || len(entry.soon.wanted) != test.want {
			t.Errorf("%s: asked %t, and to be fetched %d times, want %d", test.name, entry.asked, len(entry.soon.wanted), test.want)
		}
	}
}

// TestStoreExchangedDuringAFetch: an answer that was judged by the copy of one store is not written over that of another,
// though both have the same version.
func TestStoreExchangedDuringAFetch(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	c, store := rt.failingReplica(t)
	entry := c.entries[0]
	c.recall(t.Context(), entry)
	other := routing.NewMemoryStore()
	body := `{"services":[` + offeringJSON("a", "a", 0) + `,` + offeringJSON("z", "z", 0) + `]}`
	stored, err := catalogmerge.Refresh(nil, entry.id, entry.broker.answered([]byte(body), "", time.Now().Add(-time.Hour), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	data, err := stored.Encode()
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := other.SwapDocument(t.Context(), documentName(entry.id), 0, data)
	if err != nil || document.Version != entry.version {
		t.Fatalf("writing the copy: %v; its version is %d, want %d", err, document.Version, entry.version)
	}
	server.change()
	server.interrupt(func() {
		store.Store = other
		c.forgetStored()
		c.recall(t.Context(), entry)
	})
	if _, err := c.fetchOnce(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	settleReplicas(t, []*catalogs{c})
	checkReplicas(t, []*catalogs{c})
	if body := string(c.current().Body); !strings.Contains(body, "version 1") || !strings.Contains(body, `"z"`) {
		t.Errorf("got %s, want the new version, and what the other store has besides", body)
	}
}

// TestTakenOverBeforeAnybodyLooks: until what was fetched is taken over, nobody takes over a later copy of the store's,
// which would be put away by it.
func TestTakenOverBeforeAnybodyLooks(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	c, _ := rt.failingReplica(t)
	entry := c.entries[0]
	c.recall(t.Context(), entry)
	server.change()
	entry.failing = "something"
	taking, held := false, true
	observed, _ := observer.New(zapcore.InfoLevel)
	c.rt.logger = zap.New(observed, zap.Hooks(func(said zapcore.Entry) error {
		if said.Message == "a backend's catalog is fetched again" { // it is said while the catalog is taken over
			taking = true
			if entry.storing.TryLock() {
				held = false
				entry.storing.Unlock()
			}
		}
		return nil
	}))
	if _, err := c.fetchOnce(t.Context(), entry); err != nil || !taking {
		t.Fatalf("fetching: %v; the catalog was taken over: %t", err, taking)
	}
	if !held {
		t.Error("what was fetched can be put in the place of a later copy")
	}
}

// TestMergedOnce: what many find out at once is merged by the last of them, but not left to others for ever.
func TestMergedOnce(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	c, _ := rt.failingReplica(t)
	fresh := &c.entries[0].fresh // until it was merged
	before := c.current()

	c.mu.Lock()
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			c.lockToPublish()
			defer c.mu.Unlock()
			c.publishOrLeave()
		})
	}
	until(t, "the others to wait", func() bool { return c.waiting.Load() == 2 })
	*fresh = true
	c.publishOrLeave()
	if c.current() != before || !*fresh {
		t.Error("what others are about to publish was merged")
	}
	c.mu.Unlock()
	others.Wait()
	if c.current() == before || *fresh {
		t.Error("the last one left it to nobody")
	}

	c.waiting.Add(1) // somebody who never comes
	for n := range 2 * (len(c.entries) + 1) {
		c.lockToPublish()
		*fresh = true
		c.publishOrLeave()
		if want := n%(len(c.entries)+1) == len(c.entries); *fresh == want {
			t.Errorf("call %d: published %t, want %t", n, !*fresh, want)
		}
		c.mu.Unlock()
	}
}

// TestRefreshedIsPublished: what an operator had fetched is shown when that is over, though somebody else is about to
// publish.
func TestRefreshedIsPublished(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	rt.catalogs.waiting.Add(1)
	server.change()
	if got := rt.catalogs.refreshNow(t.Context(), rt.catalogs.entries[0]); got.Outcome != refreshChanged {
		t.Errorf("got %+v", got)
	}
	if body := string(rt.catalogs.current().Body); !strings.Contains(body, "version 1") {
		t.Errorf("got %s, want what was fetched", body)
	}
}
