//go:build unix

package demo_test

import (
	"bytes"
	"flag"
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

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
)

// update makes TestReadme write down what the commands of README.md print.
var update = flag.Bool("update", false, "write the real output into README.md")

const (
	// projectRoot is the root of the module, seen from this folder.
	projectRoot = "../.."
	// lastLine is what make run prints when everything runs.
	lastLine = "Ctrl-C stops everything."
	// startDeadline is generous: the first build takes minutes.
	startDeadline = 15 * time.Minute
	stopDeadline  = time.Minute
)

// TestReadme runs the commands of README.md against `make run`, ends it with Ctrl-C, and looks for what is left.
func TestReadme(t *testing.T) {
	ports := freePorts(t, 4)
	demo := startMakeRun(t, ports)
	demo.waitFor(t, lastLine)

	checkReadme(t, ports[0])

	demo.interrupt(t)
	for _, port := range ports {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Errorf("after Ctrl-C port %d is still taken: %v", port, err)
			continue
		}
		_ = listener.Close()
	}
}

// TestTakenPort expects one clear line, before anything is built or started.
func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, taken, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "run")
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "run", "PORT="+taken, "RUN_DIR="+folder)
	cmd.Dir = projectRoot
	cmd.Env = environment()
	output, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("make run with a taken port went on:\n%s", output)
	}
	first, _, _ := strings.Cut(string(output), "\n")
	for _, want := range []string{"port " + taken + " is not free", "make run PORT="} {
		if !strings.Contains(first, want) {
			t.Errorf("first line: got %q, want it to contain %q", first, want)
		}
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("make run with a taken port made its folder: %v", err)
	}
}

// checkReadme runs the console examples. A text that names the usual port is read as naming this one.
func checkReadme(t *testing.T, port int) {
	t.Helper()
	path := filepath.Join(projectRoot, "README.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(content))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	const shown = "localhost:8080"
	here := "localhost:" + strconv.Itoa(port)
	document := string(content)
	ran := 0
	for _, example := range examples {
		if example.Name != "readme-curl" {
			continue
		}
		commands := example.Commands()
		for i, command := range commands {
			got := strings.ReplaceAll(bash(t, strings.ReplaceAll(command.Text, shown, here)), here, shown)
			if diff := cmp.Diff(command.Want, got); diff != "" && !*update {
				t.Errorf("README.md:%d: %s\nprints (-README +real):\n%s", command.Line, command.Text, diff)
			}
			commands[i].Want = got
			ran++
		}
		document = strings.Replace(document, example.Text, doctest.Format(commands), 1)
	}
	if ran < 3 {
		t.Errorf("README.md: got %d commands, want at least 3", ran)
	}
	if *update {
		if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// bash returns what a command prints, without trailing white space.
func bash(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Env = environment()
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("running %s: %v", command, err)
	}
	return strings.TrimRight(string(output), " \t\n")
}

// environment is the test's own, without proxies and without what a make around the test was told.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy", "makeflags", "makeoverrides", "mflags", "makelevel":
		default:
			kept = append(kept, variable)
		}
	}
	return kept
}

// freePorts returns ports that nobody listens on.
func freePorts(t *testing.T, count int) []int {
	t.Helper()
	ports := make([]int, count)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// Held until all are found, so that they differ.
		defer func() { _ = listener.Close() }()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// makeRun is a `make run` in a process group of its own, as a terminal would have it.
type makeRun struct {
	cmd    *exec.Cmd
	output output
	// err is how it ended, once done is closed.
	err  error
	done chan struct{}
}

func startMakeRun(t *testing.T, ports []int) *makeRun {
	t.Helper()
	m := &makeRun{done: make(chan struct{})}
	m.cmd = exec.Command("make", "--no-print-directory", "run",
		fmt.Sprintf("PORT=%d", ports[0]), fmt.Sprintf("ADMIN_PORT=%d", ports[1]),
		fmt.Sprintf("BROKER1_PORT=%d", ports[2]), fmt.Sprintf("BROKER2_PORT=%d", ports[3]),
		"RUN_DIR="+filepath.Join(t.TempDir(), "run"))
	m.cmd.Dir = projectRoot
	m.cmd.Env = environment()
	m.cmd.Stdout, m.cmd.Stderr = &m.output, &m.output
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.done)
	}()
	t.Cleanup(func() {
		// Only if the test failed before it came to interrupt: the demo stops its children when it is asked to.
		m.signal(syscall.SIGTERM)
		<-m.done
	})
	return m
}

// signal reaches make and what it runs, like a key in a terminal. That they are gone already is no error.
func (m *makeRun) signal(s syscall.Signal) { _ = syscall.Kill(-m.cmd.Process.Pid, s) }

func (m *makeRun) waitFor(t *testing.T, text string) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(startDeadline)
	for !strings.Contains(m.output.String(), text) {
		select {
		case <-ticker.C:
		case <-m.done:
			t.Fatalf("make run ended: %v\n%s", m.err, m.output.String())
		case <-deadline:
			t.Fatalf("make run does not get ready:\n%s", m.output.String())
		}
	}
}

// interrupt presses Ctrl-C and waits for the end.
func (m *makeRun) interrupt(t *testing.T) {
	t.Helper()
	m.signal(syscall.SIGINT)
	select {
	case <-m.done:
	case <-time.After(stopDeadline):
		t.Fatalf("make run does not stop:\n%s", m.output.String())
	}
	if got := m.output.String(); !strings.Contains(got, "Stopping.") {
		t.Errorf("make run does not say that it stops:\n%s", got)
	}
}

// output is a buffer for a command that still runs.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}
