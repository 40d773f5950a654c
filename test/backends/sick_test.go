package backends_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// hangs keeps requests waiting until it is released, or who sent them gives up.
type hangs struct {
	released chan struct{}
	once     sync.Once
	waiting  atomic.Int64
	// everything: catalogs wait too.
	everything bool
}

func newHangs(t *testing.T, everything bool) *hangs {
	h := &hangs{released: make(chan struct{}), everything: everything}
	t.Cleanup(h.release)
	return h
}

func (h *hangs) release() { h.once.Do(func() { close(h.released) }) }

func (h *hangs) behave(_ http.ResponseWriter, r *http.Request) bool {
	if !h.everything && strings.HasSuffix(r.URL.Path, "/v2/catalog") {
		return false
	}
	h.waiting.Add(1)
	defer h.waiting.Add(-1)
	select {
	case <-h.released:
	case <-r.Context().Done():
	}
	return false
}

// TestSickBrokersDelayNobody: three of ten brokers hang and hold every call that they may hold; a thousand calls to the
// others end before any of those does.
func TestSickBrokersDelayNobody(t *testing.T) {
	t.Parallel()
	const sick, all, slots, calls = 3, 10, 32, 1000
	hang := newHangs(t, false)
	brokers := make([]*guarded, all)
	block := []string{"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", "unknown_instances forward")}
	for i := range brokers {
		service := "s" + strconv.Itoa(i)
		brokers[i] = startGuarded(t, service, nil)
		block = append(block, fmt.Sprintf("backend %s %s {\n\ttimeout 10m\n\tmax_in_flight %d\n}", service, brokers[i].URL, slots))
	}
	g := harness.Start(t, harness.Options{Block: strings.Join(block, "\n")})
	harness.Await(t, "all catalogs", func() bool {
		return strings.Count(g.Do(t, harness.Request{Method: "GET", Target: "/v2/catalog"}).Body, "-plan") == all
	})
	for i := range all {
		service := "s" + strconv.Itoa(i)
		if got := g.Do(t, provision(service, "of-"+service)); got.Status != http.StatusCreated {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
	}
	for _, b := range brokers[:sick] {
		b.set(func(b *guarded) { b.behaves = hang.behave })
	}

	// Of all kinds of calls, to each of the sick ones more than it may hold.
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	var held sync.WaitGroup
	defer held.Wait()
	defer hang.release()
	var ended, refused atomic.Int64
	for i := range sick {
		service := "s" + strconv.Itoa(i)
		for n := range 2 * slots {
			held.Go(func() {
				r := []harness.Request{
					{Method: "GET", Target: "/v2/service_instances/of-" + service},
					{Method: "GET", Target: "/v2/service_instances/of-" + service + "/last_operation"},
					provision(service, fmt.Sprintf("more-%s-%d", service, n)),
				}[n%3]
				answer, err := g.TryContext(ctx, r)
				switch {
				case err == nil && answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
					refused.Add(1)
				default:
					ended.Add(1)
				}
			})
		}
	}
	harness.Await(t, "the sick brokers to hold all that they may", func() bool {
		return hang.waiting.Load() == sick*slots && refused.Load() == sick*slots
	})
	if got := statusOf(t, g, "s0"); got.InFlight != slots || got.MaxInFlight != slots {
		t.Errorf("got the status %+v, want %d of %d calls", got, slots, slots)
	}
	if got := metric(t, g, "backend_in_flight", "s0"); got != strconv.Itoa(slots) {
		t.Errorf("the metrics tell of %s calls, want %d", got, slots)
	}

	var next atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				n := next.Add(1)
				if n > calls {
					return
				}
				service := "s" + strconv.Itoa(sick+int(n)%(all-sick))
				for _, r := range []harness.Request{provision(service, fmt.Sprintf("i-%d", n))} {
					if n%2 == 0 {
						r = harness.Request{Method: "GET", Target: "/v2/service_instances/of-" + service + "/last_operation"}
					}
					if answer, err := g.TryContext(ctx, r); err != nil || answer.Status/100 != 2 {
						t.Errorf("a call to a broker that is well: %d %s %v", answer.Status, answer.Body, err)
					}
				}
			}
		})
	}
	workers.Wait()
	if got := ended.Load(); got != 0 {
		t.Errorf("%d calls to the sick brokers ended first", got)
	}
	for range 20 { // and the sick ones still cost nothing
		wantUnavailable(t, "a deletion", g.Do(t, deprovision("s0", "of-s0")))
	}
	if got := hang.waiting.Load(); got != sick*slots {
		t.Errorf("the sick brokers hold %d calls, want %d", got, sick*slots)
	}
	hang.release()
	harness.Await(t, "the sick brokers to be well", func() bool {
		return g.Do(t, deprovision("s0", "of-s0")).Status == http.StatusOK
	})
}

