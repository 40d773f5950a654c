package catalogmerge_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func TestExposeNothing(t *testing.T) {
	t.Parallel()
	if x := catalogmerge.Expose(nil, &catalogmerge.Policy{Prefix: "x"}, nil, nil); x != nil {
		t.Errorf("got %v", x)
	}
	before := catalogmerge.Expose(refresh(t, nil, "x", noon), nil, nil, nil)
	if x := catalogmerge.Expose(nil, nil, nil, before); x != nil {
		t.Errorf("got %v", x)
	}
	c := catalogmerge.Merge([]*catalogmerge.Exposed{nil, nil}, nil)
	if backend, ok := c.Offering("a"); ok || c.OwnOffering("x", "a") != "a" || c.ExposedPlan("x", "a") != "a" || c.Draining("a") {
		t.Errorf("an empty catalog knows %q", backend)
	}
}

// TestExposeReuses: what did not change is taken from before, with its bytes.
func TestExposeReuses(t *testing.T) {
	t.Parallel()
	bare := `{"id":"2","name":"two","description":"d","bindable":true,"plans":[{"id":"b","name":"b","description":"d"}]}`
	services := []string{service("1", "one", "a"), bare, service("3", "three", "c")}
	policy := func() *catalogmerge.Policy {
		return &catalogmerge.Policy{
			Name: "x", Prefix: "x-", Rename: map[string]string{"one": "uno"}, Exclude: all("three"), Include: some("one", "a"),
		}
	}
	policyOfAll := policy()
	policyOfAll.Include = nil
	o := &catalogmerge.Options{Gateway: gateway}
	c := refreshWith(t, nil, "x", policyOfAll, noon, services...)
	first := catalogmerge.Expose(c, policyOfAll, o, nil)
	published := func(x *catalogmerge.Exposed) []catalogmerge.Published {
		return catalogmerge.Merge([]*catalogmerge.Exposed{x}, o).Offerings
	}
	same := func(a, b catalogmerge.Published) bool { return unsafe.SliceData(a.Raw) == unsafe.SliceData(b.Raw) }

	again := policy()
	again.Include = nil
	if catalogmerge.Expose(c, again, &catalogmerge.Options{Gateway: gateway}, first) != first {
		t.Error("with nothing new, it is made anew")
	}
	services[0] = with(services[0], `"x":1`)
	next := catalogmerge.Expose(refreshWith(t, decode(t, encode(t, c)), "x", policyOfAll, noon.Add(time.Minute), services...),
		again, o, first)
	before, after := published(first), published(next)
	if len(after) != 2 || same(before[0], after[0]) || !same(before[1], after[1]) {
		t.Errorf("of two offerings one of which changed, got %v", after)
	}
	gone := catalogmerge.Expose(refreshWith(t, c, "x", policyOfAll, noon.Add(time.Minute), services[0]), again, o, first)
	if got := published(gone); len(got) != 2 || !same(before[1], got[1]) || got[1].MissingSince.IsZero() {
		t.Errorf("a missing offering became %+v", got)
	}

	// Everything else counts as new.
	changes := map[string]func() *catalogmerge.Exposed{
		"another prefix": func() *catalogmerge.Exposed {
			p := policy()
			p.Include, p.Prefix = nil, "y-"
			return catalogmerge.Expose(c, p, o, first)
		},
		"another name": func() *catalogmerge.Exposed {
			p := policy()
			p.Include, p.Rename = nil, map[string]string{"two": "deux"}
			return catalogmerge.Expose(c, p, o, first)
		},
		"a selection": func() *catalogmerge.Exposed { return catalogmerge.Expose(c, policy(), o, first) },
		"mapped ids": func() *catalogmerge.Exposed {
			p := policy()
			p.Include, p.NamespaceIDs = nil, true
			return catalogmerge.Expose(c, p, o, first)
		},
		"drained": func() *catalogmerge.Exposed {
			p := policy()
			p.Include, p.Drain = nil, true
			return catalogmerge.Expose(c, p, o, first)
		},
		"defaults": func() *catalogmerge.Exposed {
			return catalogmerge.Expose(c, again, &catalogmerge.Options{Gateway: gateway, MaterializeDefaults: true}, first)
		},
		"no policy": func() *catalogmerge.Exposed { return catalogmerge.Expose(c, nil, o, first) },
	}
	for name, change := range changes {
		x, afresh := change(), fmt.Sprint(published(first))
		if x == first || fmt.Sprint(published(x)) == afresh {
			t.Errorf("%s changes nothing", name)
		}
	}
	// Another gateway or backend maps ids otherwise.
	mapped := &catalogmerge.Policy{NamespaceIDs: true}
	x := catalogmerge.Expose(c, mapped, o, first)
	other := catalogmerge.Expose(c, mapped, &catalogmerge.Options{Gateway: "other"}, x)
	if got := published(other)[0].ID; got != catalogmerge.MappedOffering("other", "x", "1") {
		t.Errorf("another gateway shows %s", got)
	}
	renamed := *c
	renamed.Backend = "y"
	if got := published(catalogmerge.Expose(&renamed, mapped, o, x))[0].ID; got != catalogmerge.MappedOffering(gateway, "y", "1") {
		t.Errorf("another backend shows %s", got)
	}
}

