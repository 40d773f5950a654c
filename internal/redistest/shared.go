package redistest

import (
	"os"
	"sync"
	"testing"
)

// shared are the servers of all tests of a package, started by the first that wants them.
var shared struct {
	mu       sync.Mutex
	running  bool
	server   common[*Server]
	sentinel common[*Sentinel]
	cluster  common[*Cluster]
}

// common is something that all tests of a package share.
type common[T interface{ close() }] struct {
	started bool
	folder  string
	it      T
	err     error
}

// Main runs the tests of a package and ends the servers that they share. It returns the exit code.
func Main(m *testing.M) int {
	shared.mu.Lock()
	shared.running = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.running = false
	shared.server.end()
	shared.sentinel.end()
	shared.cluster.end()
	return code
}

// Shared returns the server that the tests of a package have in common. They neither stop it nor flush it.
func Shared(t testing.TB) *Server {
	t.Helper()
	return get(t, &shared.server, func(folder string) (*Server, error) { return start(folder) })
}

// SharedSentinel returns the servers with sentinels that the tests of a package have in common. They stop none, and
// have them fail over to none: a busy machine is no reason to do so either.
func SharedSentinel(t testing.TB) *Sentinel {
	t.Helper()
	return get(t, &shared.sentinel, func(folder string) (*Sentinel, error) {
		return startSentinel(folder, SentinelSetting("sentinel down-after-milliseconds "+MasterName+" 60000"))
	})
}

// SharedCluster returns the cluster that the tests of a package have in common. They stop no member and move no slot.
func SharedCluster(t testing.TB) *Cluster {
	t.Helper()
	return get(t, &shared.cluster, func(folder string) (*Cluster, error) {
		return startCluster(folder, Setting("cluster-node-timeout 60000"))
	})
}

func get[T interface{ close() }](t testing.TB, c *common[T], start func(folder string) (T, error)) T {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.running {
		t.Fatal("the package of the test has no TestMain that calls redistest.Main")
	}
	if !c.started {
		c.started = true
		if c.folder, c.err = os.MkdirTemp("", "redistest"); c.err == nil {
			c.it, c.err = start(c.folder)
		}
	}
	if c.err != nil {
		t.Fatal(c.err)
	}
	return c.it
}

func (c *common[T]) end() {
	if c.started && c.err == nil {
		c.it.close()
	}
	if c.folder != "" {
		_ = os.RemoveAll(c.folder)
	}
}
