// Package storetest holds the tests that every routing.Store passes. The protocol of package routing stands on what
// they demand.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Option tells the suite what more it can do with the store under test.
type Option func(*suite)

// Advance gives the suite a way to move the clock of a store that was opened for it; the clock stands on a whole
// millisecond. The suite then checks times to live to the end.
func Advance(advance func(t *testing.T, store routing.Store, by time.Duration)) Option {
	return func(s *suite) { s.advance = advance }
}

// TTL gives the suite a way to read how long a record is still kept: the record of the binding where the key names one,
// else that of the instance. It returns false for a record without an end.
func TTL(ttl func(t *testing.T, store routing.Store, key routing.Key) (time.Duration, bool)) Option {
	return func(s *suite) { s.ttl = ttl }
}

// suite is one run of the tests.
type suite struct {
	open    func(t *testing.T) routing.Store
	advance func(t *testing.T, store routing.Store, by time.Duration)
	ttl     func(t *testing.T, store routing.Store, key routing.Key) (time.Duration, bool)
}

// Run runs the suite. Each test opens a store of its own, which must be empty; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) routing.Store, options ...Option) {
	t.Helper()
	s := &suite{open: open}
	for _, option := range options {
		option(s)
	}
	tests := []struct {
		name string
		test func(t *testing.T)
	}{
		{"AbsentRecords", s.absentRecords},
		{"CreateReadAndRewrite", s.createReadAndRewrite},
		{"MismatchChangesNothing", s.mismatchChangesNothing},
		{"BothOrNeither", s.bothOrNeither},
		{"NoWriteLeavesTheRecordButComparesIt", s.noWrite},
		{"Erase", s.erase},
		{"EmptyIsNotAbsent", s.emptyIsNotAbsent},
		{"BytesAreOpaque", s.bytesAreOpaque},
		{"BuffersBelongToTheCaller", s.buffers},
		{"ImpossibleChanges", s.impossibleChanges},
		{"Listing", s.listing},
		{"ListingAmidWrites", s.listingAmidWrites},
		{"ListingWithoutExpired", s.listingWithoutExpired},
		{"Bindings", s.bindings},
		{"BindingsWithoutExpired", s.bindingsWithoutExpired},
		{"BindingsOfAClosedStore", s.bindingsOfAClosedStore},
		{"UnfinishedRecords", s.unfinishedRecords},
		{"UnfinishedByAge", s.unfinishedByAge},
		{"UnfinishedByLimit", s.unfinishedByLimit},
		{"UnfinishedOddIDs", s.unfinishedOddIDs},
		{"Identity", s.identity},
		{"ExpectedIdentity", s.expectedIdentity},
		{"Watcher", s.watcher},
		{"WatchedRace", s.watchedRace},
		{"WatchedDocuments", s.watchedDocuments},
		{"WatchedDocumentsRace", s.watchedDocumentsRace},
		{"WatchEnds", s.watchEnds},
		{"OddIDs", s.oddIDs},
		{"KeysDoNotMix", s.keysDoNotMix},
		{"TimeToLiveIsSetAndCleared", s.timeToLiveIsSetAndCleared},
		{"ExpiredRecordIsAbsent", s.expiredRecordIsAbsent},
		{"ExpiryByTheClock", s.expiryByTheClock},
		{"ClockMovesForward", s.clockMovesForward},
		{"Documents", s.documents},
		{"DocumentNames", s.documentNames},
		{"LargeDocuments", s.largeDocuments},
		{"ClosedStore", s.closedStore},
		{"CloseAmidCalls", s.closeAmidCalls},
		{"EndedContext", s.endedContext},
		{"RaceForOneRecord", s.raceForOneRecord},
		{"RaceOfIncrements", s.raceOfIncrements},
		{"RaceOfCreates", s.raceOfCreates},
		{"RaceOfInstanceAndBinding", s.raceOfInstanceAndBinding},
		{"RaceForOneDocument", s.raceForOneDocument},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.test(t)
		})
	}
}

// start opens a store for one test.
func (s *suite) start(t *testing.T) routing.Store {
	t.Helper()
	store := s.open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return store
}

// byRecords compares snapshots by their records alone. An empty record is not an absent one.
var byRecords = cmp.Options{
	cmpopts.IgnoreFields(routing.Snapshot{}, "Now"),
	cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }),
}

