package routing_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// pagedStore lists what another store lists on its one page in pages of the size that is asked for.
type pagedStore struct {
	routing.Store
	// onPage is called before each page, with the number of records that were listed; its error is the page's.
	onPage func(listed int) error
}

func (s *pagedStore) List(ctx context.Context, cursor string, limit int) ([]routing.Listed, string, error) {
	from := 0
	if cursor != "" {
		if _, err := fmt.Sscan(cursor, &from); err != nil {
			return nil, "", err
		}
	}
	if s.onPage != nil {
		if err := s.onPage(from); err != nil {
			return nil, "", err
		}
	}
	all, _, err := s.Store.List(ctx, "", 0)
	if err != nil {
		return nil, "", err
	}
	to := min(from+limit, len(all))
	next := ""
	if to < len(all) {
		next = fmt.Sprint(to)
	}
	return all[from:to], next, nil
}

// put writes records into a store as they are.
func put(t *testing.T, store routing.Store, records ...*routing.Record) {
	t.Helper()
	for _, record := range records {
		data, err := record.Encode()
		if err != nil {
			t.Fatal(err)
		}
		putBytes(t, store, routing.Key{Instance: record.Instance, Binding: record.Binding}, data)
	}
}

func putBytes(t *testing.T, store routing.Store, key routing.Key, data []byte) {
	t.Helper()
	held, err := store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	change := routing.Change{Key: key, Old: held, Instance: &routing.Write{Data: data}}
	if key.Binding != "" {
		change.Instance, change.Binding = nil, change.Instance
	}
	if _, swapped, err := store.Swap(t.Context(), change); err != nil || !swapped {
		t.Fatalf("writing %v: swapped %v, error %v", key, swapped, err)
	}
}

func withInstance(id routing.InstanceID) edit { return func(r *routing.Record) { r.Instance = id } }

func withStrays(strays ...routing.Stray) edit { return func(r *routing.Record) { r.Strays = strays } }

func updatedAt(at routing.Moment) edit { return func(r *routing.Record) { r.Updated = at } }

func withParentLife(life string) edit { return func(r *routing.Record) { r.ParentLife = life } }

