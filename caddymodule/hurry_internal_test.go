package caddymodule

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestHurry: the first wish is granted at once, later ones after a while, and those that come meanwhile are one.
func TestHurry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHurry()
		start := time.Now()
		for n, want := range []time.Duration{0, hurryInterval, 2 * hurryInterval} {
			for range 3 {
				h.want()
			}
			<-h.wanted
			go h.want() // it comes while the fetch waits for its time
			h.pause(t.Context())
			synctest.Wait()
			select {
			case <-h.wanted:
			default:
			}
			if got := time.Since(start); got != want {
				t.Errorf("fetch %d began after %s, want %s", n, got, want)
			}
		}
	})
}

// TestDoubts: a doubt lasts until a whole catalog came that was asked for after it.
func TestDoubts(t *testing.T) {
	t.Parallel()
	h := newHurry()
	if _, whole := h.doubt(); whole {
		t.Error("there is a doubt that nobody had")
	}
	h.wantWhole()
	mark, whole := h.doubt()
	if !whole {
		t.Error("a doubt is lost")
	}
	h.distrust() // while the catalog is on its way
	h.settle(mark)
	mark, whole = h.doubt()
	if !whole {
		t.Error("a doubt is settled by a catalog that was asked for before it")
	}
	h.settle(mark)
	if _, whole = h.doubt(); whole {
		t.Error("a doubt is not settled by a whole catalog")
	}
}

// TestT40StaleValidator: a broker that goes on saying that nothing is new, after it said that the catalog is old, is
// asked for the whole.
func TestT40StaleValidator(t *testing.T) {
	server := serveCatalog(t, func(version int) string { return offeringJSON("a", "a", version) })
	rt := startQuietGateway(t, server)
	server.mu.Lock()
	server.stale = true
	server.mu.Unlock()
	server.change()
	if _, err := rt.catalogs.fetchOnce(t.Context(), rt.catalogs.entries[0]); err != nil {
		t.Fatal(err)
	}
	if got := string(rt.catalogs.current().Body); !strings.Contains(got, "version 0") {
		t.Fatalf("got %s, want what the broker says is not modified", got)
	}
	rt.catalogs.entries[0].soon.wantWhole()
	until(t, "the new version", func() bool { return strings.Contains(string(rt.catalogs.current().Body), "version 1") })
}

// TestRefreshChoosesBackends: those that are named, each once, in the order of the configuration.
func TestRefreshChoosesBackends(t *testing.T) {
	rt := startTestGateway(t, "a", "b", "c")
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, "a b c"}, {[]string{"c", "a", "c"}, "a c"},
	} {
		entries, err := rt.catalogs.chosen(test.names)
		var got []string
		for _, entry := range entries {
			got = append(got, entry.broker.name)
		}
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %q, %v; want %q", test.names, got, err, test.want)
		}
	}
	if _, err := rt.catalogs.chosen([]string{"a", "d"}); err == nil || !strings.Contains(fmt.Sprint(err), "it has a, b, c") {
		t.Errorf("a backend that is not there: got %v", err)
	}
}
