package caddymodule_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// startCatalog starts what answers every request with a catalog, and returns its URL.
func startCatalog(t *testing.T, catalog string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, catalog)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestAdminCatalog tells what is published, to whom, and how much hangs on it.
func TestAdminCatalog(t *testing.T) {
	one, two := startBroker(t, "one"), startBroker(t, "two")
	s := startServer(t)
	a := startAdmin(t)
	platforms := platformBlock[:len(platformBlock)-2] + "\tunknown_instances reject\n\tofferings deny backend:two\n}\n" +
		"platform k8s {\n\tbasic_auth k8s " + secretHash + "\n\tunknown_instances reject\n}\n"
	s.mustLoad(t, s.config("store memory\n"+platforms+one.block("one", "prefix my-")+two.block("two", "drain")))
	s.call(t, http.StatusCreated, "PUT", instancePath("i1"), createBody("one"))
	s.call(t, http.StatusCreated, "PUT", instancePath("i2"), createBody("one"))

	answer, content := a.ask(t, http.StatusOK, "GET", "/osb_gateway/catalog")
	wantAt(t, answer, "default", "gateway")
	wantAt(t, answer, true, "servable")
	wantAt(t, answer, true, "complete")
	wantAt(t, answer, "my-one", "catalog", "offerings", 0, "name")
	wantAt(t, answer, "one", "catalog", "offerings", 0, "own_name")
	wantAt(t, answer, "one", "catalog", "offerings", 0, "backend")
	wantAt(t, answer, "one-small", "catalog", "offerings", 0, "plans", 0, "id")
	wantAt(t, answer, true, "catalog", "offerings", 1, "draining")
	for index, want := range [][]any{{"cf", "k8s"}, {"k8s"}} {
		if got := at(t, answer, "catalog", "offerings", index, "platforms").([]any); !slices.Equal(got, want) {
			t.Errorf("offering %d is seen by %v, want %v", index, got, want)
		}
	}
	if strings.Contains(content, "instances") {
		t.Errorf("instances are counted without being asked for: %s", content)
	}

	answer, _ = a.ask(t, http.StatusOK, "GET", "/osb_gateway/catalog?instances=true&gateway=default")
	wantAt(t, answer, 2.0, "catalog", "offerings", 0, "plans", 0, "instances", "cf")
	a.ask(t, http.StatusBadRequest, "GET", "/osb_gateway/catalog?instances=many")
	a.ask(t, http.StatusBadRequest, "GET", "/osb_gateway/catalog?gateway=other")
	a.ask(t, http.StatusMethodNotAllowed, "POST", "/osb_gateway/catalog")
	a.ask(t, http.StatusNotFound, "GET", "/osb_gateway/catalog/other")
}

// TestAdminProblems names backend, place and rule of what is wrong, and counts it beside the backends.
func TestAdminProblems(t *testing.T) {
	bad := strings.Replace(offering("bad", "small"), `"bindable": true`, `"bindable": 1`, 1)
	one := startCatalog(t, catalogOf(offering("good", "small"), bad))
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store memory\n"+platformBlock+"backend uno "+one+" {\n\tformerly one\n\tinclude good\n\tinclude bad\n"+
		"\tinclude absent\n}\nbackend away http://127.0.0.1:1\n"))

	answer, _ := a.ask(t, http.StatusOK, "GET", "/osb_gateway/catalog/problems")
	wantAt(t, answer, "default", "gateway")
	wantAt(t, answer, "uno", "problems", 0, "backend")
	wantAt(t, answer, "bad-id", "problems", 0, "offering")
	wantAt(t, answer, "services[1].bindable", "problems", 0, "path")
	wantAt(t, answer, "wrong_type", "problems", 0, "rule")
	wantAt(t, answer, true, "problems", 0, "hard")
	wantAt(t, answer, false, "problems", 1, "hard")

	answer, content := a.ask(t, http.StatusOK, "GET", "/osb_gateway/backends")
	wantAt(t, answer, "uno", "backends", 0, "name")
	wantAt(t, answer, 1.0, "backends", 0, "offerings")
	wantAt(t, answer, 1.0, "backends", 0, "plans")
	wantAt(t, answer, 1.0, "backends", 0, "quarantined")
	wantAt(t, answer, true, "backends", 0, "catalog", "known")
	wantAt(t, answer, false, "backends", 1, "catalog", "known")
	wantAt(t, answer, 0.0, "backends", 1, "offerings")
	if strings.Contains(content, "first_seen") {
		t.Errorf("what is known is told without being asked for: %s", content)
	}
	answer, _ = a.ask(t, http.StatusOK, "GET", "/osb_gateway/backends?known=true")
	at(t, answer, "backends", 0, "known", "offerings", "good-id", "first_seen")
	at(t, answer, "backends", 0, "known", "plans", "bad-small-id")
	a.ask(t, http.StatusBadRequest, "GET", "/osb_gateway/backends?known=perhaps")
}

// TestViews: each platform gets its own catalog with its own entity tag.
func TestViews(t *testing.T) {
	one, two := startBroker(t, "one"), startBroker(t, "two")
	s := startServer(t)
	hidden := "store memory\n" + platformBlock[:len(platformBlock)-2] + "\tofferings deny two\n}\n" + one.block("one", "") + two.block("two", "")
	s.mustLoad(t, s.config(hidden))
	if catalog := s.call(t, http.StatusOK, "GET", "/v2/catalog", ""); !strings.Contains(catalog, `"one"`) || strings.Contains(catalog, `"two"`) {
		t.Errorf("the catalog is %s", catalog)
	}
	s.mustLoad(t, s.config("store memory\n"+platformBlock+one.block("one", "")+two.block("two", "rename two zwei")))
	if catalog := s.call(t, http.StatusOK, "GET", "/v2/catalog", ""); !strings.Contains(catalog, `"zwei"`) || strings.Contains(catalog, `"name": "two"`) {
		t.Errorf("the catalog is %s", catalog)
	}
}
