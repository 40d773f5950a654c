package redistest

import (
	"slices"
	"strings"
	"testing"
)

func TestSentinelFailsOverAndBack(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	first := s.Master(t)
	if first != s.Servers[0] || s.Replica(t) != s.Servers[1] {
		t.Fatal("the first server is not the master at the beginning")
	}
	for range 2 {
		master := s.Master(t)
		if err := master.Client().Set(t.Context(), "a", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		s.AwaitReplica(t)
		master.Kill(t)
		next := s.AwaitFailover(t, master)
		if got, err := next.Client().Get(t.Context(), "a").Result(); got != "x" || err != nil {
			t.Errorf("the new master has %q, %v, want what the old one had", got, err)
		}
		master.Restart(t)
		s.AwaitReplica(t)
	}
	if s.Master(t) != first {
		t.Error("after two failovers another server is the master than at first")
	}
}

// A master that hangs is replaced too; when it goes on it takes itself for the master until the sentinels tell it.
func TestFrozenMasterIsReplaced(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t, Password("p"), SentinelPassword("q"))
	master := s.Master(t)
	master.Freeze(t)
	s.AwaitFailover(t, master)
	master.Thaw(t)
	s.AwaitReplica(t)
}

func TestSentinelsThatStartAgainKnowTheMaster(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	old := s.Master(t)
	old.Kill(t)
	master := s.AwaitFailover(t, old)
	for _, one := range s.Sentinels {
		one.Kill(t)
	}
	for _, one := range s.Sentinels {
		one.Restart(t)
	}
	if got := s.Master(t); got != master {
		t.Errorf("they name %s, want %s", got.Addr, master.Addr)
	}
}

func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, Password("p"))
	const key = "a"
	master := c.Master(t, key)
	replica := c.Replica(t, master)
	if !slices.Contains(c.Members[clusterMasters:], replica) {
		t.Errorf("%s is a replica at the beginning, want one of the last three", replica.Addr)
	}
	if err := master.Client().Set(t.Context(), key, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, other := range c.Members {
		err := other.Client().Get(t.Context(), key).Err()
		if other != master && (err == nil || !strings.HasPrefix(err.Error(), "MOVED")) {
			t.Errorf("%s answers %v, want it to name the master", other.Addr, err)
		}
	}
	c.AwaitReplicas(t)
	master.Kill(t)
	if got := c.AwaitFailover(t, key, master); got != replica {
		t.Errorf("%s took over, want %s", got.Addr, replica.Addr)
	}
	c.AwaitWorking(t)
	master.Restart(t)
	c.AwaitReplicas(t)
	if got := c.Replica(t, replica); got != master {
		t.Errorf("%s is the replica of the new master, want the old one", got.Addr)
	}
}

func TestSharedGroupsAreOne(t *testing.T) {
	t.Parallel()
	sentinel, cluster := SharedSentinel(t), SharedCluster(t)
	if sentinel != SharedSentinel(t) || cluster != SharedCluster(t) {
		t.Error("two tests get different servers")
	}
}

// The command line shows in the list of processes.
func TestNoPasswordInCommandLines(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t, Password("s3cret"), SentinelPassword("s3cret"))
	for _, server := range append(slices.Clone(s.Servers), s.Sentinels...) {
		if line := strings.Join(server.process.command.Args, " "); strings.Contains(line, "s3cret") {
			t.Errorf("the command line holds the password: %q", line)
		}
	}
}
