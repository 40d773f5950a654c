package harness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// generationHost is a site beside the gateway's that tells which configuration serves, by the number of its loading.
const generationHost = "generation.invalid"

func generationName(generation int) string { return "generation-" + strconv.Itoa(generation) }

// Reload loads a configuration into the running process by Caddy's own command and returns what that says if it fails.
// When it returns, new connections are served by one configuration only: the new one, or after an error the old one.
func (g *Gateway) Reload(t testing.TB, options Options) error {
	t.Helper()
	before, err := os.ReadFile(g.config())
	if err != nil {
		t.Fatal(err)
	}
	g.write(t, options, g.generation+1)
	command := exec.Command(BinaryWithTags(t, g.tags), "reload", "--config", g.config(), "--adapter", "caddyfile", "--force",
		"--address", fmt.Sprintf("127.0.0.1:%d", g.adminPort))
	command.Env = g.environment
	said, failure := command.CombinedOutput()
	if failure == nil {
		g.generation++
	} else if err := os.WriteFile(g.config(), before, 0o600); err != nil {
		t.Fatal(err)
	}
	g.awaitGeneration(t)
	if failure != nil {
		return fmt.Errorf("%w: %s", failure, said)
	}
	return nil
}

// awaitGeneration waits until only one configuration takes connections. While Caddy changes one for another, both listen,
// and the kernel gives each of them every other connection.
func (g *Gateway) awaitGeneration(t testing.TB) {
	t.Helper()
	// Many in a row are no coincidence.
	const enough = 20
	fresh := &http.Transport{DisableKeepAlives: true}
	request, err := http.NewRequest(http.MethodGet, g.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = generationHost
	inARow := 0
	Await(t, "the other configuration to end", func() bool {
		for inARow < enough {
			response, err := fresh.RoundTrip(request)
			if err != nil {
				inARow = 0
				return false
			}
			generation, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || string(generation) != generationName(g.generation) {
				inARow = 0
				return false
			}
			inARow++
		}
		return true
	})
	// The connections that are left from before are closed now or in a moment.
	transport.CloseIdleConnections()
}

// Adapt returns the JSON of a configuration, as the running process would have it.
func (g *Gateway) Adapt(t testing.TB, options Options) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(options.caddyfile(g.port, g.adminPort, g.generation)), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(BinaryWithTags(t, g.tags), "adapt", "--config", path, "--adapter", "caddyfile")
	command.Env = g.environment
	adapted, err := command.Output()
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	return adapted
}

// Load loads a configuration in JSON through Caddy's admin endpoint, also if it is the one that runs. It does not wait for
// the end of the one before.
func (g *Gateway) Load(t testing.TB, config []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, g.Admin+"/load", bytes.NewReader(config))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Cache-Control", "must-revalidate")
	// Caddy starts its admin endpoint anew with each configuration, and cuts connections to the one before.
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	for attempts := 0; err != nil && attempts < 10; attempts++ {
		request.Body = io.NopCloser(bytes.NewReader(config))
		response, err = http.DefaultClient.Do(request)
	}
	if err != nil {
		t.Fatalf("loading a configuration: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("loading a configuration: got %d %s", response.StatusCode, said)
	}
}
