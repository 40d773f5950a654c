package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name by which sentinels know the master.
const MasterName = "osb"

const (
	watchedServers = 2
	sentinels      = 3
	quorum         = 2
)

// Sentinel is a master with a replica, and three sentinels that exchange them when the master does not answer for a
// second.
type Sentinel struct {
	// Servers are the two that hold data. The first is the master at the beginning.
	Servers []*Server
	// Sentinels are the ones that watch.
	Sentinels []*Server
}

// StartSentinel starts the five processes for one test and ends them with it. They agree on everything when it returns.
func StartSentinel(t testing.TB, options ...Option) *Sentinel {
	t.Helper()
	s, err := startSentinel(t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func startSentinel(folder string, options ...Option) (*Sentinel, error) {
	server := append([]Option{startAs(watched)}, options...)
	masters, err := startAll(filepath.Join(folder, "master"), server)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(masters[0].Addr)
	replica := append(append([]Option{}, server...), Setting("replicaof "+host+" "+port))
	watching := []Option{
		startAs(sentinel),
		SentinelSetting("sentinel monitor " + MasterName + " " + host + " " + port + " " + strconv.Itoa(quorum)),
		SentinelSetting("sentinel down-after-milliseconds " + MasterName + " 1000"),
		// A failover that does not succeed is tried again after twice as long.
		SentinelSetting("sentinel failover-timeout " + MasterName + " 3000"),
	}
	watching = append(watching, options...)
	others, err := startAll(filepath.Join(folder, "other"), replica, watching, watching, watching)
	if err != nil {
		closeAll(masters)
		return nil, err
	}
	s := &Sentinel{Servers: append(masters, others[:watchedServers-1]...), Sentinels: others[watchedServers-1:]}
	if err := agree(s.settled); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Sentinel) close() {
	closeAll(s.Sentinels)
	closeAll(s.Servers)
}

// Addresses are those of the sentinels.
func (s *Sentinel) Addresses() []string { return addresses(s.Sentinels) }

// Master returns the server that all running sentinels take for the master. It waits until they agree and the server
// does too.
func (s *Sentinel) Master(t testing.TB) *Server {
	t.Helper()
	var master *Server
	await(t, func(ctx context.Context) (err error) {
		master, err = s.master(ctx)
		return err
	})
	return master
}

// Replica returns the server that is not the master.
func (s *Sentinel) Replica(t testing.TB) *Server {
	t.Helper()
	return s.other(s.Master(t))
}

// AwaitFailover waits until another server than old is the master, and returns it. It may have no replica then.
func (s *Sentinel) AwaitFailover(t testing.TB, old *Server) *Server {
	t.Helper()
	var master *Server
	await(t, func(ctx context.Context) (err error) {
		if master, err = s.master(ctx); err == nil && master == old {
			err = errors.New("the sentinels did not change the master yet")
		}
		return err
	})
	return master
}

// AwaitReplica waits until the master has its replica, and all running sentinels know that: the next failover would
// succeed.
func (s *Sentinel) AwaitReplica(t testing.TB) {
	t.Helper()
	await(t, s.settled)
}

func (s *Sentinel) other(server *Server) *Server {
	if server == s.Servers[0] {
		return s.Servers[1]
	}
	return s.Servers[0]
}

// master asks all running sentinels, and the server that they name.
func (s *Sentinel) master(ctx context.Context) (*Server, error) {
	address := ""
	for _, one := range running(s.Sentinels) {
		answer := redis.NewStringSliceCmd(ctx, "sentinel", "get-master-addr-by-name", MasterName)
		if err := one.client.Process(ctx, answer); err != nil {
			return nil, fmt.Errorf("the sentinel on %s: %w", one.Addr, err)
		}
		named := net.JoinHostPort(answer.Val()[0], answer.Val()[1])
		if address != "" && named != address {
			return nil, fmt.Errorf("one sentinel names the master %s, another %s", address, named)
		}
		address = named
	}
	for _, server := range running(s.Servers) {
		if server.Addr != address {
			continue
		}
		role, err := server.role(ctx)
		if err == nil && role != "master" {
			err = fmt.Errorf("the master %s is still a %s", address, role)
		}
		return server, err
	}
	return nil, fmt.Errorf("the master %q does not run", address)
}

// settled tells what is missing until each process knows all others and the replica has what the master has.
func (s *Sentinel) settled(ctx context.Context) error {
	master, err := s.master(ctx)
	if err != nil {
		return err
	}
	if err := master.hasReplica(ctx); err != nil {
		return err
	}
	replica := s.other(master)
	watching := running(s.Sentinels)
	for _, one := range watching {
		known := redis.NewMapStringStringCmd(ctx, "sentinel", "master", MasterName)
		if err := one.client.Process(ctx, known); err != nil {
			return fmt.Errorf("the sentinel on %s: %w", one.Addr, err)
		}
		others, _ := strconv.Atoi(known.Val()["num-other-sentinels"])
		if flags := known.Val()["flags"]; flags != "master" || others < len(watching)-1 {
			return fmt.Errorf("the sentinel on %s sees %d others and a master that is %s", one.Addr, others, flags)
		}
		replicas := redis.NewMapStringStringSliceCmd(ctx, "sentinel", "replicas", MasterName)
		if err := one.client.Process(ctx, replicas); err != nil {
			return fmt.Errorf("the sentinel on %s: %w", one.Addr, err)
		}
		ready := false
		for _, found := range replicas.Val() {
			ready = ready || net.JoinHostPort(found["ip"], found["port"]) == replica.Addr &&
				found["flags"] == "slave" && found["master-link-status"] == "ok"
		}
		if !ready {
			return fmt.Errorf("the sentinel on %s does not see the replica %s: %v", one.Addr, replica.Addr, replicas.Val())
		}
	}
	return nil
}

// hurry has a sentinel look ten times as often as it does by itself. It forgets that when it ends.
func (s *Server) hurry() error {
	err := s.client.Do(context.Background(), "sentinel", "debug",
		// Five ping periods is how old the news of a replica may be that is to become the master, and when the master is
		// down it is asked for news once a second.
		"info-period", "500", "publish-period", "200", "ping-period", "500", "ask-period", "100",
		"min-link-reconnect-period", "500",
		// A busy machine is no reason to do nothing for half a minute.
		"tilt-trigger", "20000", "tilt-period", "1000").Err()
	if err != nil {
		return fmt.Errorf("hurrying the sentinel on %s: %w", s.Addr, err)
	}
	return nil
}
