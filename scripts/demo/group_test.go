//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// modeVariable makes the test binary one of the programs that a group runs.
const modeVariable = "DEMO_TEST_MODE"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(modeVariable); mode {
	case "":
		os.Exit(m.Run())
	case "obedient":
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		fmt.Println("started")
		<-terminated
		fmt.Println("stopped by itself")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("started")
		<-make(chan struct{})
	case "failing":
		fmt.Println("the reason")
		os.Exit(3)
	default:
		fmt.Println("unknown mode", mode)
		os.Exit(1)
	}
}

func testProgram(t *testing.T, name, mode string) program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program{name: name, args: []string{self}, env: []string{modeVariable + "=" + mode}}
}

// waitForLog waits until a program wrote the text.
func waitForLog(t *testing.T, directory, name, text string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(time.Minute)
	for {
		content, err := os.ReadFile(filepath.Join(directory, name+".log"))
		if err == nil && strings.Contains(string(content), text) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s never wrote %q", name, text)
		}
	}
}

// running tells whether a process with the id exists.
func running(id int) bool {
	return !errors.Is(syscall.Kill(id, 0), syscall.ESRCH)
}

func startAll(t *testing.T, g *group, modes map[string]string) []int {
	t.Helper()
	for name, mode := range modes {
		if err := g.start(testProgram(t, name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	var ids []int
	for _, p := range g.running {
		ids = append(ids, p.cmd.Process.Pid)
		waitForLog(t, g.directory, p.name, "started")
	}
	return ids
}

func TestStop(t *testing.T) {
	t.Parallel()
	g := newGroup(t.TempDir(), &bytes.Buffer{})
	ids := startAll(t, g, map[string]string{"one": "obedient", "two": "obedient"})

	g.stop(make(chan os.Signal))

	for _, id := range ids {
		if running(id) {
			t.Errorf("process %d is still there", id)
		}
	}
	for _, name := range []string{"one", "two"} {
		if got := lastLines(filepath.Join(g.directory, name+".log"), 1); got != "stopped by itself" {
			t.Errorf("last line of %s: got %q, want %q", name, got, "stopped by itself")
		}
	}
}

func TestStopStubborn(t *testing.T) {
	t.Parallel()
	g := newGroup(t.TempDir(), &bytes.Buffer{})
	ids := startAll(t, g, map[string]string{"one": "stubborn", "two": "stubborn"})

	// The second Ctrl-C.
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	g.stop(signals)

	for _, id := range ids {
		if running(id) {
			t.Errorf("process %d is still there", id)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	g := newGroup(t.TempDir(), &bytes.Buffer{})
	if err := g.start(testProgram(t, "broker", "failing")); err != nil {
		t.Fatal(err)
	}
	err := g.explain(<-g.ended)
	for _, want := range []string{"broker stopped: exit status 3", "broker.log", "the reason"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("explain: got %q, want it to contain %q", err, want)
		}
	}
	// Stopping what has ended already is no error.
	g.stop(make(chan os.Signal))
}