// TestBytesAreShared counts the copies of the bytes of a catalog of 100,000 plans: what backends sent, what is shown
// where that is something else, and the merged body.
func TestBytesAreShared(t *testing.T) {
	t.Parallel()
	const backends, offerings, plans = 100, 10, 100
	copies := make([]*catalogmerge.Copy, backends)
	own := 0
	for i := range copies {
		services := make([]string, offerings)
		for j := range services {
			ids := make([]string, plans)
			for k := range ids {
				ids[k] = fmt.Sprintf("4d0bb0a6-%04d-4b6b-8c1c-%06d%06d/plan-%d", i, j, k, k)
			}
			services[j] = service(fmt.Sprintf("4d0bb0a6-%04d-4b6b-8c1c-%012d", i, j), fmt.Sprintf("offering-%d-%d", i, j), ids...)
		}
		copies[i] = refresh(t, nil, fmt.Sprint("backend-", i), noon, services...)
		for _, offering := range copies[i].Offerings {
			own += len(offering.Raw)
		}
	}
	for name, tt := range map[string]struct {
		policy *catalogmerge.Policy
		limit  float64
	}{
		"without a policy": {nil, 2.01},
		"with mapped ids":  {&catalogmerge.Policy{NamespaceIDs: true}, 3.01}, // which are as long as these
	} {
		o := &catalogmerge.Options{Gateway: gateway}
		exposed := make([]*catalogmerge.Exposed, backends)
		for i := range copies {
			exposed[i] = catalogmerge.Expose(copies[i], tt.policy, o, nil)
		}
		c := catalogmerge.Merge(exposed, o)
		held := make(map[*byte]int)
		hold := func(b []byte) { held[unsafe.SliceData(b)] = len(b) }
		for _, from := range copies {
			for _, offering := range from.Offerings {
				hold(offering.Raw)
			}
		}
		for _, p := range c.Offerings {
			hold(p.Raw)
		}
		hold(c.Body)
		for _, view := range c.Views([]*catalogmerge.Visibility{nil, allow(t, "*"), deny(t, "nothing")}) {
			hold(view.Body)
		}
		sum := 0
		for _, size := range held {
			sum += size
		}
		ratio := float64(sum) / float64(own)
		t.Logf("%s: %d plans, %d bytes sent, held %.2f times", name, backends*offerings*plans, own, ratio)
		if len(c.Offerings) != backends*offerings || ratio > tt.limit {
			t.Errorf("%s: %d offerings; the bytes are held %.2f times, want %.2f at most", name, len(c.Offerings), ratio, tt.limit)
		}
	}
}

// TestExposeLetsGo: what follows a copy does not hold on to it.
func TestExposeLetsGo(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]*catalogmerge.Policy{"without a policy": nil, "with mapped ids": {NamespaceIDs: true}} {
		o := &catalogmerge.Options{Gateway: gateway}
		old := refreshWith(t, nil, "x", policy, noon, service("1", "one", "a"), service("2", "two", "b"))
		before := catalogmerge.Expose(old, policy, o, nil)
		c := refreshWith(t, decode(t, encode(t, old)), "x", policy, noon.Add(time.Minute),
			service("1", "one", "a"), with(service("2", "two", "b"), `"x":1`))
		after := catalogmerge.Expose(c, policy, o, before)
		catalog := catalogmerge.Merge([]*catalogmerge.Exposed{after}, o)
		held := weak.Make(old)
		raw := weak.Make(unsafe.SliceData(old.Offerings[0].Raw))
		for range 10 {
			runtime.GC()
		}
		if held.Value() != nil || raw.Value() != nil {
			t.Errorf("%s: the copy before is held", name)
		}
		runtime.KeepAlive(after)
		runtime.KeepAlive(catalog)
	}
}