// mixture fills a store with a bit of everything and returns what a census says of it, with two examples of each
// trouble.
func mixture(t *testing.T, store routing.Store) routing.Census {
	t.Helper()
	stray := routing.Stray{Backend: "b", Life: "lost"}
	put(
		t, store,
		newInstance(withInstance("a-ready")), newBinding(withInstance("a-ready")),
		newInstance(withInstance("b-claimed"), inState(routing.Claimed), ofPlatform("q")),
		newInstance(withInstance("c-creating"), inState(routing.Creating), updatedAt(past+3)),
		newInstance(withInstance("d-updating"), inState(routing.Updating), updatedAt(past+1)),
		newInstance(withInstance("e-gone"), inState(routing.Gone)), newBinding(withInstance("e-gone")),
		newInstance(withInstance("f-strays"), withStrays(stray)),
		newInstance(withInstance("g-old"), onBackend("old"), ofPlatform("older")),
		newInstance(withInstance("h-again")), newBinding(withInstance("h-again"), withParentLife("life-before")),
		newBinding(withInstance("i-orphan"), inState(routing.Deleting), updatedAt(past+2)),
		newBinding(withInstance("j-unbound"), inState(routing.Gone)),
	)
	putBytes(t, store, routing.Key{Instance: "k-newer"}, []byte(`{"v":99,"state":"ready"}`))
	putBytes(t, store, routing.Key{Instance: "l-damaged"}, []byte(`{"v":1,"sta`))
	putBytes(t, store, routing.Key{Instance: "l-damaged", Binding: "b1"}, []byte(``))

	binding := func(instance routing.InstanceID) routing.Key { return routing.Key{Instance: instance, Binding: "b1"} }
	return routing.Census{
		Complete: true,
		Instances: map[routing.State]int{
			routing.Ready: 4, routing.Claimed: 1, routing.Creating: 1, routing.Updating: 1, routing.Gone: 1,
		},
		Bindings: map[routing.State]int{routing.Ready: 3, routing.Deleting: 1, routing.Gone: 1},
		Owners: []routing.OwnerCount{
			{Platform: "older", Backend: "old", Live: 1},
			{Platform: "p", Backend: "a", PlatformKnown: true, BackendKnown: true, Live: 9, Gone: 2},
			{Platform: "q", Backend: "a", PlatformKnown: true, BackendKnown: true, Live: 1},
		},
		Strays: routing.Findings[routing.StrayFinding]{Count: 1, Examples: []routing.StrayFinding{
			{Key: routing.Key{Instance: "f-strays"}, Owner: "a", Strays: []routing.Stray{stray}},
		}},
		Leftovers: routing.Findings[routing.LeftoverFinding]{Count: 3, Examples: []routing.LeftoverFinding{
			{Key: binding("e-gone"), Backend: "a", Reason: routing.LeftoverInstanceGone},
			{Key: binding("h-again"), Backend: "a", Reason: routing.LeftoverEarlierInstance},
		}},
		Unfinished: routing.Findings[routing.UnfinishedFinding]{Count: 3, Examples: []routing.UnfinishedFinding{
			{
				Key: routing.Key{Instance: "d-updating"}, Backend: "a", State: routing.Updating, Kind: routing.KindUpdate,
				Since: past + 1,
			},
			{
				Key: binding("i-orphan"), Backend: "a", State: routing.Deleting, Kind: routing.KindDelete,
				Since: past + 2,
			},
		}},
		Unreadable: routing.Findings[routing.UnreadableFinding]{Count: 3, Examples: []routing.UnreadableFinding{
			{
				Key: routing.Key{Instance: "k-newer"}, Newer: true,
				Problem: "record has a newer version than this gateway understands: version 99, understood up to 1",
			},
			{
				Key:     routing.Key{Instance: "l-damaged"},
				Problem: "decoding record: unexpected end of JSON input",
			},
		}},
	}
}

// TestCensus: whatever the pages, the same is counted.
func TestCensus(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 5, 100} {
		t.Run(fmt.Sprintf("pages of %d", size), func(t *testing.T) {
			t.Parallel()
			store := &pagedStore{Store: routing.NewMemoryStore()}
			want := mixture(t, store)
			got, err := routing.TakeCensus(t.Context(), store, testConfig{},
				routing.CensusOptions{Examples: 2, PageSize: size, Pause: -1})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the census differs (-want +got):\n%s", diff)
			}
			if got := got.NotConfigured(); got != 1 {
				t.Errorf("%d records are not configured, want 1", got)
			}
		})
	}
}

// TestCensusWithoutLeftovers: no record is read on its own.
func TestCensusWithoutLeftovers(t *testing.T) {
	t.Parallel()
	store := newFaultyStore()
	mixture(t, store)
	store.trips()
	got, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{SkipLeftovers: true})
	if err != nil || got.Leftovers.Count != 0 || got.Instances[routing.Ready] != 4 {
		t.Errorf("got %v and %+v", err, got)
	}
	store.wantTrips(t, "a census without leftovers", 0, 0)
}

