package catalogmerge_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// checkCatalog checks what must hold for every merged catalog, with encoding/json as the reader: what is published is
// what the copies hold, byte for byte; nothing is there twice; and what is not published is named in the problems.
func checkCatalog(t testing.TB, c *catalogmerge.Catalog, copies []*catalogmerge.Copy) {
	t.Helper()
	services, err := decodeServices(c.Body)
	if err != nil {
		t.Fatalf("the merged body is not a catalog: %v\n%s", err, c.Body)
	}
	if got, want := len(services), len(c.Offerings); got != want {
		t.Fatalf("the body holds %d offerings, the list %d", got, want)
	}
	checkUnique(t, services)
	for i, o := range c.Offerings {
		if string(services[i]) != string(o.Raw) {
			t.Errorf("offering %d is\n%s\nwant\n%s", i, services[i], o.Raw)
		}
		if backend, ok := c.Offering(o.ID); !ok || backend != o.Backend {
			t.Errorf("Offering(%q) = %q, %t, want %q", o.ID, backend, ok, o.Backend)
		}
		if _, _, ok := c.OfferingOwner(o.ID); !ok {
			t.Errorf("OfferingOwner(%q) knows nobody", o.ID)
		}
		if _, _, ok := c.NameOwner(o.Name); !ok {
			t.Errorf("NameOwner(%q) knows nobody", o.Name)
		}
		for _, p := range o.Plans {
			if !c.Plan(o.ID, p.ID) {
				t.Errorf("Plan(%q, %q) is false", o.ID, p.ID)
			}
			if _, _, ok := c.PlanOwner(p.ID); !ok {
				t.Errorf("PlanOwner(%q) knows nobody", p.ID)
			}
		}
	}

	// Walking copies and catalog side by side also proves the order.
	next := 0
	for _, from := range copies {
		if from == nil {
			continue
		}
		for _, o := range from.Offerings {
			if next < len(c.Offerings) && c.Offerings[next].Backend == from.Backend &&
				string(c.Offerings[next].Raw) == string(o.Raw) {
				next++
				continue
			}
			if !names(c.Problems, from.Backend, o.ID) {
				t.Errorf("offering %q of backend %q is neither published nor named in %v", o.ID, from.Backend, c.Problems)
			}
		}
	}
	if next != len(c.Offerings) {
		t.Errorf("the catalog holds offerings that no copy has: %d of %d", len(c.Offerings)-next, len(c.Offerings))
	}
}

func names(problems []catalogmerge.Problem, backend, offering string) bool {
	for _, p := range problems {
		if p.Backend == backend && p.Offering == offering {
			return true
		}
	}
	return false
}

