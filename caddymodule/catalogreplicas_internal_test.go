package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// catalogServer is a broker that has nothing but a catalog.
type catalogServer struct {
	*httptest.Server
	mu      sync.Mutex
	version int
	// offerings makes the catalog of a version.
	offerings func(version int) string
	down      bool
	// stale: whatever validator is sent, nothing is modified.
	stale bool
	// meanwhile is what happens, once, after the answer was made and before it is sent.
	meanwhile func()
}

func serveCatalog(t *testing.T, offerings func(version int) string) *catalogServer {
	t.Helper()
	s := &catalogServer{offerings: offerings}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		etag := fmt.Sprintf(`"%d"`, s.version)
		body := fmt.Sprintf(`{"services":[%s]}`, offerings(s.version))
		meanwhile, down, stale := s.meanwhile, s.down, s.stale
		s.meanwhile = nil
		s.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if meanwhile != nil {
			meanwhile()
		}
		w.Header().Set("ETag", etag)
		if condition := r.Header.Get("If-None-Match"); condition == etag || stale && condition != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s
}

// change makes the next version of the catalog.
func (s *catalogServer) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
}

// interrupt has something happen during the next fetch.
func (s *catalogServer) interrupt(meanwhile func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meanwhile = meanwhile
}

// offeringJSON is a sound offering. Its description has the version.
func offeringJSON(id, name string, version int) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"description":"version %d","bindable":true,`+
		`"plans":[{"id":"%s-plan","name":"small","description":"d"}]}`, id, name, version, id)
}

// replica makes another gateway's view of the catalogs, on the store of the first.
func (rt *runtime) replica() *catalogs {
	c := newCatalogs(rt)
	c.began = time.Now()
	c.name(rt.named())
	return c
}

// startQuietGateway starts a gateway that fetches the catalogs once, and waits until it has.
func startQuietGateway(t *testing.T, servers ...*catalogServer) *runtime {
	t.Helper()
	backends := make([]*BackendConfig, len(servers))
	for i, s := range servers {
		backends[i] = &BackendConfig{Name: fmt.Sprintf("broker-%d", i), URL: s.URL}
	}
	rt := startGatewayOf(t, &CatalogConfig{Refresh: "365d"}, backends...)
	until(t, "the catalogs", func() bool { return rt.catalogs.current().complete })
	return rt
}

// startIdleGateway starts a gateway that never fetches a catalog again, and whose store has none.
func startIdleGateway(t *testing.T, servers ...*catalogServer) *runtime {
	t.Helper()
	set := func(down bool) {
		for _, s := range servers {
			s.mu.Lock()
			s.down = down
			s.mu.Unlock()
		}
	}
	set(true)
	defer set(false)
	backends := make([]*BackendConfig, len(servers))
	for i, s := range servers {
		backends[i] = &BackendConfig{Name: fmt.Sprintf("broker-%d", i), URL: s.URL}
	}
	rt := startGatewayOf(t, nil, backends...)
	rt.stopping()
	rt.background.Wait()
	return rt
}

// settleReplicas has each replica hear of what is stored, and fetch again what it wants to.
func settleReplicas(t *testing.T, replicas []*catalogs) {
	t.Helper()
	for pass := 0; ; pass++ {
		quiet := true
		for _, replica := range replicas {
			for _, entry := range replica.entries {
				replica.recall(t.Context(), entry)
				replica.look(t.Context(), entry, 0)
				if entry.unsaved {
					entry.soon.want() // a gateway fetches once it has asked the store
				}
				select {
				case <-entry.soon.wanted:
					quiet = false
					if _, err := replica.fetchOnce(t.Context(), entry); err != nil {
						t.Errorf("fetching: %v", err)
					}
				default:
				}
			}
		}
		switch {
		case quiet && pass > 0:
			return
		case pass > 20:
			t.Fatal("the replicas do not come to rest")
		}
	}
}

// checkReplicas expects all replicas to show the same, and that to be what the store has.
func checkReplicas(t *testing.T, replicas []*catalogs) {
	t.Helper()
	var exposed []*catalogmerge.Exposed
	for _, entry := range replicas[0].entries {
		document, err := replicas[0].readDocument(t.Context(), entry, entry.id)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := decodeDocument(document)
		if err != nil {
			t.Fatal(err)
		}
		exposed = append(exposed, catalogmerge.Expose(stored, nil, nil, nil))
	}
	want := catalogmerge.Merge(exposed, nil)
	for i, replica := range replicas {
		got := replica.current()
		if !got.servable || !bytes.Equal(got.Body, want.Body) || got.ETag != want.ETag {
			t.Errorf("replica %d shows, with ETag %s:\n%s\nand what is stored gives, with ETag %s:\n%s",
				i, got.ETag, got.Body, want.ETag, want.Body)
		}
	}
}

// TestT39ReplicasAgree has several gateways fetch the catalogs of several brokers in any order, while brokers change
// theirs, and hear of each other early or late. All of them show the same bytes with the same ETag in the end. Some
// brokers claim what others do, so that the order in which they were first seen matters.
func TestT39ReplicasAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for world := range 8 {
		t.Run(strconv.Itoa(world), func(t *testing.T) { shuffleReplicas(t, random) })
	}
}

func shuffleReplicas(t *testing.T, random *rand.Rand) {
	t.Helper()
	servers := make([]*catalogServer, 6)
	for i := range servers {
		servers[i] = serveCatalog(t, func(version int) string {
			own := offeringJSON(fmt.Sprintf("own-%d", i), fmt.Sprintf("own-%d", i), version)
			contested := offeringJSON(fmt.Sprintf("contested-%d", i/2), fmt.Sprintf("contested-%d", i), version)
			named := offeringJSON(fmt.Sprintf("named-%d", i), fmt.Sprintf("named-%d", i%3), version)
			if version%3 == 2 {
				return own + "," + named // one is withdrawn for a while
			}
			return own + "," + contested + "," + named
		})
	}
	rt := startIdleGateway(t, servers...)
	replicas := []*catalogs{rt.replica(), rt.replica(), rt.replica(), rt.replica()}
	for range 4 {
		type step struct{ replica, entry int }
		var steps []step
		for replica := range replicas {
			for entry := range servers {
				steps = append(steps, step{replica, entry}, step{replica, entry})
			}
		}
		random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		for _, s := range steps {
			replica := replicas[s.replica]
			entry := replica.entries[s.entry]
			switch random.IntN(6) {
			case 0:
				servers[s.entry].change()
			case 1:
				replica.look(t.Context(), entry, 0)
			case 2:
				other := replicas[random.IntN(len(replicas))]
				servers[s.entry].interrupt(func() {
					if other != replica {
						_, _ = other.fetchOnce(t.Context(), other.entries[s.entry])
					}
				})
			}
			if random.IntN(4) > 0 { // else the store does not answer yet
				replica.recall(t.Context(), entry)
			}
			if _, err := replica.fetchOnce(t.Context(), entry); err != nil {
				t.Fatalf("fetching: %v", err)
			}
		}
		settleReplicas(t, replicas)
		checkReplicas(t, replicas)
	}
}

// TestOvertakenFetch: an answer that was made before another gateway fetched and stored a later one is not put in its
// place, and the broker is asked again.
func TestOvertakenFetch(t *testing.T) {
	for name, before := range map[string]bool{"heard of during the fetch": true, "found by the write": false} {
		t.Run(name, func(t *testing.T) {
			server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
			rt := startQuietGateway(t, server)
			slow, fast := rt.replica(), rt.replica()
			for _, replica := range []*catalogs{slow, fast} {
				replica.recall(t.Context(), replica.entries[0])
			}
			server.change()
			server.interrupt(func() {
				server.change()
				if _, err := fast.fetchOnce(t.Context(), fast.entries[0]); err != nil {
					t.Errorf("the fast one: %v", err)
				}
				if before {
					slow.look(t.Context(), slow.entries[0], 0)
				}
			})
			if _, err := slow.fetchOnce(t.Context(), slow.entries[0]); err != nil {
				t.Fatalf("the slow one: %v", err)
			}
			for i, replica := range []*catalogs{slow, fast} {
				if got := string(replica.current().Body); !strings.Contains(got, "version 2") {
					t.Errorf("replica %d shows %s, want version 2", i, got)
				}
			}
			if len(slow.entries[0].soon.wanted) != 1 {
				t.Error("the broker is not asked again")
			}
			settleReplicas(t, []*catalogs{slow, fast})
			checkReplicas(t, []*catalogs{slow, fast})
		})
	}
}

// TestSameAnswerTwice: two gateways that fetch the same at the same time agree without asking again.
func TestSameAnswerTwice(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	first, second := rt.replica(), rt.replica()
	for _, replica := range []*catalogs{first, second} {
		replica.recall(t.Context(), replica.entries[0])
	}
	server.change()
	server.interrupt(func() { _, _ = second.fetchOnce(t.Context(), second.entries[0]) })
	if _, err := first.fetchOnce(t.Context(), first.entries[0]); err != nil {
		t.Fatal(err)
	}
	if len(first.entries[0].soon.wanted) != 0 {
		t.Error("the broker is asked again although both had the same answer")
	}
	checkReplicas(t, []*catalogs{first, second})
}

// TestPublishOnlyOnChange: a refresh that brings nothing new makes no other publication, and so neither merges nor holds
// other bytes, however the broker says that nothing is new. The age starts anew.
func TestPublishOnlyOnChange(t *testing.T) {
	var whole bool
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	c := rt.catalogs
	for _, whole = range []bool{false, true} {
		before := c.current()
		c.mu.Lock()
		fetchedAt := c.entries[0].copy.FetchedAt
		c.mu.Unlock()
		until(t, "a later millisecond", func() bool { return time.Since(fetchedAt) > time.Millisecond })
		if whole {
			c.entries[0].soon.distrust()
		}
		if _, err := c.fetchOnce(t.Context(), c.entries[0]); err != nil {
			t.Fatal(err)
		}
		if c.current() != before {
			t.Errorf("something else was published (whole catalog: %t)", whole)
		}
		c.mu.Lock()
		if !c.entries[0].copy.FetchedAt.After(fetchedAt) {
			t.Errorf("the catalog counts as old as before (whole catalog: %t)", whole)
		}
		if &c.entries[0].copy.Offerings[0].Raw[0] != &before.Offerings[0].Raw[0] {
			t.Errorf("the bytes are there twice (whole catalog: %t)", whole)
		}
		c.mu.Unlock()
	}
	document, err := rt.store.store.ReadDocument(t.Context(), documentName("broker-0"))
	if err != nil || document.Version != 1 {
		t.Errorf("the copy has version %d, %v; want it to be written once", document.Version, err)
	}
	server.change()
	before := c.current()
	if _, err := c.fetchOnce(t.Context(), c.entries[0]); err != nil || c.current().ETag == before.ETag {
		t.Errorf("a change was not published: %v", err)
	}
}

// rewound is a store that lost the last writes of a document, as a failover may.
type rewound struct {
	routing.Store
	lost     string
	document routing.Document
}

func (r *rewound) ReadDocument(ctx context.Context, name string) (routing.Document, error) {
	if name == r.lost {
		return r.document, nil
	}
	return r.Store.ReadDocument(ctx, name)
}

func (r *rewound) SwapDocument(ctx context.Context, name string, old uint64, data []byte) (routing.Document, bool, error) {
	if name != r.lost {
		return r.Store.SwapDocument(ctx, name, old, data)
	}
	if old != r.document.Version {
		return r.document, false, nil
	}
	r.document = routing.Document{Version: old + 1, Data: data}
	return r.document, true, nil
}

// TestStoreThatLostCopies: a copy that the store has in an older version, or not at all, does not take the place of the
// one at hand, which is written again.
func TestStoreThatLostCopies(t *testing.T) {
	for name, all := range map[string]bool{"the last version": false, "all of it": true} {
		t.Run(name, func(t *testing.T) {
			server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
			rt := startQuietGateway(t, server)
			store := &rewound{Store: rt.store.store, lost: documentName("broker-0")}
			present, err := store.Store.ReadDocument(t.Context(), store.lost)
			if err != nil {
				t.Fatal(err)
			}
			store.document = present
			// Another gateway, on the store that forgets.
			other := &runtime{
				settings: rt.settings, logger: rt.logger, metrics: rt.metrics, brokers: rt.brokers, tracing: rt.tracing,
				store: &sharedStore{store: store},
			}
			other.naming.Store(rt.named())
			c := other.replica()
			entry := c.entries[0]
			c.recall(t.Context(), entry)
			server.change()
			if _, err := c.fetchOnce(t.Context(), entry); err != nil || store.document.Version != 2 {
				t.Fatalf("fetching: %v, and version %d is stored", err, store.document.Version)
			}
			before := c.current()
			if store.document = present; all {
				store.document = routing.Document{}
			}
			c.look(t.Context(), entry, 0)
			if c.current() != before || len(entry.soon.wanted) != 1 {
				t.Errorf("the gateway shows %s, and asks the broker again: %d", c.current().Body, len(entry.soon.wanted))
			}
			if _, err := c.fetchOnce(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
			written, err := decodeDocument(store.document)
			if err != nil || !written.Same(entry.copy) || c.current() != before {
				t.Errorf("the store has %+v, %v; want what is shown", written, err)
			}
		})
	}
}

// TestLostWriteIsMadeAgain: a copy that the store did not take, or lost, is written with the next fetch although nothing
// has changed since, or nothing comes.
func TestLostWriteIsMadeAgain(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down %t", down), func(t *testing.T) { writeAgain(t, down) })
	}
}

func writeAgain(t *testing.T, down bool) {
	t.Helper()
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	c := rt.catalogs
	ctx := t.Context()
	entry := c.entries[0]
	c.mu.Lock()
	entry.unsaved = true
	c.mu.Unlock()
	server.mu.Lock()
	server.down = down
	server.mu.Unlock()
	stored := func() uint64 {
		document, err := rt.store.store.ReadDocument(ctx, documentName(entry.id))
		if err != nil {
			t.Fatal(err)
		}
		return document.Version
	}
	for range 2 {
		if _, err := c.fetchOnce(ctx, entry); (err != nil) != down {
			t.Fatal(err)
		}
		if got := stored(); got != 2 {
			t.Errorf("the copy has version %d, want 2", got)
		}
	}
}
