// Package harness runs what the end-to-end tests are about: the built gateway as a process of its own, and sample brokers
// over real HTTP.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// builds are the builds of a test process, by their tags. Each is made when the first test needs it.
var builds struct {
	mu        sync.Mutex
	over      bool // nobody builds any more
	directory string
	byTags    map[string]*build
}

type build struct {
	once sync.Once
	path string
	err  error
}

// buildFor returns the build with these tags, which may not have been made yet.
func buildFor(tags string) (*build, error) {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.over {
		return nil, errors.New("the tests of the package are over")
	}
	if builds.directory == "" {
		directory, err := os.MkdirTemp("", "osb-gateway")
		if err != nil {
			return nil, err
		}
		builds.directory, builds.byTags = directory, make(map[string]*build)
	}
	if builds.byTags[tags] == nil {
		name := "caddy" + strings.ReplaceAll(","+tags, ",", "-")
		builds.byTags[tags] = &build{path: filepath.Join(builds.directory, name)}
	}
	return builds.byTags[tags], nil
}

func (b *build) run(tags string) {
	arguments := []string{"build", "-o", b.path, "-tags", tags}
	if raceDetector {
		arguments = append(arguments, "-race")
	}
	command := exec.Command("go", append(arguments, "./cmd/caddy")...)
	command.Dir = Root()
	if output, err := command.CombinedOutput(); err != nil {
		b.err = fmt.Errorf("building the gateway: %w\n%s", err, output)
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

// Main runs the tests of a package and removes the binaries that they built, if they did.
func Main(tests Runner) int {
	defer func() {
		builds.mu.Lock()
		defer builds.mu.Unlock()
		builds.over = true
		if builds.directory != "" {
			_ = os.RemoveAll(builds.directory)
		}
	}()
	return tests.Run()
}

// Binary builds the gateway, with the race detector if the tests have it, and returns the path of it.
func Binary(t testing.TB) string {
	t.Helper()
	return BinaryWithTags(t, "")
}

// BinaryWithTags is Binary with build tags, separated by commas.
func BinaryWithTags(t testing.TB, tags string) string {
	t.Helper()
	b, err := buildFor(tags)
	if err != nil {
		t.Fatal(err)
	}
	b.once.Do(func() { b.run(tags) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// Root returns the root directory of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