// TestCensusOfPlans counts live instances by plan, and only if asked to.
func TestCensusOfPlans(t *testing.T) {
	t.Parallel()
	of := func(backend routing.BackendID, service routing.ServiceID, plan routing.PlanID) edit {
		return func(r *routing.Record) { r.Backend, r.Service, r.Plan = backend, service, plan }
	}
	store := routing.NewMemoryStore()
	put(
		t, store,
		newInstance(withInstance("a"), of("a", "db", "small")), newBinding(withInstance("a"), of("a", "db", "small")),
		newInstance(withInstance("b"), of("a", "db", "small"), inState(routing.Deleting)),
		newInstance(withInstance("c"), of("a", "db", "small"), inState(routing.Gone)),
		newInstance(withInstance("d"), of("a", "db", "large")),
		newInstance(withInstance("e"), of("b", "db", "small")),
		newInstance(withInstance("f"), of("b", "", "")),
		newInstance(withInstance("g"), of("a", "db", "large"), ofPlatform("q")),
	)
	take := func(plans bool) routing.Census {
		census, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{Plans: plans})
		if err != nil {
			t.Fatal(err)
		}
		return census
	}
	want := map[routing.PlanOf]int{
		{Platform: "p", Backend: "a", Service: "db", Plan: "small"}: 2,
		{Platform: "p", Backend: "a", Service: "db", Plan: "large"}: 1,
		{Platform: "q", Backend: "a", Service: "db", Plan: "large"}: 1,
		{Platform: "p", Backend: "b", Service: "db", Plan: "small"}: 1, {Platform: "p", Backend: "b"}: 1,
	}
	if diff := cmp.Diff(want, take(true).Plans); diff != "" {
		t.Errorf("the plans differ (-want +got):\n%s", diff)
	}
	if got := take(false).Plans; got != nil {
		t.Errorf("got %v without asking", got)
	}
}

// TestCensusOfAChangingStore: what looks like a leftover between two pages is judged by both records in one moment.
func TestCensusOfAChangingStore(t *testing.T) {
	t.Parallel()
	memory := routing.NewMemoryStore()
	store := &pagedStore{Store: memory}
	put(t, memory, newInstance(), newBinding(withParentLife("life-1")), newInstance(withInstance("j")))
	store.onPage = func(listed int) error {
		if listed == 1 { // the instance was listed, its binding comes next
			put(t, memory, newInstance(func(r *routing.Record) { r.Life = "life-1" }))
		}
		return nil
	}
	got, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{PageSize: 1, Pause: -1})
	if err != nil || got.Leftovers.Count != 0 {
		t.Errorf("got %v and leftovers %+v, want none", err, got.Leftovers)
	}
}

// vanishingStore says of every record that is read that it is gone, and the store with it.
type vanishingStore struct{ routing.Store }

func (vanishingStore) Read(context.Context, routing.Key) (routing.Snapshot, error) {
	return routing.Snapshot{}, errors.Join(routing.ErrUnavailable, routing.ErrUnknownStore)
}

// TestCensusOfAnUnknownStore: a binding that is gone when its instance is looked for is no reason to give up.
func TestCensusOfAnUnknownStore(t *testing.T) {
	t.Parallel()
	memory := routing.NewMemoryStore()
	put(t, memory, newBinding())
	got, err := routing.TakeCensus(t.Context(), vanishingStore{memory}, testConfig{}, routing.CensusOptions{})
	if err != nil || !got.Complete || got.Leftovers.Count != 0 || got.Bindings[routing.Ready] != 1 {
		t.Errorf("got %v and %+v", err, got)
	}
}

// TestCensusCutShort: what was counted is returned with the error.
func TestCensusCutShort(t *testing.T) {
	t.Parallel()
	t.Run("the store fails", func(t *testing.T) {
		t.Parallel()
		store := &pagedStore{Store: routing.NewMemoryStore()}
		mixture(t, store)
		store.onPage = func(listed int) error {
			if listed >= 2 {
				return fmt.Errorf("%w: %w", routing.ErrUnavailable, errInjected)
			}
			return nil
		}
		got, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{PageSize: 1})
		if !errors.Is(err, errInjected) || !errors.Is(err, routing.ErrUnavailable) {
			t.Errorf("got error %v", err)
		}
		if got.Complete || got.Instances[routing.Ready] != 1 || got.Bindings[routing.Ready] != 1 || len(got.Owners) != 1 {
			t.Errorf("got %+v, want the first two records", got)
		}
	})
	t.Run("an instance cannot be read", func(t *testing.T) {
		t.Parallel()
		store := newFaultyStore()
		mixture(t, store)
		store.failWith(always(before))
		got, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{})
		if !errors.Is(err, errInjected) || got.Complete {
			t.Errorf("got error %v and %+v", err, got)
		}
	})
	t.Run("nobody waits any more", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		store := &pagedStore{Store: routing.NewMemoryStore()}
		mixture(t, store)
		store.onPage = func(listed int) error {
			if listed == 2 {
				cancel()
			}
			return nil
		}
		got, err := routing.TakeCensus(ctx, store, testConfig{}, routing.CensusOptions{PageSize: 1, Pause: -1})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, routing.ErrUnavailable) || got.Complete {
			t.Errorf("got error %v and %+v", err, got)
		}
		if !strings.Contains(err.Error(), "cut short") || got.Instances[routing.Ready] == 0 {
			t.Errorf("got error %v and %+v: the command under way was cut off", err, got)
		}
	})
}

