package redistest

import (
	"os"
	"sync"
	"testing"
)

// shared is the server of all tests of a package, started by the first that wants it.
var shared struct {
	mu      sync.Mutex
	running bool
	folder  string
	server  *Server
	err     error
}

// Main runs the tests of a package and ends the server that they share. It returns the exit code.
func Main(m *testing.M) int {
	shared.mu.Lock()
	shared.running = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.running = false
	if shared.server != nil {
		shared.server.close()
	}
	if shared.folder != "" {
		_ = os.RemoveAll(shared.folder)
	}
	return code
}

// Shared returns the server that the tests of a package have in common. They neither stop it nor flush it.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.running {
		t.Fatal("the package of the test has no TestMain that calls redistest.Main")
	}
	if shared.server == nil && shared.err == nil {
		shared.folder, shared.err = os.MkdirTemp("", "redistest")
		if shared.err == nil {
			shared.server, shared.err = start(shared.folder)
		}
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}
