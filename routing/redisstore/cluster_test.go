package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// The client of a cluster sends a command again after an error of the network, unless it is kept from it. The members
// announce the ports of proxies here, so that a connection can be cut after the command was carried out.
func TestClusterCutConnectionIsNotSentTwice(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	config := onCluster(servers)
	const id = "i"
	key := instanceKey(config.KeyPrefix, routing.Key{Instance: id})
	document := config.KeyPrefix + ":g:{documents}:d"
	masters := map[string]*redistest.Server{"record": servers.Master(t, key), "document": servers.Master(t, document)}
	proxies := map[string]*proxy{}
	for _, member := range servers.Members {
		p := newProxy(t, member.Addr)
		// The client looks for the members of the cluster at any time.
		p.only = "evalsha"
		proxies[member.Addr] = p
		_, port, err := net.SplitHostPort(p.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := member.Client().ConfigSet(t.Context(), "cluster-announce-port", port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, member := range servers.Members {
		eventually(t, "all members announce their proxies", func() bool {
			//nolint:staticcheck // it is what the client of the store asks
			slots, err := member.Client().ClusterSlots(t.Context()).Result()
			if err != nil {
				t.Fatal(err)
			}
			for _, slot := range slots {
				for _, node := range slot.Nodes {
					for _, server := range servers.Members {
						if node.Addr == server.Addr {
							return false
						}
					}
				}
			}
			return true
		})
	}
	store := open(t, config)
	held := swap(t, store, routing.Change{Key: routing.Key{Instance: id}, Instance: write("0")})
	old, _, err := store.SwapDocument(t.Context(), "d", 0, []byte("0"))
	if err != nil {
		t.Fatal(err)
	}

	attempts := []struct {
		name, where string
		attempt     func(data string) error
	}{
		{"swap", "record", func(data string) error {
			_, _, err := store.Swap(t.Context(), routing.Change{
				Key: routing.Key{Instance: id}, Old: held, Instance: write(data),
			})
			return err
		}},
		{"swap with WAIT", "record", func(data string) error {
			_, _, err := store.Swap(t.Context(), beforeSend(id, held, data))
			return err
		}},
		{"document", "document", func(data string) error {
			_, _, err := store.SwapDocument(t.Context(), "d", old.Version, []byte(data))
			return err
		}},
	}
	for n, attempt := range attempts {
		master := masters[attempt.where]
		scripts := calls(t, master.Client(), "evalsha")
		proxies[master.Addr].swallow.Store(true)
		err := attempt.attempt(strconv.Itoa(n + 1))
		wantError(t, err, "may have been carried out")
		if got := calls(t, master.Client(), "evalsha") - scripts; got != 1 {
			t.Errorf("%s: it was sent %d times, want once", attempt.name, got)
		}
		if attempt.where == "record" {
			wantInstance(t, store, id, strconv.Itoa(n+1))
			if held, err = store.Read(t.Context(), routing.Key{Instance: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An instance and its bindings are in one slot whatever their ids are; an id that begins with a brace would otherwise
// end the hash tag, or begin another.
func TestClusterKeepsPairsTogether(t *testing.T) {
	t.Parallel()
	store := open(t, onCluster(redistest.SharedCluster(t)))
	for _, id := range []string{"}", "}x", "{}", "{a}b", "a}{b", "}{", "{", "crn:v1:a/b::", "ü}"} {
		key := routing.Key{Instance: routing.InstanceID(id), Binding: routing.BindingID("}" + id)}
		change := routing.Change{Key: key, Instance: write("i" + id), Binding: write("b" + id), BeforeSend: true}
		swap(t, store, change)
		snapshot, err := store.Read(t.Context(), key)
		if err != nil || string(snapshot.Instance) != "i"+id || string(snapshot.Binding) != "b"+id {
			t.Errorf("%q: got %q, %v", id, snapshot, err)
		}
	}
}

// A slot goes to another member and back while its records are changed. Callers hear of nothing but a store that is
// unavailable for a moment, and nothing is lost.
func TestClusterSlotMovesUnderSwaps(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	config := onCluster(servers)
	store := open(t, config)
	load := create(t, store)
	load.awaitMore(t)
	const id = "}0-0"
	key := instanceKey(config.KeyPrefix, routing.Key{Instance: id})
	from := servers.Master(t, key)
	var to *redistest.Server
	for _, member := range servers.Members[:3] {
		if member != from {
			to = member
		}
	}
	for range 2 {
		moveSlot(t, from, to, key)
		load.awaitMore(t)
		held, err := store.Read(t.Context(), routing.Key{Instance: id})
		if err != nil {
			t.Fatal(err)
		}
		swap(t, store, beforeSend(id, held, id))
		if servers.Master(t, key) != to {
			t.Fatal("the slot did not move")
		}
		from, to = to, from
	}
	load.wantAll(t, store)
}

// Half of a slot's keys are on their way: what is whole on either side works by redirection, with WAIT too.
func TestClusterAsksTheImportingMember(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	config := onCluster(servers)
	store := open(t, config)
	const id = "i"
	held := swap(t, store, beforeSend(id, routing.Snapshot{}, "0"))
	key := instanceKey(config.KeyPrefix, routing.Key{Instance: id})
	from := servers.Master(t, key)
	to := servers.Members[0]
	if to == from {
		to = servers.Members[1]
	}
	// A member that imports a slot refuses a call for several keys as long as one of them is not there.
	tag := strings.TrimSuffix(key, "instance:i")
	do(t, from, "set", tag+"store", "x")
	do(t, from, "zadd", tag+"expiries", 1<<50, "instance:other")
	do(t, from, "zadd", tag+"unfinished", 1<<50, "instance:other")
	slot := beginMove(t, from, to, key)
	moveKeys(t, from, to, slot)
	asked := calls(t, to.Client(), "asking")
	wantInstance(t, store, id, "0")
	held = swap(t, store, routing.Change{Key: routing.Key{Instance: id}, Old: held, Instance: write("2")})
	swap(t, store, beforeSend(id, held, "3"))
	if got := calls(t, to.Client(), "asking") - asked; got < 3 {
		t.Errorf("the importing member was asked %d times, want for each call", got)
	}
	endMove(t, from, to, slot)
	wantInstance(t, store, id, "3")
}

// moveSlot moves the slot of a key with all that is in it.
func moveSlot(t *testing.T, from, to *redistest.Server, key string) {
	t.Helper()
	slot := beginMove(t, from, to, key)
	moveKeys(t, from, to, slot)
	endMove(t, from, to, slot)
}

func beginMove(t *testing.T, from, to *redistest.Server, key string) (slot int64) {
	t.Helper()
	slot, err := from.Client().ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	do(t, to, "cluster", "setslot", slot, "importing", memberID(t, from))
	do(t, from, "cluster", "setslot", slot, "migrating", memberID(t, to))
	return slot
}

func moveKeys(t *testing.T, from, to *redistest.Server, slot int64) {
	t.Helper()
	host, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for {
		keys, err := from.Client().ClusterGetKeysInSlot(t.Context(), int(slot), 10).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			return
		}
		for _, key := range keys {
			do(t, from, "migrate", host, port, key, 0, 60000)
		}
	}
}

func endMove(t *testing.T, from, to *redistest.Server, slot int64) {
	t.Helper()
	id := memberID(t, to)
	do(t, to, "cluster", "setslot", slot, "node", id)
	do(t, from, "cluster", "setslot", slot, "node", id)
}

func memberID(t *testing.T, server *redistest.Server) string {
	t.Helper()
	id, err := server.Client().ClusterMyID(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func do(t *testing.T, server *redistest.Server, arguments ...any) {
	t.Helper()
	if err := server.Client().Do(t.Context(), arguments...).Err(); err != nil {
		t.Fatalf("%v: %v", arguments, err)
	}
}

// One of the addresses is enough, whichever it is, and those that nobody listens on do no harm.
func TestClusterIsFoundFromAnyMember(t *testing.T) {
	t.Parallel()
	servers := redistest.SharedCluster(t)
	for n, member := range servers.Members {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			config := onCluster(servers)
			config.Addresses = []string{"127.0.0.1:1", member.Addr}
			store := open(t, config)
			for id := range 10 {
				name := routing.InstanceID(strconv.Itoa(id))
				swap(t, store, beforeSend(name, routing.Snapshot{}, "x"))
				wantInstance(t, store, name, "x")
			}
		})
	}
}

func TestClusterTrouble(t *testing.T) {
	t.Parallel()
	guarded := redistest.StartCluster(t, redistest.Password("other"), redistest.Setting("cluster-node-timeout 60000"))
	tests := []struct {
		name   string
		config redisstore.Config
		want   string
	}{
		{"nobody there", redisstore.Config{Addresses: []string{"127.0.0.1:1"}}, "cannot be reached"},
		{
			"wrong password",
			redisstore.Config{Addresses: guarded.Addresses(), Password: secret},
			"wrong username or password",
		},
		{"no password", redisstore.Config{Addresses: guarded.Addresses()}, "wants a password"},
		{
			"no cluster",
			redisstore.Config{Addresses: []string{redistest.Shared(t).Addr}},
			"not part of a cluster",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.config.Cluster, test.config.Timeout = true, patience
			store := open(t, test.config)
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			wantError(t, err, test.want)
			storetest.WantUnavailable(t.Context(), t, store)
		})
	}
	t.Run("cluster that is taken for a single server", func(t *testing.T) {
		t.Parallel()
		servers := redistest.SharedCluster(t)
		store := open(t, redisstore.Config{Addresses: servers.Addresses()[:1], Timeout: patience})
		failures := 0
		for n := range 16 {
			_, err := store.Read(t.Context(), routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))})
			if err != nil {
				failures++
				wantError(t, err, "configure the store with cluster")
			}
		}
		if failures == 0 {
			t.Error("one member of three has all records")
		}
	})
}

// A part of the cluster without a server: its instances are unavailable, and no others.
func TestClusterWithoutOneMaster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t,
		redistest.Setting("cluster-require-full-coverage no"), redistest.Setting("cluster-replica-no-failover yes"),
		// With everysec a killed server may lose what it acknowledged in its last two seconds.
		redistest.Setting("appendfsync always"))
	config := onCluster(servers)
	config.Timeout = shortTimeout
	store := open(t, config)
	held := map[routing.InstanceID]*redistest.Server{}
	for n := range 32 {
		id := routing.InstanceID(strconv.Itoa(n))
		swapEventually(t, store, beforeSend(id, routing.Snapshot{}, string(id)))
		held[id] = servers.Master(t, instanceKey(config.KeyPrefix, routing.Key{Instance: id}))
	}
	dead := held["0"]
	dead.Kill(t)
	for id, master := range held {
		if master == dead {
			ctx, cancel := context.WithTimeout(t.Context(), shortTimeout)
			_, err := store.Read(ctx, routing.Key{Instance: id})
			cancel()
			if !errors.Is(err, routing.ErrUnavailable) {
				t.Errorf("%s, whose server is dead: got %v, want an error", id, err)
			}
			continue
		}
		eventually(t, "the record of a living server is read", func() bool {
			snapshot, err := store.Read(t.Context(), routing.Key{Instance: id})
			return !isUnavailable(t, err) && string(snapshot.Instance) == string(id)
		})
	}
	dead.Restart(t)
	eventually(t, "all records can be read again", func() bool {
		for id := range held {
			snapshot, err := store.Read(t.Context(), routing.Key{Instance: id})
			if isUnavailable(t, err) || string(snapshot.Instance) != string(id) {
				return false
			}
		}
		return true
	})
}
