package e2e_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestRedisRefuses has a Redis that does not let the gateway in: it starts, serves its catalog, answers what needs the store
// with 503, and says why in its log.
func TestRedisRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		lines string
		// say are what the log line has, beside the address.
		say []string
	}{
		{"WrongPassword", "password wrong-password-marked", []string{"WRONGPASS"}},
		{"NoPassword", "", []string{"NOAUTH"}},
		{"UnknownUser", "username nobody\npassword right-password-marked", []string{"WRONGPASS"}},
		{"NoSuchDB", "password right-password-marked\ndb 4711", []string{"DB index is out of range"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Password("right-password-marked"))
			w := newWorld(t, fmt.Sprintf("store redis {\n\taddress %s\n\ttimeout 5s\n\t%s\n}", server.Addr, test.lines))
			checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
			w.expectNoStore(t, owned{alpha, newGUID(), newGUID(), newGUID()})
			w.expectComplaint(t, test.say...)
			for _, secret := range []string{"wrong-password-marked", "right-password-marked"} {
				if strings.Contains(w.Output(), secret) {
					t.Errorf("the log has the password %s", secret)
				}
			}
		})
	}
}

// expectComplaint waits for an error in the log that says that calls get 503, and each of the texts.
func (w *world) expectComplaint(t *testing.T, texts ...string) {
	t.Helper()
	var complaint string
	harness.Await(t, "the gateway to log the trouble of the store", func() bool {
		for line := range strings.Lines(w.Output()) {
			if strings.Contains(line, `"level":"error"`) && strings.Contains(line, "503") {
				complaint = line
				return true
			}
		}
		return false
	})
	for _, text := range texts {
		if !strings.Contains(complaint, text) {
			t.Errorf("the gateway says %s, want it to say %q", complaint, text)
		}
	}
}

// TestReplicaIsReadOnly points a gateway at a replica, by mistake: its records may be stale, and nothing can be entered.
func TestReplicaIsReadOnly(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	prefix := rand.Text()
	store := func(server *redistest.Server) string {
		return fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n\ttimeout 5s\n}", server.Addr, prefix)
	}
	w := newWorld(t, store(master))
	all := w.populate(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := redistest.Start(t, redistest.Setting("replicaof "+host+" "+port))
	harness.Await(t, "the replica to have everything", func() bool {
		info, err := replica.Client().Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	there := &world{brokers: w.brokers}
	there.start(t, harness.Options{Block: there.block(store(replica))})
	checkCatalog(t, there.Do(t, get("/v2/catalog")), brokerNames...)
	there.expectNoStore(t, all[0])
	there.expectComplaint(t, "the server is a replica; point the store to the master")
	w.findAll(t, w.Gateway, all)
	w.removeAll(t, w.Gateway, all)
}
