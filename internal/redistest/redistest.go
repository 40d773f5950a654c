// Package redistest runs a real redis-server for tests: on a free port of 127.0.0.1, with its data in a temporary
// directory, and ended with the test.
//
// A test that needs a server of its own, to stop it or to fill it, calls Start. All others share one: their package has
//
//	func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }
//
// and they call Shared and keep apart by their key prefixes. StartSentinel and StartCluster start several servers that
// watch over each other; SharedSentinel and SharedCluster are the ones that a package's tests have in common.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// startDeadline is generous: it is only ever reached when something is broken.
	startDeadline = 30 * time.Second
	pollInterval  = 10 * time.Millisecond
	// portAttempts is how often another free port is tried, when somebody took the one just found.
	portAttempts = 5
)

// errMissing is what a machine without Redis gets to see.
var errMissing = errors.New("redis-server is not on the PATH; install it (apt-get install redis-server)")

// errPortTaken tells that a server ended because its port was in use.
var errPortTaken = errors.New("the port is in use")

// Server is a redis-server that belongs to a test. Its methods fail the test when they cannot do what they should.
type Server struct {
	// Addr is its host:port; it stays the same over restarts.
	Addr string
	// Password is the one that it demands; empty where none is.
	Password string

	settings []string
	// sentinelSettings are what a sentinel has in place of settings.
	sentinelSettings []string
	mode             mode
	// encryption is nil for a server without TLS.
	encryption *Certificate
	port       int
	// bus is the port on which members of a cluster speak to each other.
	bus    int
	folder string

	mu      sync.Mutex
	process *process
	client  *redis.Client
}

// mode is what a server is started as.
type mode int

const (
	// watched is a server that sentinels watch over. Without a mode it is a server by itself.
	watched mode = iota + 1
	// sentinel is a process that watches over servers and holds no data.
	sentinel
	// member is a member of a cluster.
	member
	// wholeCluster is a cluster of one node.
	wholeCluster
)

// process is one run of the server.
type process struct {
	command *exec.Cmd
	output  bytes.Buffer
	// ended is closed when the process is gone; output is complete then.
	ended chan struct{}
}

// Option changes the server that Start starts.
type Option func(*Server)

// Password has the server demand a password. It is not part of the command line.
func Password(password string) Option {
	return func(s *Server) {
		if s.mode == sentinel {
			s.sentinelSettings = append(s.sentinelSettings, "sentinel auth-pass "+MasterName+" "+strconv.Quote(password))
			return
		}
		s.Password = password
		quoted := strconv.Quote(password)
		s.settings = append(s.settings, "requirepass "+quoted, "masterauth "+quoted)
	}
}

// Setting adds a line of redis.conf, such as "maxmemory 1mb". Sentinels have settings of their own: SentinelSetting.
func Setting(line string) Option {
	return func(s *Server) { s.settings = append(s.settings, line) }
}

// Start starts a server for one test and stops it at its end. Without redis-server the test fails; it is not skipped.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	server, err := start(t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.close)
	return server
}

// Client returns a client of the server, the same one each time. It is closed with the server.
func (s *Server) Client() *redis.Client {
	return s.client
}

// Stop ends the server in good order: what it holds is on disk. It does nothing when the server is not running.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGTERM)
}

// Kill ends the server at once, with SIGKILL. It does nothing when the server is not running.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGKILL)
}

// Freeze stops the server in its tracks: it keeps its connections and answers nothing. It must be running.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	s.send(t, syscall.SIGSTOP)
}

// Thaw lets a frozen server go on, as if no time had passed.
func (s *Server) Thaw(t testing.TB) {
	t.Helper()
	s.send(t, syscall.SIGCONT)
}

func (s *Server) send(t testing.TB, signal syscall.Signal) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		t.Fatalf("redis-server on %s does not run", s.Addr)
	}
	if err := s.process.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the server again with the data it had, on the same port; a running one is stopped first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Wipe takes from a server that does not run what it wrote to the disk, so that it comes back empty. A member of a cluster
// still knows the others and which slots are its own.
func (s *Server) Wipe(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		t.Fatalf("redis-server on %s runs", s.Addr)
	}
	for _, name := range []string{"appendonlydir", "appendonly.aof", "dump.rdb"} {
		if err := os.RemoveAll(filepath.Join(s.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.signal(signal); err != nil {
		t.Fatal(err)
	}
}

// signal ends the running process, if there is one.
func (s *Server) signal(signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	_ = s.process.command.Process.Signal(signal)
	_ = s.process.command.Process.Signal(syscall.SIGCONT)
	select {
	case <-s.process.ended:
	case <-time.After(startDeadline):
		_ = s.process.command.Process.Kill()
		<-s.process.ended
		return fmt.Errorf("redis-server did not end on %s and was killed", signal)
	}
	s.process = nil
	return nil
}

// close ends everything. A server that is about to be thrown away need not save its data.
func (s *Server) close() {
	_ = s.client.Close()
	_ = s.signal(syscall.SIGKILL)
}

func start(folder string, options ...Option) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errMissing
	}
	var err error
	for range portAttempts {
		server := &Server{folder: folder}
		for _, option := range options {
			option(server)
		}
		if server.port, err = freePort(); err != nil {
			return nil, err
		}
		if server.mode == member || server.mode == wholeCluster {
			// By default the port of the cluster bus is the other one plus 10000, which may be none.
			if server.bus, err = freePort(); err != nil {
				return nil, err
			}
		}
		server.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(server.port))
		server.client = redis.NewClient(server.clientOptions())
		if err = server.writeConfiguration(); err == nil {
			err = server.run()
		}
		if err == nil && server.mode == wholeCluster {
			err = server.takeSlots()
		}
		if err == nil {
			return server, nil
		}
		_ = server.signal(syscall.SIGKILL)
		_ = server.client.Close()
		if !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
	return nil, err
}

func (s *Server) clientOptions() *redis.Options {
	return &redis.Options{
		Addr: s.Addr, Password: s.Password, Protocol: 2, ContextTimeoutEnabled: true, DialerRetries: 1, TLSConfig: s.TLS(),
	}
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &process{command: exec.Command("redis-server", s.arguments()...), ended: make(chan struct{})}
	if !s.hasFile() {
		p.command.Stdin = strings.NewReader(s.configuration())
	}
	p.command.Stdout = &p.output
	p.command.Stderr = &p.output
	p.command.Dir = s.folder
	p.command.SysProcAttr = endWithParent()
	if err := p.command.Start(); err != nil {
		return fmt.Errorf("starting redis-server: %w", err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	if err := s.awaitReady(p); err != nil {
		_ = p.command.Process.Kill()
		<-p.ended
		output := p.output.String()
		if strings.Contains(output, "Address already in use") {
			err = errPortTaken
		}
		return fmt.Errorf("starting redis-server on %s: %w\n%s", s.Addr, err, output)
	}
	s.process = p
	if s.mode == sentinel {
		return s.hurry()
	}
	return nil
}

// awaitReady polls with PING until the server is up and has loaded its data.
func (s *Server) awaitReady(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	// Not the client of the test: it may still have connections to the former run.
	options := s.clientOptions()
	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		if connectable(ctx, s.Addr) && client.Ping(ctx).Err() == nil {
			return nil
		}
		select {
		case <-p.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.New("it does not answer")
		case <-poll.C:
		}
	}
}

// connectable keeps the client from failing, and from reporting it, before the server listens.
func connectable(ctx context.Context, address string) bool {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
