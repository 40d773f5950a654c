package harness

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything that must happen may take. It is no measurement: a machine may be very busy.
const patience = 2 * time.Minute

// User and Password are the credentials that PasswordHash stands for.
const (
	User     = "platform"
	Password = "platform-password-marked"
	// PasswordHash is a bcrypt hash of Password, at the least cost.
	PasswordHash = "$2a$04$VHKE4UfEPzUaYNhwnpkzpeG9tnpgNijKnPhzhrlIjJeecPRKxV.X6"
)

// Gateway is a running gateway process.
type Gateway struct {
	// URL is where it serves, without a slash at its end.
	URL string
	// Admin is the URL of Caddy's admin endpoint.
	Admin string
	// Directory is its home; data outlives a restart there.
	Directory string

	port, adminPort int
	generation      int
	inheritSocket   bool
	tags            string
	environment     []string
	processors      []int
	command         *exec.Cmd
	output          *output
	ended           chan struct{}
}

// Options are the settings of a gateway process.
type Options struct {
	// Block is what stands inside the osb_gateway block of the Caddyfile.
	Block string
	// Global is added to the Caddyfile's global options, Site to its site before the gateway.
	Global, Site string
	// Sites are further sites of the Caddyfile.
	Sites string
	// Environment is added to a small one, as NAME=value.
	Environment []string
	// Directory is its home; empty means a new one.
	Directory string
	// InheritSocket hands the listening socket to the process, as systemd does, in place of letting it listen by itself.
	// On a reload Caddy otherwise listens anew beside the old socket, and when that is closed, Linux resets connections
	// that wait in it to be accepted (unless net.ipv4.tcp_migrate_req is set).
	InheritSocket bool
	// Tags are the tags that the binary is built with, separated by commas.
	Tags string
	// PersistConfig has Caddy keep its configuration on disk, as it does by default.
	PersistConfig bool
	// AdminSocket is the unix socket of the admin endpoint; empty means a port of 127.0.0.1. Without a port there is no
	// Reload.
	AdminSocket string
	// Processors are the numbers of those that it may use; empty means all. Only Linux heeds it.
	Processors []int
	// NoHTTPMetrics leaves out Caddy's own metrics of HTTP requests, as is its default. The gateway's are always there.
	NoHTTPMetrics bool
	// Quiet keeps what the gateway wrote from being printed when the test fails.
	Quiet bool
}

// caddyfile returns the configuration as a Caddyfile.
func (o Options) caddyfile(port, adminPort, generation int) string {
	listen := "127.0.0.1"
	if o.InheritSocket {
		listen = "fd/3" // the first file after the standard ones
	}
	admin := fmt.Sprintf("127.0.0.1:%d", adminPort)
	if o.AdminSocket != "" {
		admin = "unix/" + o.AdminSocket
	}
	persist := "persist_config off"
	if o.PersistConfig {
		persist = ""
	}
	metrics := "metrics"
	if o.NoHTTPMetrics {
		metrics = ""
	}
	return fmt.Sprintf(`{
	admin %s
	grace_period 60s
	%s
	%s
	servers {
		max_header_size 64KiB
	}
	%s
}
http://127.0.0.1:%d {
	bind %s
	%s
	osb_gateway {
		%s
	}
}
http://%s:%d {
	bind %s
	respond %s
}
%s
`, admin, persist, metrics, o.Global, port, listen, o.Site, o.Block, generationHost, port, listen,
		generationName(generation), o.Sites)
}

// Start starts a gateway and waits until it is ready. It ends with the test.
func Start(t testing.TB, options Options) *Gateway {
	t.Helper()
	g := Launch(t, options)
	g.AwaitReady(t)
	return g
}

// Launch starts a gateway and waits for nothing: it may never become ready, or end by itself. It ends with the test.
func Launch(t testing.TB, options Options) *Gateway {
	t.Helper()
	if options.Directory == "" {
		options.Directory = t.TempDir()
	}
	port, adminPort := reservePort(t), reservePort(t)
	g := &Gateway{
		URL:       fmt.Sprintf("http://127.0.0.1:%d", port),
		Admin:     fmt.Sprintf("http://127.0.0.1:%d", adminPort),
		Directory: options.Directory, port: port, adminPort: adminPort, inheritSocket: options.InheritSocket,
		tags: options.Tags, processors: options.Processors,
		output:      new(output),
		environment: append(baseEnvironment(options.Directory), options.Environment...),
	}
	g.write(t, options, g.generation)
	g.run(t)
	t.Cleanup(func() {
		g.Stop(t)
		if raceDetector && strings.Contains(g.Output(), "WARNING: DATA RACE") {
			t.Error("the gateway has a data race")
		}
		if t.Failed() && !options.Quiet {
			t.Logf("the gateway said:\n%s", g.Output())
		}
	})
	return g
}

