package harness

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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
	command := exec.Command(Binary(t), "reload", "--config", g.config(), "--adapter", "caddyfile", "--force",
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
