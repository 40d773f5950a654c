package caddymodule_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// crnID is an id as IBM Cloud gives them.
const crnID = "crn:v1:bluemix:public:some-service:us-south:a/0123456789abcdef:4d2c-11::"

// oddIDs are ids that a path must take apart rightly.
var oddIDs = []string{crnID, "plain", "a b", "a%2Fb", "a+b", "ä/ö", "?x=1&id=2", "#f", "}{", "...", `"`, "a//b", "instances"}

func instanceTarget(id string) string { return "/osb_gateway/instances/" + url.PathEscape(id) }

// TestAdminWithoutGateways: an empty list, and nothing to show.
func TestAdminWithoutGateways(t *testing.T) {
	a := startAdmin(t)
	for _, target := range []string{"/osb_gateway", "/osb_gateway/", "/osb_gateway/?census=false"} {
		answer, _ := a.ask(t, http.StatusOK, "GET", target)
		if gateways, ok := at(t, answer, "gateways").([]any); !ok || len(gateways) != 0 {
			t.Errorf("%s: got %v", target, answer)
		}
	}
	for _, request := range []struct{ method, target string }{
		{"GET", "/osb_gateway/instances/i"},
		{"DELETE", "/osb_gateway/instances/i"},
		{"POST", "/osb_gateway/store/accept"},
		{"GET", "/osb_gateway/?gateway=default"},
	} {
		if _, said := a.ask(t, http.StatusServiceUnavailable, request.method, request.target); !strings.Contains(said, "no OSB gateway") {
			t.Errorf("%v: it says %s", request, said)
		}
	}
}

// TestAdminRefuses: what is asked for wrongly.
func TestAdminRefuses(t *testing.T) {
	a := startAdmin(t)
	for _, test := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"POST", "/osb_gateway/", 405, "GET, HEAD"},
		{"DELETE", "/osb_gateway", 405, "GET, HEAD"},
		{"PUT", "/osb_gateway/instances/i", 405, "DELETE, GET, HEAD"},
		{"GET", "/osb_gateway/store/accept", 405, "POST"},
		{"GET", "/osb_gateway/nothing", 404, ""},
		{"GET", "/osb_gateway/store", 404, ""},
		{"POST", "/osb_gateway/store/accept/more", 404, ""},
		{"GET", "/osb_gateway/instances", 400, ""},
		{"DELETE", "/osb_gateway/instances/", 400, ""},
		{"DELETE", "/osb_gateway/instances/?id=", 400, ""},
		{"DELETE", "/osb_gateway/instances/a/b", 400, ""},
		{"DELETE", "/osb_gateway/instances/a?id=b", 400, ""},
		{"DELETE", "/osb_gateway/instances/?id=a&id=b", 400, ""},
		{"GET", "/osb_gateway/instances/?id=%zz", 400, ""},
		{"GET", "/osb_gateway/?census=maybe", 400, ""},
		{"GET", "/osb_gateway/?timeout=1", 400, ""},
		{"GET", "/osb_gateway/?timeout=-1s", 400, ""},
		{"GET", "/osb_gateway/?timeout=11m", 400, ""},
	} {
		response, said := a.try(t, test.method, test.target) //nolint:bodyclose // try read and closed it
		if response.StatusCode != test.status || response.Header.Get("Allow") != test.allow || said == "" {
			t.Errorf("%s %s: got %d (Allow: %s) %s, want %d (%s)", test.method, test.target, response.StatusCode,
				response.Header.Get("Allow"), said, test.status, test.allow)
		}
	}
}

// TestAdminStatus reads the state of a gateway field by field.
func TestAdminStatus(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store memory\n"+platformBlock+b.block("one", "formerly uno")+
		"backend away http://127.0.0.1:1 {\nbasic_auth gateway "+secretPassword+"\n}\n"))
	s.call(t, http.StatusCreated, "PUT", instancePath("i"), createBody("one"))
	s.call(t, http.StatusCreated, "PUT", instancePath("j"), createBody("one"))
	s.call(t, http.StatusOK, "DELETE", instancePath("j")+"?service_id=one&plan_id=one-small", "")
	await(t, "the other backend's failure", func() bool {
		answer, _ := a.ask(t, http.StatusOK, "GET", "/osb_gateway/?census=false")
		catalog, _ := at(t, answer, "gateways", 0, "backends", 1, "catalog").(map[string]any)
		return catalog["error"] != nil
	})

	answer, text := a.ask(t, http.StatusOK, "GET", "/osb_gateway/")
	gateway := at(t, answer, "gateways", 0)
	wantAt(t, gateway, "default", "name")
	wantAt(t, gateway, true, "ready")
	wantAt(t, gateway, "memory", "store", "kind")
	wantAt(t, gateway, true, "store", "answers")
	wantAt(t, gateway, true, "store", "identity", "known")
	wantAt(t, gateway, true, "cache", "enabled")
	wantAt(t, gateway, 0.0, "queue", "waiting")
	wantAt(t, gateway, 10_000.0, "queue", "capacity")
	wantAt(t, gateway, true, "names_registered")
	wantAt(t, gateway, "cf", "platforms", 0, "name")
	wantAt(t, gateway, "cf", "platforms", 0, "id")
	wantAt(t, gateway, "one", "backends", 0, "name")
	wantAt(t, gateway, "uno", "backends", 0, "id")
	wantAt(t, gateway, "uno", "backends", 0, "formerly", 0)
	wantAt(t, gateway, true, "backends", 0, "catalog", "known")
	wantAt(t, gateway, false, "backends", 0, "suspect")
	wantAt(t, gateway, false, "backends", 1, "catalog", "known")
	wantAt(t, gateway, true, "records", "complete")
	wantAt(t, gateway, 1.0, "records", "instances", "ready")
	wantAt(t, gateway, 1.0, "records", "instances", "gone")
	wantAt(t, gateway, 0.0, "records", "bindings", "ready")
	wantAt(t, gateway, "cf", "records", "owners", 0, "platform")
	wantAt(t, gateway, 1.0, "records", "owners", 0, "live")
	for _, finding := range []string{"strays", "leftovers", "unfinished", "unreadable"} {
		wantAt(t, gateway, 0.0, "records", finding, "count")
		if examples, ok := at(t, gateway, "records", finding, "examples").([]any); !ok || len(examples) != 0 {
			t.Errorf("the examples of %s are %v, want an empty list", finding, examples)
		}
	}
	for _, secret := range []string{secretPassword, secretHash} {
		if strings.Contains(text, secret) {
			t.Errorf("the status tells a secret: %s", text)
		}
	}
	answer, _ = a.ask(t, http.StatusOK, "GET", "/osb_gateway/?census=false&gateway=default")
	if object, ok := at(t, answer, "gateways", 0).(map[string]any); !ok || object["records"] != nil {
		t.Errorf("without a census: got %v", answer)
	}
}

