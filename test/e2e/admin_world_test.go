package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// askAdmin asks Caddy's admin endpoint for something. The target goes out byte for byte.
func askAdmin(t *testing.T, g *harness.Gateway, method, target string) harness.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, g.Admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = strings.TrimPrefix(g.Admin, "http:") + target
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	content, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return harness.Response{Status: response.StatusCode, Header: response.Header, Body: string(content)}
}

// gatewayStatus is what these tests look at of a status.
type gatewayStatus struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	Store struct {
		Description string `json:"description"`
		Answers     bool   `json:"answers"`
		Error       string `json:"error"`
		DownSince   string `json:"down_since"`
		Identity    struct {
			Known bool   `json:"known"`
			ID    string `json:"id"`
		} `json:"identity"`
	} `json:"store"`
	Cache struct {
		Ready bool `json:"ready"`
	} `json:"cache"`
	Queue struct {
		Waiting          int     `json:"waiting"`
		OldestAgeSeconds float64 `json:"oldest_age_seconds"`
		LastError        string  `json:"last_error"`
	} `json:"queue"`
	Platforms []struct {
		Issuers []struct {
			Issuer string `json:"issuer"`
			Keys   int    `json:"keys"`
			ReadAt string `json:"read_at"`
			Error  string `json:"error"`
		} `json:"issuers"`
	} `json:"platforms"`
	Backends []struct {
		Name    string `json:"name"`
		Catalog struct {
			Known bool `json:"known"`
		} `json:"catalog"`
	} `json:"backends"`
	Records *struct {
		Complete      bool           `json:"complete"`
		Error         string         `json:"error"`
		Instances     map[string]int `json:"instances"`
		NotConfigured int            `json:"not_configured"`
		Unfinished    struct {
			Count    int `json:"count"`
			Examples []struct {
				InstanceID string `json:"instance_id"`
			} `json:"examples"`
		} `json:"unfinished"`
	} `json:"records"`
}

// adminStatus asks for the state of the gateways.
func adminStatus(t *testing.T, g *harness.Gateway, query string) []gatewayStatus {
	t.Helper()
	answer := askAdmin(t, g, "GET", "/osb_gateway/"+query)
	if answer.Status != http.StatusOK {
		t.Fatalf("the status: got %d %s", answer.Status, answer.Body)
	}
	var status struct {
		Gateways []gatewayStatus `json:"gateways"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &status); err != nil {
		t.Fatalf("the status: %v: %s", err, answer.Body)
	}
	return status.Gateways
}

// command runs `caddy osb-gateway` with these arguments and returns what it printed, what it said in error, and its exit
// code.
func command(t *testing.T, arguments ...string) (printed, said string, code int) {
	t.Helper()
	var out, trouble bytes.Buffer
	run := exec.CommandContext(t.Context(), harness.Binary(t), append([]string{"osb-gateway"}, arguments...)...)
	run.Stdout, run.Stderr, run.Dir = &out, &trouble, t.TempDir()
	run.Env = []string{"HOME=" + run.Dir}
	err := run.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("%v: %v", arguments, err)
	}
	return out.String(), trouble.String(), run.ProcessState.ExitCode()
}

// operate runs a command on a gateway that is to go well, and returns what it printed.
func operate(t *testing.T, g *harness.Gateway, arguments ...string) string {
	t.Helper()
	printed, said, code := command(t, append([]string{"--address", strings.TrimPrefix(g.Admin, "http://")}, arguments...)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", arguments, code, said)
	}
	return printed
}

// operateInVain runs a command on a gateway that is to fail, and returns what it said.
func operateInVain(t *testing.T, g *harness.Gateway, arguments ...string) string {
	t.Helper()
	printed, said, code := command(t, append([]string{"--address", strings.TrimPrefix(g.Admin, "http://")}, arguments...)...)
	if code != 1 || printed != "" || !strings.HasPrefix(said, "Error: ") {
		t.Fatalf("%v: exit code %d, printed %q, said %q; want 1, nothing and an error", arguments, code, printed, said)
	}
	return said
}

// wantText checks that a text has these parts.
func wantText(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", what, part, text)
		}
	}
}
