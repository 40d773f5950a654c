package caddymodule_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestAdminRefreshes the catalogs, each by itself, and says what came of it.
func TestAdminRefreshes(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store memory\n"+platformBlock+b.block("one", "")+
		"backend away http://127.0.0.1:1 {\nbasic_auth gateway "+secretPassword+"\n}\n"))
	answer, said := a.ask(t, http.StatusOK, "POST", "/osb_gateway/catalog/refresh")
	wantAt(t, answer, "default", "gateway")
	for _, part := range []string{`"name": "one"`, `"offerings": 1`, `"name": "away"`, `"outcome": "failed"`, `backend \"away\": not reached`} {
		if !strings.Contains(said, part) {
			t.Errorf("the answer has no %s: %s", part, said)
		}
	}
	_, said = a.ask(t, http.StatusOK, "POST", "/osb_gateway/catalog/refresh?backend=one&gateway=default")
	if !strings.Contains(said, `"outcome": "unchanged"`) || strings.Contains(said, "away") {
		t.Errorf("of one backend it says %s", said)
	}
	if _, said := a.ask(t, http.StatusNotFound, "POST", "/osb_gateway/catalog/refresh?backend=two"); !strings.Contains(said, "one, away") {
		t.Errorf("of a backend that is not there it says %s", said)
	}
	a.ask(t, http.StatusNotFound, "POST", "/osb_gateway/catalog/refresh?backend=")
	a.ask(t, http.StatusMethodNotAllowed, "GET", "/osb_gateway/catalog/refresh")
	a.ask(t, http.StatusNotFound, "POST", "/osb_gateway/catalog/refresh/one")
	if strings.Contains(said, secretPassword) {
		t.Error("the answer has a password")
	}
}

// TestAdminAccepts the store and backends, and says who had it done.
func TestAdminAccepts(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store file\n"+platformBlock+b.block("one", "")+
		"backend away http://127.0.0.1:1 {\nbasic_auth gateway "+secretPassword+"\n}\n"))
	answer, _ := a.ask(t, http.StatusOK, "POST", "/osb_gateway/store/accept")
	wantAt(t, answer, "default", "gateway")
	wantAt(t, answer, true, "identity", "known")
	answer, _ = a.ask(t, http.StatusOK, "POST", "/osb_gateway/backends/one/accept")
	wantAt(t, answer, "one", "backend", "name")
	wantAt(t, answer, false, "backend", "suspect")
	if _, said := a.ask(t, http.StatusNotFound, "POST", "/osb_gateway/backends/two/accept"); !strings.Contains(said, "one, away") {
		t.Errorf("of a backend that is not there it says %s", said)
	}
	a.ask(t, http.StatusBadGateway, "POST", "/osb_gateway/backends/away/accept")
	a.ask(t, http.StatusMethodNotAllowed, "GET", "/osb_gateway/backends/one/accept")
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"the ownership store was accepted by an operator", "a backend was accepted by an operator"} {
		if strings.Count(string(log), line) != 1 {
			t.Errorf("the log does not say once that %s", line)
		}
	}
}