// TestBreaker: a broker that does not answer is left alone, deletions too, over a reload; and when it gives its catalog
// again, a call is tried.
func TestBreaker(t *testing.T) {
	t.Parallel()
	hang := newHangs(t, true)
	broker, other := startGuarded(t, "db", nil), startGuarded(t, "other", nil)
	options := harness.Options{Block: strings.Join([]string{
		"store memory", "catalog {\n\trefresh 1s\n}", harness.Platform("main", "unknown_instances forward"),
		fmt.Sprintf("backend db %s {\n\ttimeout 3s\n\tsettle 1ms\n\tbreaker 3 1h\n}", broker.URL),
		fmt.Sprintf("backend other %s", other.URL),
	}, "\n")}
	g := harness.Start(t, options)
	harness.Await(t, "the catalogs", func() bool {
		return strings.Count(g.Do(t, harness.Request{Method: "GET", Target: "/v2/catalog"}).Body, "-plan") == 2
	})
	if got := g.Do(t, provision("db", "one")); got.Status != http.StatusCreated {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	if got := metric(t, g, "breaker_open", "db"); got != "0" {
		t.Errorf("breaker_open is %q", got)
	}
	broker.set(func(b *guarded) { b.behaves = hang.behave })
	for i := range 3 {
		if got := g.Do(t, provision("db", "lost-"+strconv.Itoa(i))); got.Status != http.StatusGatewayTimeout {
			t.Fatalf("got %d %s, want 504", got.Status, got.Body)
		}
	}
	served := func() (n int) {
		broker.set(func(b *guarded) {
			for identity, times := range b.served {
				if strings.HasPrefix(identity, "counted") {
					n += times
				}
			}
		})
		return n
	}
	counted := func(r harness.Request) harness.Request {
		r.Header = http.Header{"X-Broker-Api-Request-Identity": {"counted"}}
		return r
	}
	refuses := func(when string) {
		t.Helper()
		for _, r := range []harness.Request{
			deprovision("db", "one"), deprovision("db", "lost-0"), provision("db", "more"),
			{Method: "GET", Target: "/v2/service_instances/one/last_operation"},
		} {
			got := g.Do(t, counted(r))
			wantUnavailable(t, when+": "+r.Method, got)
			if wait, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || wait < 3000 || wait > 3600 {
				t.Errorf("%s: told to come again after %q", when, got.Header.Get("Retry-After"))
			}
		}
		if got := served(); got != 0 {
			t.Errorf("%s: the broker heard of %d calls", when, got)
		}
		if got := g.Do(t, provision("other", strings.ReplaceAll(when, " ", "-"))); got.Status != http.StatusCreated {
			t.Errorf("%s: the other broker: got %d %s", when, got.Status, got.Body)
		}
		if got := statusOf(t, g, "db").Breaker; got.State != "open" || got.Failures != 3 || got.RetryAt == nil {
			t.Errorf("%s: got the status %+v", when, got)
		}
		if got := metric(t, g, "breaker_open", "db"); got != "1" {
			t.Errorf("%s: breaker_open is %q", when, got)
		}
	}
	refuses("open")
	if err := g.Reload(t, options); err != nil {
		t.Fatal(err)
	}
	refuses("after a reload")
	if said, err := g.Caddy(t, "osb-gateway", "status", "--address", strings.TrimPrefix(g.Admin, "http://")); err != nil ||
		!strings.Contains(said, "REFUSED until") {
		t.Errorf("the command says %v:\n%s", err, said)
	}

	hang.release() // the next fetch of the catalog is answered, which is before the hour is over
	harness.Await(t, "the broker to be tried", func() bool {
		return g.Do(t, deprovision("db", "one")).Status == http.StatusOK
	})
	if got := statusOf(t, g, "db").Breaker; got.State != "closed" || got.Failures != 0 {
		t.Errorf("got the status %+v", got)
	}
	if got := metric(t, g, "breaker_open", "db"); got != "0" {
		t.Errorf("breaker_open is %q", got)
	}
	// Nothing that may have been made is lost: it can be deleted.
	for i := range 3 {
		harness.Await(t, "what was lost to be deleted", func() bool {
			return g.Do(t, deprovision("db", "lost-"+strconv.Itoa(i))).Status == http.StatusOK
		})
	}
	for _, word := range []string{"a backend does not answer", "a backend answers again"} {
		if got := strings.Count(g.Output(), word); got < 1 || got > 3 {
			t.Errorf("the log says %q %d times", word, got)
		}
	}
}