// Restart starts the gateway again, with its home, its ports and the configuration that it was given last, and waits until
// it is ready. It must have ended.
func (g *Gateway) Restart(t testing.TB) {
	t.Helper()
	g.Relaunch(t)
	g.AwaitReady(t)
}

// Relaunch is Restart without waiting for the gateway to be ready.
func (g *Gateway) Relaunch(t testing.TB) {
	t.Helper()
	g.AwaitEnd(t)
	g.run(t)
}

// RestartWith is Restart with other variables than those of the options in the environment.
func (g *Gateway) RestartWith(t testing.TB, environment ...string) {
	t.Helper()
	g.environment = append(baseEnvironment(g.Directory), environment...)
	g.Restart(t)
}

// baseEnvironment is what every gateway has in its environment.
func baseEnvironment(directory string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + directory,
		"XDG_DATA_HOME=" + filepath.Join(directory, "data"),
		"XDG_CONFIG_HOME=" + filepath.Join(directory, "config"),
	}
}

// run starts the process.
func (g *Gateway) run(t testing.TB) {
	t.Helper()
	command := exec.Command(BinaryWithTags(t, g.tags), "run", "--config", g.config(), "--adapter", "caddyfile")
	command.Env = g.environment
	command.Dir = g.Directory
	command.Stdout, command.Stderr = g.output, g.output
	command.SysProcAttr = endWithParent()
	if g.inheritSocket {
		socket := listen(t, g.port)
		// Only the process is to have it, so that nobody can connect when that has ended.
		defer func() { _ = socket.Close() }()
		command.ExtraFiles = []*os.File{socket}
	}
	if err := startOn(command, g.processors); err != nil {
		t.Fatalf("starting the gateway: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	g.command, g.ended = command, ended
}

// AwaitEnd waits until the process has ended, and returns its exit code; -1 if a signal ended it.
func (g *Gateway) AwaitEnd(t testing.TB) int {
	t.Helper()
	select {
	case <-g.ended:
	case <-time.After(patience):
		t.Fatal("waited in vain for the gateway to end")
	}
	return g.command.ProcessState.ExitCode()
}

func (g *Gateway) config() string { return filepath.Join(g.Directory, "Caddyfile") }

// write writes the configuration down as the next one to be loaded.
func (g *Gateway) write(t testing.TB, options Options, generation int) {
	t.Helper()
	if err := os.WriteFile(g.config(), []byte(options.caddyfile(g.port, g.adminPort, generation)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// AwaitReady waits until the gateway serves its catalog.
func (g *Gateway) AwaitReady(t testing.TB) {
	t.Helper()
	g.awaitHealth(t, "ready")
}

// AwaitLive waits until the gateway answers at all. It opens its store and asks for catalogs before it listens, so what it
// logs or sends is no sign that it can be called.
func (g *Gateway) AwaitLive(t testing.TB) {
	t.Helper()
	g.awaitHealth(t, "live")
}

func (g *Gateway) awaitHealth(t testing.TB, check string) {
	t.Helper()
	Await(t, "the gateway to be "+check, func() bool {
		select {
		case <-g.ended:
			t.Fatalf("the gateway ended:\n%s", g.Output())
		default:
		}
		response, err := http.Get(g.URL + "/healthz/" + check)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// Stop ends the gateway as an operator does, with SIGTERM, and waits for its end.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	g.signal(t, syscall.SIGTERM)
}

// Kill ends the gateway at once.
func (g *Gateway) Kill(t testing.TB) {
	t.Helper()
	g.signal(t, syscall.SIGKILL)
}

func (g *Gateway) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := g.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("ending the gateway: %v", err)
	}
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.command.Process.Kill()
		t.Errorf("the gateway did not end after %s", signal)
	}
}

// Output returns all that the process has written.
func (g *Gateway) Output() string { return g.output.String() }

// Await waits until something is so.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-ticker.C
	}
}

// output collects what a process writes.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// Caddy runs another command of the gateway's binary in its home and environment, and returns all that it says.
func (g *Gateway) Caddy(t testing.TB, arguments ...string) (string, error) {
	t.Helper()
	command := exec.Command(BinaryWithTags(t, g.tags), arguments...)
	command.Env, command.Dir = g.environment, g.Directory
	said, err := command.CombinedOutput()
	return string(said), err
}