// TestAdminInstances shows and forgets instances with every kind of id, in the path and in the query.
func TestAdminInstances(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	a := startAdmin(t)
	s.mustLoad(t, s.config("store memory\n"+platformBlock+b.block("one", "")))
	for _, id := range oddIDs {
		a.ask(t, http.StatusNotFound, "GET", instanceTarget(id))
		a.ask(t, http.StatusNotFound, "DELETE", instanceTarget(id))
		s.call(t, http.StatusCreated, "PUT", instancePath(url.PathEscape(id)), createBody("one"))
		for _, target := range []string{
			instanceTarget(id), "/osb_gateway/instances?id=" + url.QueryEscape(id),
			"/osb_gateway/instances/?gateway=default&id=" + url.QueryEscape(id),
		} {
			answer, _ := a.ask(t, http.StatusOK, "GET", target)
			wantAt(t, answer, "default", "gateway")
			wantAt(t, answer, id, "instance", "instance_id")
			wantAt(t, answer, "ready", "instance", "state")
			wantAt(t, answer, "one", "instance", "backend")
			wantAt(t, answer, true, "instance", "backend_configured")
		}
		answer, _ := a.ask(t, http.StatusOK, "DELETE", instanceTarget(id))
		wantAt(t, answer, true, "changed")
		wantAt(t, answer, "ready", "before", "state")
		wantAt(t, answer, "gone", "instance", "state")
		if _, ok := at(t, answer, "instance", "expires_at").(string); !ok {
			t.Errorf("%s: it is not said when the tombstone goes: %v", id, answer)
		}
		answer, _ = a.ask(t, http.StatusOK, "DELETE", instanceTarget(id))
		wantAt(t, answer, false, "changed")
	}
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	if count := strings.Count(string(log), "the record of an instance was forgotten"); count != 2*len(oddIDs) {
		t.Errorf("%d lines in the log tell of it, want %d", count, 2*len(oddIDs))
	}
	if !strings.Contains(string(log), `"remote_addr":"127.0.0.1:`) {
		t.Error("the log does not say who did it")
	}
}

// TestAdminShowsBindings: they are listed with the instance, and stay when it is forgotten.
func TestAdminShowsBindings(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	a := startAdmin(t)
	for _, store := range []string{"memory", "file"} {
		t.Run(store, func(t *testing.T) {
			s.mustLoad(t, s.config("store "+store+"\n"+platformBlock+b.block("one", "")))
			s.call(t, http.StatusCreated, "PUT", instancePath(store), createBody("one"))
			for _, id := range []string{"b2", "b1"} {
				s.call(t, http.StatusCreated, "PUT", instancePath(store)+"/service_bindings/"+id,
					`{"service_id":"one","plan_id":"one-small"}`)
			}
			answer, text := a.ask(t, http.StatusOK, "GET", instanceTarget(store))
			wantAt(t, answer, "b1", "bindings", 0, "binding_id")
			wantAt(t, answer, "ready", "bindings", 0, "state")
			wantAt(t, answer, "b2", "bindings", 1, "binding_id")
			if strings.Contains(text, "password") || strings.Contains(text, "credentials") {
				t.Errorf("credentials are shown: %s", text)
			}
			answer, _ = a.ask(t, http.StatusOK, "DELETE", instanceTarget(store))
			wantAt(t, answer, "b1", "bindings", 0, "binding_id")
			answer, _ = a.ask(t, http.StatusOK, "GET", "/osb_gateway/")
			wantAt(t, answer, 2.0, "gateways", 0, "records", "leftovers", "count")
			wantAt(t, answer, "instance_gone", "gateways", 0, "records", "leftovers", "examples", 0, "reason")
			s.call(t, http.StatusOK, "DELETE",
				instancePath(store)+"/service_bindings/b1?service_id=one&plan_id=one-small", "")
		})
	}
}
