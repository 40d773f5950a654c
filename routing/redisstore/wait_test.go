package redisstore_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// startReplicated starts a master with a replica, without anybody to watch over them.
func startReplicated(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master = redistest.Start(t)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica = redistest.Start(t, redistest.Setting("replicaof "+host+" "+port))
	eventually(t, "the replica follows", func() bool {
		n, err := master.Client().Wait(t.Context(), 1, 100*time.Millisecond).Result()
		return err == nil && n == 1
	})
	return master, replica
}

func TestWaitReplicas(t *testing.T) {
	t.Parallel()
	master, replica := startReplicated(t)
	config := redisstore.Config{
		Addresses: []string{master.Addr}, KeyPrefix: "p", Gateway: "g", Timeout: patience,
		WaitReplicas: new(1), WaitTimeout: patience / 2,
	}
	store := open(t, config)
	key := routing.Key{Instance: "i"}
	held := swap(t, store, beforeSend("i", routing.Snapshot{}, "1"))
	if got, err := replica.Client().Get(t.Context(), instanceKey("p", key)).Result(); got != "1" || err != nil {
		t.Errorf("after the write the replica has %q, %v, want it", got, err)
	}

	replica.Freeze(t)
	config.WaitTimeout = 10 * time.Millisecond
	hasty := open(t, config)
	_, swapped, err := hasty.Swap(t.Context(), beforeSend("i", held, "2"))
	wantError(t, err, "the write reached 0 of 1 replicas within 10ms")
	if swapped {
		t.Error("the write is reported as made")
	}
	// It lasts all the same, as the caller must expect.
	wantInstance(t, store, "i", "2")

	// Nothing else waits: what was not written, what no call is sent on the strength of, and documents.
	snapshot, swapped, err := hasty.Swap(t.Context(), beforeSend("i", held, "3"))
	if swapped || err != nil || string(snapshot.Instance) != "2" {
		t.Errorf("a change of something else: got %q, %t, %v", snapshot.Instance, swapped, err)
	}
	compare := routing.Change{Key: key, Old: snapshot, BeforeSend: true}
	if _, swapped, err := hasty.Swap(t.Context(), compare); !swapped || err != nil {
		t.Errorf("a change that writes nothing: %t, %v", swapped, err)
	}
	held = swap(t, hasty, routing.Change{Key: key, Old: snapshot, Instance: write("4")})
	if _, swapped, err := hasty.SwapDocument(t.Context(), "d", 0, []byte("x")); !swapped || err != nil {
		t.Errorf("SwapDocument: %t, %v", swapped, err)
	}

	// A replica that goes on has everything, and confirms what was written before too.
	replica.Thaw(t)
	swap(t, store, beforeSend("i", held, "5"))
	if got, err := replica.Client().Get(t.Context(), instanceKey("p", key)).Result(); got != "5" || err != nil {
		t.Errorf("after the write the replica has %q, %v, want it", got, err)
	}
}

func TestMoreReplicasThanThereAre(t *testing.T) {
	t.Parallel()
	store := open(t, redisstore.Config{
		Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: newPrefix(), Timeout: patience,
		WaitReplicas: new(2), WaitTimeout: time.Millisecond,
	})
	_, _, err := store.Swap(t.Context(), beforeSend("i", routing.Snapshot{}, "x"))
	wantError(t, err, "the write reached 0 of 2 replicas")
	// What it says is about its own write: an identical call finds the record there.
	snapshot, swapped, err := store.Swap(t.Context(), beforeSend("i", routing.Snapshot{}, "x"))
	if swapped || err != nil || string(snapshot.Instance) != "x" {
		t.Errorf("the same call again: got %q, %t, %v", snapshot.Instance, swapped, err)
	}
}

// By default one replica must have a write with sentinels and in a cluster, and none of a single server.
func TestReplicasAreWaitedForByDefault(t *testing.T) {
	t.Parallel()
	sentinels, cluster := redistest.SharedSentinel(t), redistest.SharedCluster(t)
	onMember := onCluster(cluster)
	tests := []struct {
		name   string
		server *redistest.Server
		config redisstore.Config
		waits  bool
	}{
		{"sentinels", sentinels.Servers[0], throughSentinels(sentinels), true},
		{"cluster", cluster.Master(t, instanceKey(onMember.KeyPrefix, routing.Key{Instance: "i"})), onMember, true},
		{"single", redistest.Start(t), redisstore.Config{Timeout: patience}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.config.Addresses == nil {
				test.config.Addresses = []string{test.server.Addr}
			}
			store := open(t, test.config)
			waits := calls(t, test.server.Client(), "wait")
			swap(t, store, beforeSend("i", routing.Snapshot{}, "x"))
			if waited := calls(t, test.server.Client(), "wait") > waits; waited != test.waits {
				t.Errorf("got WAIT: %t, want %t", waited, test.waits)
			}
		})
	}
}

// WAIT is refused inside a script; if that changed, the write and it could be one command.
func TestWaitIsRefusedInsideScripts(t *testing.T) {
	t.Parallel()
	err := redistest.Shared(t).Client().Eval(t.Context(), "return redis.call('WAIT', 0, 1)", nil).Err()
	if err == nil {
		t.Error("a script may call WAIT")
	}
}

// A script that the server forgot is sent in full; beside WAIT too the change is made once.
func TestWaitAfterAFlushOfScripts(t *testing.T) {
	t.Parallel()
	master, _ := startReplicated(t)
	store := open(t, redisstore.Config{
		Addresses: []string{master.Addr}, Timeout: patience, WaitReplicas: new(1), WaitTimeout: patience / 2,
	})
	held := routing.Snapshot{}
	for n := range 3 {
		if err := master.Client().ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		sets := calls(t, master.Client(), "set")
		data := strconv.Itoa(n)
		held = swap(t, store, beforeSend("i", held, data))
		if got := calls(t, master.Client(), "set") - sets; got != 1 {
			t.Errorf("the record was written %d times, want once", got)
		}
		wantInstance(t, store, "i", data)
	}
	// Once loaded, a call is one round trip.
	evals, waits := calls(t, master.Client(), "eval"), calls(t, master.Client(), "wait")
	swap(t, store, beforeSend("i", held, "x"))
	if got := calls(t, master.Client(), "eval") - evals; got != 0 {
		t.Errorf("the script was sent in full %d times more, want by its hash", got)
	}
	if got := calls(t, master.Client(), "wait") - waits; got != 1 {
		t.Errorf("replicas were waited for %d times, want once", got)
	}
}

// The connection is cut after the master wrote: the change happened once, and the caller is told that it may have.
func TestCutConnectionWhileWaiting(t *testing.T) {
	t.Parallel()
	master, _ := startReplicated(t)
	proxy := newProxy(t, master.Addr)
	store := open(t, redisstore.Config{
		Addresses: []string{proxy.address}, Timeout: patience, WaitReplicas: new(1), WaitTimeout: patience / 2,
	})
	held := swap(t, store, beforeSend("i", routing.Snapshot{}, "before"))
	scripts := calls(t, master.Client(), "evalsha")
	proxy.swallow.Store(true)
	_, swapped, err := store.Swap(t.Context(), beforeSend("i", held, "after"))
	wantError(t, err, "may have been carried out")
	if swapped {
		t.Error("the change is reported as made, though no answer came")
	}
	if got := calls(t, master.Client(), "evalsha") - scripts; got != 1 {
		t.Errorf("the change was sent %d times, want once", got)
	}
	wantInstance(t, store, "i", "after")
}