// TestCensusRests: after each page, and after as many records that are read on their own.
func TestCensusRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &pagedStore{Store: routing.NewMemoryStore()}
		const bindings = 10
		for i := range bindings {
			put(t, store, newBinding(withInstance(routing.InstanceID(fmt.Sprint(i)))))
		}
		start := time.Now()
		got, err := routing.TakeCensus(t.Context(), store, testConfig{},
			routing.CensusOptions{PageSize: 2, Pause: time.Second})
		if err != nil || got.Leftovers.Count != bindings {
			t.Fatalf("got %v and %+v", err, got.Leftovers)
		}
		if rested := time.Since(start); rested != (bindings/2+bindings/2-1)*time.Second {
			t.Errorf("it rested %v", rested)
		}
	})
}

// endlessStore lists so many records that nobody could keep them, each with an owner, a stray and an operation of its
// own.
type endlessStore struct {
	routing.Store
	records int
	heap    uint64
}

func (s *endlessStore) List(_ context.Context, cursor string, limit int) ([]routing.Listed, string, error) {
	from := 0
	if cursor != "" {
		if _, err := fmt.Sscan(cursor, &from); err != nil {
			return nil, "", err
		}
	}
	page := make([]routing.Listed, 0, limit)
	for i := from; i < min(from+limit, s.records); i++ {
		id := fmt.Sprintf("%d-%s", i, strings.Repeat("x", 100))
		record := newInstance(withInstance(routing.InstanceID(id)), inState(routing.Creating), updatedAt(routing.Moment(i)),
			onBackend(routing.BackendID("backend-"+id)), withStrays(routing.Stray{Backend: routing.BackendID("stray-" + id)}))
		data, err := record.Encode()
		if err != nil {
			return nil, "", err
		}
		page = append(page, routing.Listed{Key: routing.Key{Instance: record.Instance}, Data: data})
	}
	if from%(100*limit) == 0 {
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		s.heap = max(s.heap, memory.HeapAlloc)
	}
	if from+limit >= s.records {
		return page, "", nil
	}
	return page, fmt.Sprint(from + limit), nil
}

// TestCensusIsBounded: neither examples nor owners grow with the records. It looks at the heap, so nothing runs beside
// it.
func TestCensusIsBounded(t *testing.T) {
	store := &endlessStore{records: 100_000}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	got, err := routing.TakeCensus(t.Context(), store, testConfig{}, routing.CensusOptions{PageSize: 100, Pause: -1})
	if err != nil {
		t.Fatal(err)
	}
	if got.Unfinished.Count != store.records || len(got.Unfinished.Examples) != 10 || len(got.Strays.Examples) != 10 {
		t.Errorf("got %d unfinished with %d examples and %d examples of strays, want %d, 10 and 10",
			got.Unfinished.Count, len(got.Unfinished.Examples), len(got.Strays.Examples), store.records)
	}
	if len(got.Owners) != 1000 || got.OtherOwners != store.records-1000 {
		t.Errorf("got %d owners and %d records of others", len(got.Owners), got.OtherOwners)
	}
	// The ids alone would take three times as much.
	if grown := int64(store.heap) - int64(memory.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
