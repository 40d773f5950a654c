package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestNamesNotConfigured: the status names backends and platforms that the configuration lacks, by the ids and names
// that they had, and counts their records.
func TestNamesNotConfigured(t *testing.T) {
	one, two := startBroker(t, "one"), startBroker(t, "two")
	s := startServer(t)
	a := startAdmin(t)
	platform := func(name string) string { return strings.Replace(platformBlock, "cf", name, 1) }
	s.mustLoad(t, s.config("store file\n"+platform("cf")+one.block("uno", "")+two.block("two", "")))
	s.call(t, http.StatusCreated, "PUT", instancePath("i"), createBody("one"))
	s.call(t, http.StatusCreated, "PUT", instancePath("j"), createBody("one"))
	s.call(t, http.StatusOK, "DELETE", instancePath("j")+"?service_id=one&plan_id=one-small", "")
	s.call(t, http.StatusCreated, "PUT", instancePath("k"), createBody("two"))
	s.mustLoad(t, s.config("store file\n"+platform("cf")+one.block("one", "formerly uno")+two.block("two", "")))
	records := func() any {
		t.Helper()
		answer, _ := a.ask(t, http.StatusOK, "GET", "/osb_gateway/")
		return at(t, answer, "gateways", 0, "records")
	}
	if missing, ok := at(t, records(), "names_not_configured").([]any); !ok || len(missing) != 0 {
		t.Errorf("while all is configured it says %v, want an empty list", missing)
	}

	s.mustLoad(t, s.config("store file\n"+platform("cloud")+two.block("two", "")))
	got := records()
	wantAt(t, got, 3.0, "not_configured")
	for i, want := range []struct {
		kind, id, lastName string
		live, gone         float64
	}{{"backend", "uno", "one", 1, 1}, {"platform", "cf", "cf", 2, 1}} {
		missing := at(t, got, "names_not_configured", i)
		wantAt(t, missing, want.kind, "kind")
		wantAt(t, missing, want.id, "id")
		wantAt(t, missing, want.live, "live")
		wantAt(t, missing, want.gone, "gone")
		names, _ := at(t, missing, "names").([]any)
		if len(names) == 0 || names[len(names)-1] != want.lastName {
			t.Errorf("the names of %s are %v, want %s at the end", want.id, names, want.lastName)
		}
		if seen, _ := at(t, missing, "last_seen").(string); len(seen) != len("2026-11-20") {
			t.Errorf("%s was last seen %q, want a day", want.id, seen)
		}
	}
}
