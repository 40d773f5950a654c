package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// agreeDeadline is how long servers get to agree among themselves; it is only ever reached when something is broken.
const agreeDeadline = 60 * time.Second

// startAll starts several servers at once, each in a folder of its own. It is all or none.
func startAll(folder string, each ...[]Option) ([]*Server, error) {
	servers := make([]*Server, len(each))
	failures := make([]error, len(each))
	var all sync.WaitGroup
	for n, options := range each {
		all.Go(func() {
			own := filepath.Join(folder, strconv.Itoa(n))
			if failures[n] = os.MkdirAll(own, 0o700); failures[n] == nil {
				servers[n], failures[n] = start(own, options...)
			}
		})
	}
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		closeAll(servers)
		return nil, err
	}
	return servers, nil
}

func closeAll(servers []*Server) {
	for _, server := range servers {
		if server != nil {
			server.close()
		}
	}
}

// addresses lists where servers listen.
func addresses(servers []*Server) []string {
	list := make([]string, len(servers))
	for n, server := range servers {
		list[n] = server.Addr
	}
	return list
}

// running leaves out servers that were stopped or killed. A frozen one is running.
func running(servers []*Server) []*Server {
	var list []*Server
	for _, server := range servers {
		server.mu.Lock()
		if server.process != nil {
			list = append(list, server)
		}
		server.mu.Unlock()
	}
	return list
}

// agree polls until check returns nil, which says what is still missing otherwise.
func agree(check func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), agreeDeadline)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var missing error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			missing = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the servers do not agree: %w", missing)
		case <-poll.C:
		}
	}
}

// await is agree for a test.
func await(t testing.TB, check func(ctx context.Context) error) {
	t.Helper()
	if err := agree(check); err != nil {
		t.Fatal(err)
	}
}
