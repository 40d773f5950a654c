package e2e_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// clientIDs are the numbers of the connections of gateways to a Redis.
func clientIDs(t *testing.T, server *redistest.Server) []string {
	t.Helper()
	list, err := server.Client().ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	own, err := server.Client().ClientID(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^id=(\d+) `).FindAllStringSubmatch(list, -1) {
		ids[match[1]] = true
	}
	delete(ids, fmt.Sprint(own))
	return slices.Sorted(maps.Keys(ids))
}

// TestFailedReloadKeepsConnections loads configurations that cannot run, on a running gateway with a call on its way. The
// connections to Redis that were open before are open afterwards, and nothing else is.
func TestFailedReloadKeepsConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	all := w.populate(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	lockedPath := filepath.Join(t.TempDir(), "locked.db")
	locked := filestore.New(lockedPath)
	if err := locked.Open(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = locked.Close() }()

	missing := filepath.Join(t.TempDir(), "missing.pem")
	second := func(store string) string {
		return fmt.Sprintf("handle /second/* {\n\tosb_gateway {\n\tname second\n\tbase_path /second\n\t%s\n\t%s\n\t}\n}\n",
			store, harness.Platform("cf", "")+w.backends(""))
	}
	for _, test := range []struct {
		name   string
		change func(o *harness.Options)
		want   string
	}{
		{"BackendTransport", func(o *harness.Options) {
			o.Block += w.brokers[alpha].Backend("delta", "transport http {\n\ttls_trust_pool file "+missing+"\n}")
		}, "missing.pem"},
		{"PortInUse", func(o *harness.Options) {
			o.Sites = fmt.Sprintf("http://%s {\n\tbind 127.0.0.1\n}\n", taken.Addr())
		}, "address already in use"},
		{"StoreLocked", func(o *harness.Options) { o.Site = second("store file " + lockedPath) }, "in use by another process"},
		{"StoreUnusable", func(o *harness.Options) { o.Site = second("store file /proc/none/owners.db") }, "/proc/none"},
		{"SameName", func(o *harness.Options) {
			o.Site = strings.Replace(second("store memory"), "name second\n", "", 1)
		}, "another osb_gateway of the same name"},
	} {
		id := newGUID()
		held := w.sendHeld(t, put(instancePath(id), create(alpha, small)), alpha)
		before := clientIDs(t, server)
		options := w.options
		test.change(&options)
		if err := w.Reload(t, options); err == nil || !strings.Contains(err.Error()+w.Output(), test.want) {
			t.Errorf("%s: got %v, want an error that says %q", test.name, err, test.want)
		}
		// What asks the store at the same time as others may need one connection more.
		after := clientIDs(t, server)
		if slices.ContainsFunc(before, func(id string) bool { return !slices.Contains(after, id) }) {
			t.Errorf("%s: the connections to Redis were %v and are %v", test.name, before, after)
		}
		held.hold.Release()
		if answer := held.answer(t); answer.Status != http.StatusCreated {
			t.Errorf("%s: the create that was on its way: got %d %s, want 201", test.name, answer.Status, answer.Body)
		}
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	}
	w.findAll(t, w.Gateway, all)
	w.removeAll(t, w.Gateway, all)
}
