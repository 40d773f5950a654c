package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// masterOf finds the master of a cluster that has the record of an instance.
func masterOf(t *testing.T, servers *redistest.Cluster, prefix, id string) *redistest.Server {
	t.Helper()
	for _, master := range servers.Members[:3] {
		keys, err := master.Client().Keys(t.Context(), prefix+":default:*:instance:"+id).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) > 0 {
			return master
		}
	}
	t.Fatalf("no master has the record of %s", id)
	return nil
}

// TestEmptyMasterOfACluster has one master of three come back without its data, and its replica too. Instances of its
// slots are not said to be absent; all others go on.
func TestEmptyMasterOfACluster(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// documents: it is the master that knew which store this is, and the names and catalogs.
		documents bool
		log       string
		status    []string
	}{
		{
			"of records only", false, "parts of the ownership store are not known to be the right ones",
			[]string{"of 256 parts of the store do not carry its identity"},
		},
		{
			"of documents too", true, "the ownership store is not known to be the right one",
			[]string{"the store carries no identity"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartCluster(t)
			prefix := rand.Text()
			w := newWorld(t, fmt.Sprintf("store redis {\n\taddress %s\n\tcluster\n\tkey_prefix %s\n\ttimeout 5s\n}",
				strings.Join(servers.Addresses(), " "), prefix))
			held := w.createOnEachMaster(t, servers, prefix)
			documents := servers.Master(t, prefix+":default:{documents}:identity")
			empty := servers.Members[slices.IndexFunc(servers.Members, func(s *redistest.Server) bool {
				return (s == documents) == test.documents && len(held[s]) > 0
			})]
			replica := servers.Replica(t, empty)
			for _, server := range []*redistest.Server{replica, empty} {
				server.Kill(t)
				server.Wipe(t)
			}
			empty.Restart(t)
			replica.Restart(t)
			servers.AwaitReplicas(t)

			lost := held[empty][0]
			delete(held, empty)
			w.expectLost(t, lost)
			w.expectKept(t, held)
			awaitLog(t, w.Gateway, test.log)
			wantText(t, "the status", operate(t, w.Gateway, "status"),
				append(test.status, "NOT KNOWN TO BE RIGHT", "`caddy osb-gateway store accept`")...)
			w.Kill(t)
			w.Restart(t)
			w.expectLost(t, lost)
			w.expectKept(t, held)

			wantText(t, "accepting", operate(t, w.Gateway, "store", "accept"), "The store of gateway default is accepted as it is")
			wantText(t, "the status", operate(t, w.Gateway, "status"), ", the right one", "all well")
			w.expect(t, get(instancePath(lost)), http.StatusNotFound, "")
			w.expect(t, del(instancePath(lost)+ids(alpha, small)), http.StatusOK, alpha)
			w.expectKept(t, held)
		})
	}
}

// createOnEachMaster creates instances and returns their ids by the masters that have their records.
func (w *world) createOnEachMaster(
	t *testing.T, servers *redistest.Cluster, prefix string,
) map[*redistest.Server][]string {
	t.Helper()
	const instances = 24
	held := make(map[*redistest.Server][]string)
	for range instances {
		id := newGUID()
		w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
		master := masterOf(t, servers, prefix, id)
		held[master] = append(held[master], id)
	}
	return held
}

// expectLost sends calls on an instance whose record was lost: it is not said to be absent.
func (w *world) expectLost(t *testing.T, id string) {
	t.Helper()
	for _, r := range []harness.Request{
		get(instancePath(id)), get(instancePath(id) + "/last_operation" + ids(alpha, small)),
		del(instancePath(id) + ids(alpha, small)), put(instancePath(id), create(alpha, small)),
		patch(instancePath(id), change(alpha, small, large)), put(bindingPath(id, "b"), bind(alpha, small)),
	} {
		refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	}
}

// expectKept uses instances whose records are there.
func (w *world) expectKept(t *testing.T, held map[*redistest.Server][]string) {
	t.Helper()
	for _, kept := range held {
		for _, id := range kept {
			awaitStatus(t, w.Gateway, get(instancePath(id)), http.StatusOK)
			w.expect(t, put(bindingPath(id, "b"), bind(alpha, small)), http.StatusCreated, alpha)
			w.expect(t, del(bindingPath(id, "b")+ids(alpha, small)), http.StatusOK, alpha)
		}
	}
}