func write(data string) *routing.Write { return &routing.Write{Data: []byte(data)} }

func read(t *testing.T, store routing.Store, key routing.Key) routing.Snapshot {
	t.Helper()
	snapshot, err := store.Read(t.Context(), key)
	if err != nil {
		t.Fatalf("Read(%.80q): %v", key, err)
	}
	return snapshot
}

// wantRead fails the test unless a read gives these records.
func wantRead(t *testing.T, store routing.Store, key routing.Key, instance, binding []byte) routing.Snapshot {
	t.Helper()
	snapshot := read(t, store, key)
	want := routing.Snapshot{Instance: instance, Binding: binding}
	if diff := cmp.Diff(want, snapshot, byRecords); diff != "" {
		t.Errorf("Read(%.80q) differs (-want +got):\n%s", key, diff)
	}
	return snapshot
}

// swap applies a change that should be made, and checks what it returns.
func swap(t *testing.T, store routing.Store, change routing.Change) routing.Snapshot {
	t.Helper()
	snapshot, swapped, err := store.Swap(t.Context(), change)
	if err != nil {
		t.Fatalf("Swap(%.80q): %v", change.Key, err)
	}
	if !swapped {
		t.Fatalf("Swap(%.80q) found %q, want it to be made", change.Key, snapshot)
	}
	want := change.Old
	if change.Instance != nil {
		want.Instance = change.Instance.Data
	}
	if change.Binding != nil {
		want.Binding = change.Binding.Data
	}
	if diff := cmp.Diff(want, snapshot, byRecords); diff != "" {
		t.Errorf("Swap(%.80q) returns other records than it wrote (-want +got):\n%s", change.Key, diff)
	}
	if snapshot.Now.IsZero() {
		t.Errorf("Swap(%.80q) returns no time", change.Key)
	}
	return snapshot
}

// wantMismatch applies a change that should not be made, and checks that it returns what is there.
func wantMismatch(t *testing.T, store routing.Store, change routing.Change, instance, binding []byte) {
	t.Helper()
	snapshot, swapped, err := store.Swap(t.Context(), change)
	if err != nil {
		t.Fatalf("Swap(%.80q): %v", change.Key, err)
	}
	if swapped {
		t.Errorf("Swap(%.80q) was made, want a mismatch", change.Key)
	}
	want := routing.Snapshot{Instance: instance, Binding: binding}
	if diff := cmp.Diff(want, snapshot, byRecords); diff != "" {
		t.Errorf("Swap(%.80q) returns other records than there are (-want +got):\n%s", change.Key, diff)
	}
	if snapshot.Now.IsZero() {
		t.Errorf("Swap(%.80q) returns no time", change.Key)
	}
	wantRead(t, store, change.Key, instance, binding)
}

func swapDocument(t *testing.T, store routing.Store, name string, old uint64, data []byte) (routing.Document, bool) {
	t.Helper()
	document, swapped, err := store.SwapDocument(t.Context(), name, old, data)
	if err != nil {
		t.Fatalf("SwapDocument(%.80q): %v", name, err)
	}
	return document, swapped
}

func wantDocument(t *testing.T, store routing.Store, name string, want routing.Document) {
	t.Helper()
	got, err := store.ReadDocument(t.Context(), name)
	if err != nil {
		t.Fatalf("ReadDocument(%.80q): %v", name, err)
	}
	if diff := documentDiff(want, got); diff != "" {
		t.Errorf("ReadDocument(%.80q): %s", name, diff)
	}
}

// documentDiff does not print what may be megabytes.
func documentDiff(want, got routing.Document) string {
	if got.Version != want.Version || len(got.Data) != len(want.Data) {
		return fmt.Sprintf("got version %d with %d bytes, want version %d with %d bytes",
			got.Version, len(got.Data), want.Version, len(want.Data))
	}
	if !bytes.Equal(got.Data, want.Data) {
		return fmt.Sprintf("got other bytes in version %d than were written", got.Version)
	}
	return ""
}

// eventually calls condition until it holds, for as long as the test may run. It asserts nothing about time.
func eventually(t *testing.T, what string, condition func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it never came to pass", what)
		case <-poll.C:
		}
	}
}
