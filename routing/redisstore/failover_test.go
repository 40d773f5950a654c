package redisstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// shortTimeout is that of stores in tests of failovers: calls on what is gone are to end, and be tried again.
const shortTimeout = time.Second

// creations are records that are created all the time, by several callers at once.
type creations struct {
	store routing.Store
	stop  chan struct{}
	all   sync.WaitGroup

	mu           sync.Mutex
	acknowledged []routing.InstanceID
	failed       atomic.Int64
}

// create begins to create records, and ends with the test at the latest.
func create(t *testing.T, store routing.Store) *creations {
	t.Helper()
	c := &creations{store: store, stop: make(chan struct{})}
	for caller := range 4 {
		c.all.Go(func() {
			// One that is refused at once comes again at the pace of a caller, not in a busy loop.
			again := time.NewTicker(time.Millisecond)
			defer again.Stop()
			for n := 0; ; n++ {
				select {
				case <-c.stop:
					return
				default:
				}
				id := routing.InstanceID(fmt.Sprintf("}%d-%d", caller, n))
				_, swapped, err := store.Swap(t.Context(), beforeSend(id, routing.Snapshot{}, string(id)))
				switch {
				case err == nil && swapped:
					c.mu.Lock()
					c.acknowledged = append(c.acknowledged, id)
					c.mu.Unlock()
				case isUnavailable(t, err):
					c.failed.Add(1)
					<-again.C
				}
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *creations) end() {
	c.mu.Lock()
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.mu.Unlock()
	c.all.Wait()
}

func (c *creations) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acknowledged)
}

// awaitMore waits until further records were created.
func (c *creations) awaitMore(t *testing.T) {
	t.Helper()
	before := c.count()
	eventually(t, "records are created", func() bool { return c.count() >= before+100 })
}

// awaitFailure waits until another call failed.
func (c *creations) awaitFailure(t *testing.T) {
	t.Helper()
	before := c.failed.Load()
	eventually(t, "a call fails", func() bool { return c.failed.Load() > before })
}

// wantAll looks for all records whose creation was acknowledged.
func (c *creations) wantAll(t *testing.T, store routing.Store) {
	t.Helper()
	c.end()
	lost := 0
	for _, id := range c.acknowledged {
		var snapshot routing.Snapshot
		eventually(t, "the store answers", func() (answered bool) {
			var err error
			snapshot, err = store.Read(t.Context(), routing.Key{Instance: id})
			return !isUnavailable(t, err)
		})
		if string(snapshot.Instance) != string(id) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(c.acknowledged))
	}
	t.Logf("%d records acknowledged, %d calls failed", len(c.acknowledged), c.failed.Load())
}

func TestSentinelFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinel(t, redistest.Setting("min-replicas-to-write 1"))
	config := throughSentinels(servers)
	config.Timeout = shortTimeout
	store := open(t, config)
	load := create(t, store)
	for range 2 {
		load.awaitMore(t)
		master := servers.Master(t)
		master.Kill(t)
		load.awaitFailure(t)
		servers.AwaitFailover(t, master)
		// The new master refuses writes until it has a replica.
		master.Restart(t)
		load.awaitMore(t)
		servers.AwaitReplica(t)
	}
	load.wantAll(t, store)
}

func TestClusterFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, redistest.Setting("min-replicas-to-write 1"))
	config := onCluster(servers)
	config.Timeout = shortTimeout
	store := open(t, config)
	load := create(t, store)
	load.awaitMore(t)
	const id = "i"
	key := instanceKey(config.KeyPrefix, routing.Key{Instance: id})
	held := swapEventually(t, store, routing.Change{Key: routing.Key{Instance: id}, Instance: write("x")})
	servers.AwaitReplicas(t)
	master := servers.Master(t, key)
	replica := servers.Replica(t, master)
	master.Kill(t)
	load.awaitFailure(t)
	if got := servers.AwaitFailover(t, key, master); got != replica {
		t.Errorf("%s took over, want %s", got.Addr, replica.Addr)
	}
	master.Restart(t)
	servers.AwaitReplicas(t)
	load.awaitMore(t)
	// The part of the cluster that failed works again too.
	eventually(t, "the record can be read", func() bool {
		snapshot, err := store.Read(t.Context(), routing.Key{Instance: id})
		return !isUnavailable(t, err) && string(snapshot.Instance) == "x"
	})
	swapEventually(t, store, beforeSend(id, held, "y"))
	load.wantAll(t, store)
}

// swapEventually makes a change, as soon as the store can.
func swapEventually(t *testing.T, store *redisstore.Store, change routing.Change) (after routing.Snapshot) {
	t.Helper()
	eventually(t, "the change is made", func() bool {
		snapshot, swapped, err := store.Swap(t.Context(), change)
		if isUnavailable(t, err) {
			return false
		}
		// It may have been made by a call that got no answer.
		if !swapped && string(snapshot.Instance) != string(change.Instance.Data) {
			t.Fatalf("the store holds %q, want what was there before or %q", snapshot.Instance, change.Instance.Data)
		}
		after = snapshot
		return true
	})
	return after
}

// A server that became the master of its part is told to swap with another in good order.
func TestClusterManualFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	config := onCluster(servers)
	config.Timeout = shortTimeout
	store := open(t, config)
	load := create(t, store)
	load.awaitMore(t)
	key := instanceKey(config.KeyPrefix, routing.Key{Instance: "}0-0"})
	servers.AwaitReplicas(t)
	master := servers.Master(t, key)
	if err := servers.Replica(t, master).Client().ClusterFailover(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	servers.AwaitFailover(t, key, master)
	servers.AwaitReplicas(t)
	load.awaitMore(t)
	load.wantAll(t, store)
}