// checkUnique checks that a platform would find each id and name once.
func checkUnique(t testing.TB, services []json.RawMessage) {
	t.Helper()
	seen := make(map[string]bool)
	once := func(kind string, value any) {
		key := fmt.Sprintf("%s %v", kind, value)
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	for _, raw := range services {
		// Maps, because structs take "ID" for "id".
		service := decodeAny(t, raw).(map[string]any)
		once("offering id", service["id"])
		once("offering name", service["name"])
		if client, ok := service["dashboard_client"].(map[string]any); ok {
			once("dashboard client id", client["id"])
		}
		for _, plan := range service["plans"].([]any) {
			plan := plan.(map[string]any)
			once("plan id", plan["id"])
			once(fmt.Sprintf("plan of %v with name", service["id"]), plan["name"])
		}
	}
}

// checkRefreshed checks a copy made of one body alone: each offering of the body is in it unchanged, or named in its
// problems by its position.
func checkRefreshed(t testing.TB, c *catalogmerge.Copy, body []byte) {
	t.Helper()
	services, err := decodeServices(body)
	if err != nil {
		t.Fatalf("Refresh took %q: %v", body, err)
	}
	next := 0
	for i, raw := range services {
		if next < len(c.Offerings) && string(c.Offerings[next].Raw) == string(raw) && !namesPosition(c.Problems, i) {
			next++
			continue
		}
		if !namesPosition(c.Problems, i) {
			t.Errorf("offering %d, %s, is neither published nor named in %v", i, raw, c.Problems)
		}
	}
	if next != len(c.Offerings) {
		t.Errorf("the copy holds %d offerings that the body does not", len(c.Offerings)-next)
	}
}

func namesPosition(problems []catalogmerge.Problem, position int) bool {
	path := fmt.Sprintf("services[%d]", position)
	for _, p := range hardOf(problems) {
		if p.Path == path || len(p.Path) > len(path) && p.Path[:len(path)+1] == path+"." {
			return true
		}
	}
	return false
}

// diffCopies is cmp.Diff, which is too slow for a fuzzer, behind a quick look that nearly always suffices.
func diffCopies(want, got *catalogmerge.Copy) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// checkFollows checks a copy that Refresh made of body at the time now, after the copy before.
func checkFollows(t testing.TB, before, c *catalogmerge.Copy, body []byte, etag string, now time.Time) {
	t.Helper()
	encoded := encode(t, c)
	if diff := diffCopies(c, decode(t, encoded)); diff != "" {
		t.Errorf("encoded and decoded (-want +got):\n%s", diff)
	}
	if string(encode(t, decode(t, encoded))) != string(encoded) {
		t.Error("encoding twice gives other bytes")
	}
	again, err := refreshed(c, c.Backend, body, etag, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffCopies(c, again); diff != "" {
		t.Errorf("the same body again (-first +second):\n%s", diff)
	}
	if diff := diffCopies(c, touch(c, now)); diff != "" {
		t.Errorf("Touch at the same time (-want +got):\n%s", diff)
	}
	if string(encode(t, c)) != string(encoded) {
		t.Error("what followed changed the copy before it")
	}
	checkStays(t, before, c, now)
	if own := merge([]*catalogmerge.Copy{c}); len(own.Offerings) != len(c.Offerings) {
		t.Errorf("the copy clashes with itself: %v", own.Problems)
	} else {
		checkCatalog(t, own, []*catalogmerge.Copy{c})
	}
}

// checkStays checks that nothing leaves a copy before its time, and that nothing once known is forgotten. The two copies
// were made with one policy.
func checkStays(t testing.TB, before, after *catalogmerge.Copy, now time.Time) {
	t.Helper()
	if before == nil {
		return
	}
	present := make(map[string]bool)
	for _, o := range after.Offerings {
		present[o.ID] = true
		if !o.MissingSince.IsZero() && now.Sub(o.MissingSince) >= withdrawAfter {
			t.Errorf("offering %q is still there, missing since %v", o.ID, o.MissingSince)
		}
	}
	for _, o := range before.Offerings {
		if !present[o.ID] && (o.MissingSince.IsZero() || now.Sub(o.MissingSince) < withdrawAfter) {
			t.Errorf("offering %q left before its time", o.ID)
		}
	}
	checkKnows(t, before, after)
}

// checkKnows checks that nothing once known is forgotten or changed.
func checkKnows(t testing.TB, before, after *catalogmerge.Copy) {
	t.Helper()
	if before == nil {
		return
	}
	for id, was := range before.Known.Offerings {
		is, ok := after.Known.Offerings[id]
		if !ok || lost(was.FirstSeen, is.FirstSeen) || lost(was.MappedSince, is.MappedSince) || is.Withheld && !was.Withheld {
			t.Errorf("offering %q was known as %+v, now %+v", id, was, is)
		}
		for name, at := range was.Names {
			if now, ok := is.Names[name]; !ok || lost(at, now) {
				t.Errorf("offering %q was known as %+v, now %+v", id, was, is)
			}
		}
		for _, name := range was.OwnNames {
			if _, shown := is.Names[name]; shown == slices.Contains(is.OwnNames, name) {
				t.Errorf("offering %q was known as %+v, now %+v", id, was, is)
			}
		}
	}
	for id, was := range before.Known.Plans {
		is, ok := after.Known.Plans[id]
		wasShown := !was.FirstSeen.IsZero() || !was.MappedSince.IsZero()
		if !ok || lost(was.FirstSeen, is.FirstSeen) || lost(was.MappedSince, is.MappedSince) || is.Withheld && !was.Withheld ||
			wasShown && is.Offering != was.Offering {
			t.Errorf("plan %q was known as %+v, now %+v", id, was, is)
		}
	}
}

// lost tells whether a time that was known is not any more.
func lost(was, is time.Time) bool { return !was.IsZero() && !is.Equal(was) }
