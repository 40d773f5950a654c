package caddymodule_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// defaultFile is where a gateway keeps ownership if it is not told otherwise.
func (s *server) defaultFile(gateway string) string {
	return filepath.Join(s.data, "osb_gateway", gateway+".db")
}

// checkClosed wants that nobody has the file of a store any more.
func checkClosed(t *testing.T, path string) {
	t.Helper()
	store := filestore.New(path)
	if err := store.Open(); err != nil {
		t.Errorf("the store is still in use: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// checkRecorded wants that the outcome of a create is in a store that nobody has open.
func checkRecorded(t *testing.T, path, id string) {
	t.Helper()
	store := filestore.New(path)
	if err := store.Open(); err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	snapshot, err := store.Read(t.Context(), routing.Key{Instance: routing.InstanceID(id)})
	if err != nil {
		t.Fatalf("reading the record: %v", err)
	}
	record, err := routing.DecodeRecord(snapshot.Instance)
	if err != nil || record == nil {
		t.Fatalf("the record of %s is %v (%v)", id, record, err)
	}
	if !record.Seen || record.Unfinished() {
		t.Errorf("the outcome is not recorded: %s", snapshot.Instance)
	}
	for token, call := range record.Calls {
		if call.Done == 0 {
			t.Errorf("the end of call %s is not recorded: %s", token, snapshot.Instance)
		}
	}
}

// TestLifeOfAConfiguration starts a gateway, calls it, stops it, and starts it again on the same store.
func TestLifeOfAConfiguration(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	config := s.config(platformBlock + b.block("one", ""))
	s.mustLoad(t, config)

	s.call(t, http.StatusOK, "GET", "/healthz/live", "")
	if answer := s.call(t, http.StatusOK, "GET", "/v2/catalog", ""); !strings.Contains(answer, `"one-small"`) {
		t.Errorf("the catalog lacks the offering: %s", answer)
	}
	s.call(t, http.StatusTeapot, "GET", "/anything/else", "")
	s.call(t, http.StatusCreated, "PUT", instancePath("i1"), createBody("one"))
	s.call(t, http.StatusOK, "GET", instancePath("i1"), "")
	if !exists(s.defaultFile("default")) {
		t.Errorf("there is no %s", s.defaultFile("default"))
	}

	s.stop(t)
	if _, _, err := try(s.address, "GET", "/healthz/live", ""); err == nil {
		t.Error("the server answers after it was stopped")
	}
	checkClosed(t, s.defaultFile("default"))

	s.mustLoad(t, config)
	s.call(t, http.StatusOK, "GET", instancePath("i1"), "") // names no offering: only the record tells whose it is
	s.call(t, http.StatusOK, "DELETE", instancePath("i1")+"?service_id=one&plan_id=one-small", "")
}

// TestHandlersShareAGateway serves one block on two ports.
func TestHandlersShareAGateway(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	first, second := s.address, freeAddress(t)
	if err := s.load(t, s.options()+fmt.Sprintf("http://%s, http://%s {\nbind 127.0.0.1\nosb_gateway {\n%s\n}\n}\n",
		first, second, platformBlock+b.block("one", ""))); err != nil {
		t.Fatalf("loading: %v", err)
	}
	s.awaitReady(t, first)
	s.awaitReady(t, second)

	if status, answer, err := try(first, "PUT", instancePath("i1"), createBody("one")); err != nil || status != http.StatusCreated {
		t.Errorf("one port: got %d %s (%v), want 201", status, answer, err)
	}
	if status, answer, err := try(second, "GET", instancePath("i1"), ""); err != nil || status != http.StatusOK {
		t.Errorf("the other port: got %d %s (%v), want 200", status, answer, err)
	}
	if got := b.fetches(); got != 1 {
		t.Errorf("the catalog was fetched %d times; handlers of one name share one state", got)
	}
}

// TestTwoGateways runs two gateways of different names, each with its own platform, brokers and store.
func TestTwoGateways(t *testing.T) {
	first, second := startBroker(t, "one"), startBroker(t, "two")
	s := startServer(t)
	other := freeAddress(t)
	s.mustLoad(t, s.config("name alpha\n"+platformBlock+first.block("one", ""),
		fmt.Sprintf("http://%s {\nbind 127.0.0.1\nosb_gateway {\nname beta\n%s\n}\n}\n",
			other, platformBlock+second.block("two", ""))))
	s.awaitReady(t, other)

	s.call(t, http.StatusCreated, "PUT", instancePath("same"), createBody("one"))
	if status, answer, err := try(other, "PUT", instancePath("same"), createBody("two")); err != nil || status != http.StatusCreated {
		t.Errorf("the second gateway: got %d %s (%v), want 201", status, answer, err)
	}
	for _, b := range []*broker{first, second} {
		if got := b.Instances(); len(got) != 1 || got[0] != "same" {
			t.Errorf("a broker has the instances %q", got)
		}
	}
	for _, gateway := range []string{"alpha", "beta"} {
		if !exists(s.defaultFile(gateway)) {
			t.Errorf("gateway %s has no file of its own", gateway)
		}
	}
}

// TestStopWithACreateInFlight stops Caddy while a create runs: the call goes on to its end, and its outcome is recorded
// before the store is closed.
func TestStopWithACreateInFlight(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	config := s.config(platformBlock + b.block("one", ""))
	s.mustLoad(t, config)
	answered := s.slowCreate(t, b, "slow", "one")

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop(t)
	}()
	await(t, "the end of the server", func() bool {
		_, _, err := try(s.address, "GET", "/healthz/live", "")
		return err != nil
	})
	b.letGo()
	if err := <-answered; err != nil {
		t.Errorf("the create: %v", err)
	}
	<-stopped
	checkRecorded(t, s.defaultFile("default"), "slow")
	s.mustLoad(t, config)
	s.call(t, http.StatusOK, "GET", instancePath("slow"), "")
}

// TestStartFails starts gateways that cannot be started, and sees that nothing is left of them.
func TestStartFails(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	path := filepath.Join(t.TempDir(), "locked.db")
	locked := filestore.New(path)
	if err := locked.Open(); err != nil {
		t.Fatal(err)
	}
	err := s.load(t, s.config("store file "+path+"\n"+platformBlock+b.block("one", "")))
	checkProblem(t, err, `osb_gateway "default": store file: `, "the file is in use by another process", path)
	if err := locked.Close(); err != nil {
		t.Fatal(err)
	}
	awaitEndOfGateways(t)

	taken := listenInVain(t)
	err = s.load(t, s.config(platformBlock+b.block("one", ""), fmt.Sprintf("http://%s {\nbind 127.0.0.1\n}\n", taken.Addr())))
	checkProblem(t, err, "address already in use")
	awaitEndOfGateways(t)
	if exists(s.defaultFile("default")) {
		checkClosed(t, s.defaultFile("default"))
	}

	// Under another name, since the first one knows another store.
	s.mustLoad(t, s.config("name other\nstore file "+path+"\n"+platformBlock+b.block("one", "")))
	s.call(t, http.StatusCreated, "PUT", instancePath("i1"), createBody("one"))
}
