package storetest

import (
	"context"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// watchedDocuments writes documents under two listeners. Each version is told of once, and nothing that was not
// written.
func (s *suite) watchedDocuments(t *testing.T) {
	store := s.start(t)
	watcher, ok := store.(routing.Watcher)
	if !ok {
		return // It does not tell of changes.
	}
	first, second := Watch(t, watcher), Watch(t, watcher)
	awaitReady(t, first)
	awaitReady(t, second)
	want := func(name string, versions ...uint64) {
		t.Helper()
		for _, events := range []*Events{first, second} {
			eventually(t, "a document to be told of", func(context.Context) bool {
				return len(events.Documents(name)) >= len(versions)
			})
			if diff := gocmp.Diff(versions, events.Documents(name)); diff != "" {
				t.Errorf("versions of %.80q that were told of (-want +got):\n%s", name, diff)
			}
		}
	}
	swapDocument(t, store, "d", 0, []byte("one"))
	want("d", 1)
	swapDocument(t, store, "d", 1, nil)
	want("d", 1, 2)
	// What was refused is no change: the next that is heard of is one.
	if document, swapped := swapDocument(t, store, "d", 1, []byte("x")); swapped {
		t.Errorf("an old version was written over %d", document.Version)
	}
	swapDocument(t, store, "d", 2, []byte("three"))
	want("d", 1, 2, 3)

	told := make(map[string]bool)
	for _, name := range oddStrings() {
		if told[name] {
			continue
		}
		told[name] = true
		swapDocument(t, store, name, 0, []byte("x"))
		want(name, 1)
	}
	for _, events := range []*Events{first, second} {
		if changes := events.Changes(); len(changes) != 0 {
			t.Errorf("documents are taken for changes of %q", changes)
		}
		if losses := events.Losses(); len(losses) != 0 {
			t.Errorf("the watch was lost: %v", losses)
		}
	}
}

// watchedDocumentsRace has many write documents of their own while one watches. Whoever hears of a version finds it, or
// a later one.
func (s *suite) watchedDocumentsRace(t *testing.T) {
	store := s.start(t)
	watcher, ok := store.(routing.Watcher)
	if !ok {
		return // It does not tell of changes.
	}
	events := Watch(t, watcher)
	awaitReady(t, events)
	const each = 20
	race(func(racer int) {
		name := strconv.Itoa(racer)
		for version := range uint64(each) {
			if _, swapped, err := store.SwapDocument(t.Context(), name, version, []byte(name)); err != nil || !swapped {
				t.Errorf("writing version %d: %t, %v", version+1, swapped, err)
				return
			}
			told := events.Documents(name)
			if len(told) == 0 {
				continue
			}
			held, err := store.ReadDocument(t.Context(), name)
			if last := told[len(told)-1]; err != nil || held.Version < last {
				t.Errorf("version %d was told of and there is %d, %v", last, held.Version, err)
			}
		}
	})
	for racer := range racers {
		name := strconv.Itoa(racer)
		eventually(t, "all versions to be told of", func(context.Context) bool { return len(events.Documents(name)) >= each })
		if got := len(events.Documents(name)); got != each {
			t.Errorf("document %s is told of %d times, want %d", name, got, each)
		}
	}
}
