package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// awaitLog waits until the log says something.
func (s *server) awaitLog(t *testing.T, text string) {
	t.Helper()
	await(t, "the log to say: "+text, func() bool {
		content, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(content), text)
	})
}

// awaitFetches waits until a broker's catalog was asked for so many times more. Of these the last but one is taken
// over.
func (b *broker) awaitFetches(t *testing.T, more int) {
	t.Helper()
	before := b.fetches()
	await(t, "the catalog to be fetched", func() bool { return b.fetches() >= before+more })
}

// TestBackendThatComesBack takes a backend out of the configuration and back in, with a wrong URL. What the store has
// of it counts: the other broker's word that nothing exists ends no record.
func TestBackendThatComesBack(t *testing.T) {
	one, two, other := startBroker(t, "one"), startBroker(t, "two"), startBroker(t, "other")
	s := startServer(t)
	alone := platformBlock + one.block("one", "")
	s.mustLoad(t, s.config(alone+two.block("two", "")))
	s.call(t, http.StatusCreated, "PUT", instancePath("i"), createBody("two"))
	s.mustLoad(t, s.config(alone))
	s.call(t, http.StatusServiceUnavailable, "GET", instancePath("i"), "")

	s.mustLoad(t, s.config(alone+other.block("two", "")))
	s.call(t, http.StatusOK, "GET", "/v2/catalog", "")
	remove := instancePath("i") + "?service_id=two&plan_id=two-small"
	s.call(t, http.StatusServiceUnavailable, "DELETE", remove, "")
	s.awaitLog(t, "a backend's catalog is that of another broker")
	s.call(t, http.StatusServiceUnavailable, "DELETE", remove, "")

	s.mustLoad(t, s.config(alone+two.block("two", "")))
	await(t, "the broker to be believed", func() bool {
		status, _, err := try(s.address, "DELETE", remove, "")
		return err == nil && status == http.StatusOK
	})
}

// TestReloadWritesTheCatalogToTheOtherStore changes the store. The last good catalog is kept in the new one as well, so
// that after a restart there is something to compare a wrong one with.
func TestReloadWritesTheCatalogToTheOtherStore(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	rest := "catalog {\nrefresh 100ms\n}\n" + platformBlock + b.block("one", "")
	s.mustLoad(t, s.config(rest))
	b.awaitFetches(t, 2)
	other := filepath.Join(t.TempDir(), "other.db")
	s.mustLoad(t, s.config("store file "+other+"\n"+rest))
	b.awaitFetches(t, 3)
	s.stop(t)
	if !hasDocument(t, other, "catalog/one") {
		t.Error("the other store has no last good catalog")
	}
}

// hasDocument tells whether a store's file has a document.
func hasDocument(t *testing.T, path, name string) bool {
	t.Helper()
	store := filestore.New(path)
	if err := store.Open(); err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	document, err := store.ReadDocument(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return document.Version != 0
}
