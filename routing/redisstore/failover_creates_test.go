package redisstore_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

const (
	failovers        = 3
	failoverGateways = 2
	failoverClients  = 4
)

// failoverConfig knows two backends.
type failoverConfig struct{}

func (failoverConfig) Window(routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: time.Minute, Settle: time.Minute}, true
}

func (failoverConfig) Platform(id routing.PlatformID) (routing.PlatformID, bool) { return id, true }
func (failoverConfig) Suspect(routing.BackendID) bool                            { return false }

// failoverRun creates instances through several gateways while masters die.
type failoverRun struct {
	servers *redistest.Sentinel
	next    atomic.Int64
	// refused counts creates that the store failed, and created those that were answered with success.
	refused, created atomic.Int64

	mu sync.Mutex
	// holds are the backends that made an instance.
	holds map[routing.InstanceID][]routing.BackendID
}

func (f *failoverRun) store(t *testing.T, config redisstore.Config) *redisstore.Store {
	t.Helper()
	config.Addresses, config.SentinelMaster, config.Gateway = f.servers.Addresses(), redistest.MasterName, "g"
	config.Timeout = 2 * time.Second
	return open(t, config)
}

// creates asks for one id after the other, each twice and on either backend, until stop is closed.
func (f *failoverRun) creates(t *testing.T, ledger *routing.Ledger, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		number := f.next.Add(1)
		id, token := routing.InstanceID(strconv.FormatInt(number/2, 10)), strconv.FormatInt(number, 10)
		backend := [...]routing.BackendID{"a", "b"}[number%2]
		call := &routing.Call{
			Token: token, Life: token, Kind: routing.KindCreate, Key: routing.Key{Instance: id}, Platform: "p",
			Service: routing.ServiceID(backend), Offer: routing.Offer{Backend: backend}, Hint: routing.Hint{Backend: backend},
		}
		entry, err := ledger.Begin(t.Context(), call, failoverConfig{})
		switch {
		case err != nil:
			f.refused.Add(1)
			<-time.After(time.Millisecond) // platforms do not come back at once, and others need the machine
			continue
		case entry.Decision.Refusal != routing.RefusalNone:
			continue
		}
		f.mu.Lock()
		f.holds[id] = append(f.holds[id], entry.Decision.Backend)
		f.mu.Unlock()
		f.created.Add(1)
		if number%4 < 2 {
			continue // the gateway dies before it can note what the backend answered
		}
		// What cannot be noted now is noted later.
		_, _ = ledger.Close(t.Context(), entry, routing.Outcome{Class: routing.ClassDone, Delivered: true})
	}
}

// failOver has the replica miss some writes, if the master takes any meanwhile, and then kills the master.
func (f *failoverRun) failOver(t *testing.T, waits bool) {
	t.Helper()
	more := func(count *atomic.Int64) {
		enough := count.Load() + 20
		eventually(t, "creates go on", func() bool { return count.Load() >= enough })
	}
	// What a master without a replica makes of creates is the same before the failover and after it.
	alone := &f.created
	if waits {
		alone = &f.refused
	}
	more(&f.created)
	master, replica := f.servers.Master(t), f.servers.Replica(t)
	replica.Freeze(t)
	more(alone)
	master.Kill(t)
	replica.Thaw(t)
	f.servers.AwaitFailover(t, master)
	more(alone)
	master.Restart(t)
	f.servers.AwaitReplica(t)
}

// runFailovers returns how many instances were created, how many of them no record leads to, and how many ids live on
// two backends.
func runFailovers(t *testing.T, replicas int, options ...redistest.Option) (created, lost, twice int) {
	t.Helper()
	f := &failoverRun{
		servers: redistest.StartSentinel(t, options...), holds: make(map[routing.InstanceID][]routing.BackendID),
	}
	config := redisstore.Config{KeyPrefix: newPrefix(), WaitReplicas: &replicas, WaitTimeout: 200 * time.Millisecond}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	ledgers := make([]*routing.Ledger, failoverGateways)
	for g := range ledgers {
		ledgers[g] = routing.NewLedger(f.store(t, config), routing.LedgerOptions{})
		for range failoverClients {
			clients.Go(func() { f.creates(t, ledgers[g], stop) })
		}
	}
	for range failovers {
		f.failOver(t, replicas > 0)
	}
	close(stop)
	clients.Wait()
	for _, ledger := range ledgers {
		eventually(t, "all outcomes are written", func() bool { return ledger.Pending() == 0 })
	}

	fresh := routing.NewLedger(f.store(t, config), routing.LedgerOptions{})
	for id, backends := range f.holds {
		created++
		if len(backends) > 1 && backends[0] != backends[1] {
			twice++
		}
		entry, err := fresh.Begin(t.Context(), &routing.Call{
			Kind: routing.KindFetch, Key: routing.Key{Instance: id}, Platform: "p",
			Hint: routing.Hint{Refusal: routing.RefusalNoHint},
		}, failoverConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if record := entry.Subject(); record == nil || !record.Live() || entry.Decision.Backend != backends[0] {
			lost++
		}
	}
	t.Logf("%d instances created over %d failovers, %d calls refused meanwhile: %d unroutable, %d on two backends",
		created, failovers, f.refused.Load(), lost, twice)
	return created, lost, twice
}

// TestFailoverLosesNothing: with a replica that must have what a call is sent on the strength of, masters may die.
func TestFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	_, lost, twice := runFailovers(t, 1, redistest.Setting("min-replicas-to-write 1"))
	if lost != 0 || twice != 0 {
		t.Errorf("%d instances are unroutable and %d live on two backends, want none", lost, twice)
	}
}

// TestFailoverWithoutWaiting tells what is lost where the operator trusts the master alone. How much that is, nobody
// can promise: the replicas miss what they miss.
func TestFailoverWithoutWaiting(t *testing.T) {
	t.Parallel()
	if created, _, _ := runFailovers(t, 0); created == 0 {
		t.Error("no instance was created")
	}
}
