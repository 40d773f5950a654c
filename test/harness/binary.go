// Package harness runs what the end-to-end tests are about: the built gateway as a process of its own, and sample brokers
// over real HTTP.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// build is the one build of a test process, made when the first test needs it.
var build struct {
	once            sync.Once
	directory, path string
	err             error
}

func buildBinary() {
	if build.directory, build.err = os.MkdirTemp("", "osb-gateway"); build.err != nil {
		return
	}
	build.path = filepath.Join(build.directory, "caddy")
	arguments := []string{"build", "-o", build.path}
	if raceDetector {
		arguments = append(arguments, "-race")
	}
	command := exec.Command("go", append(arguments, "./cmd/caddy")...)
	command.Dir = Root()
	if output, err := command.CombinedOutput(); err != nil {
		build.err = fmt.Errorf("building the gateway: %w\n%s", err, output)
	}
}

// Runner runs the tests of a package and returns the exit code. *testing.M is one.
type Runner interface {
	Run() int
}

// RunnerFunc makes a function a Runner, so that a package may need more than one Main:
//
//	func TestMain(m *testing.M) {
//		os.Exit(harness.Main(harness.RunnerFunc(func() int { return redistest.Main(m) })))
//	}
type RunnerFunc func() int

// Run calls the function.
func (f RunnerFunc) Run() int { return f() }

// Main runs the tests of a package and removes the binary that they built, if they did.
func Main(tests Runner) int {
	defer func() {
		build.once.Do(func() {}) // nobody builds any more
		if build.directory != "" {
			_ = os.RemoveAll(build.directory)
		}
	}()
	return tests.Run()
}

// Binary builds the gateway, with the race detector if the tests have it, and returns the path of it.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(buildBinary)
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// Root returns the root directory of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
