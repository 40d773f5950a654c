package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// lockedBuffer is what a process writes, for a test to read meanwhile.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// runCaddyfile runs a Caddyfile with the built program until the test ends, and returns what it writes.
func runCaddyfile(t *testing.T, caddyfile string, environment ...string) *lockedBuffer {
	t.Helper()
	home, output := t.TempDir(), new(lockedBuffer)
	command := exec.Command(harness.Binary(t), "run", "--config", caddyfile, "--adapter", "caddyfile")
	command.Env = append([]string{"HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CONFIG_HOME=" + home}, environment...)
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if t.Failed() {
			t.Logf("caddy said:\n%s", output)
		}
	})
	return output
}

// shippedEnvironment has the variables of the shipped Caddyfile, whose brokers are one broker of the test.
func shippedEnvironment(t *testing.T, gatewayPort int) []string {
	t.Helper()
	broker := startBroker(t, "db")
	parsed, err := url.Parse(broker.URL)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		fmt.Sprintf("OSB_PORT=%d", gatewayPort), fmt.Sprintf("OSB_ADMIN=localhost:%d", harness.ReservePort(t)),
		"OSB_POSTGRES_PORT=" + parsed.Port(), "OSB_QUEUE_PORT=" + parsed.Port(), "OSB_SHUTDOWN_DELAY=0s",
		"OSB_POSTGRES_PASSWORD=" + harness.BrokerPassword, "OSB_QUEUE_PASSWORD=" + harness.BrokerPassword,
		"OSB_PLATFORM_PASSWORD_HASH=" + harness.PasswordHash,
	}
}

// TestShippedAccessLog runs the shipped Caddyfile: its access log has the call, and neither the identity header nor the
// credentials, in no form. The audit log has the user.
func TestShippedAccessLog(t *testing.T) {
	t.Parallel()
	port := harness.ReservePort(t)
	output := runCaddyfile(t, filepath.Join(harness.Root(), "Caddyfile"), shippedEnvironment(t, port)...)
	line := accessLine(t, port, output)
	header := originatingIdentity("cloudfoundry", members{"user_id": userID})
	_, encoded, _ := strings.Cut(header, " ")
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{
		"the identity's header": "Originating-Identity", "the identity": encoded, "the user": userID,
		"the password": harness.Password,
	} {
		if strings.Contains(strings.ToLower(string(text)), strings.ToLower(secret)) {
			t.Errorf("%s is in the access log: %s", name, text)
		}
	}
	if audit := logLines(output.String(), auditLogger); len(audit) != 1 || audit[0]["identity_user"] != userID {
		t.Errorf("the audit log has the lines %v, want one with the user", audit)
	}
}

// accessLine makes a call to a gateway on a port of 127.0.0.1, and returns its line in the access log.
func accessLine(t *testing.T, port int, output *lockedBuffer) map[string]any {
	t.Helper()
	gateway := &harness.Gateway{URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
	harness.Await(t, "the gateway to serve its catalog", func() bool {
		response, err := gateway.Try(harness.Request{Method: http.MethodGet, Target: "/v2/catalog"})
		return err == nil && response.Status == http.StatusOK
	})
	c := provision("one", "db", "sync").
		with("X-Broker-API-Originating-Identity", originatingIdentity("cloudfoundry", members{"user_id": userID}))
	c.do(t, gateway)
	var found map[string]any
	harness.Await(t, "the line of the access log", func() bool {
		for _, line := range logLines(output.String(), accessLogger) {
			request, _ := line["request"].(map[string]any)
			if request["method"] == http.MethodPut {
				found = line
			}
		}
		return found != nil
	})
	return found
}

// TestDocumentedAccessLog runs the documented example on other ports: what the gateway knows of a call is in the access
// log.
func TestDocumentedAccessLog(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(observability)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(document))
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(examples, func(e doctest.Example) bool { return e.Name == "access-log" })
	if n < 0 {
		t.Fatal("the document has no example of an access log")
	}
	port, broker := harness.ReservePort(t), startBroker(t, "db")
	text := strings.NewReplacer(
		"localhost:8080", fmt.Sprintf("127.0.0.1:%d", port), "http://127.0.0.1:9101", broker.URL,
		"{\n\tlog {", "{\n\tadmin off\n\tlog {",
	).Replace(examples[n].Text)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output := runCaddyfile(t, file,
		"OSB_POSTGRES_PASSWORD="+harness.BrokerPassword, "OSB_PLATFORM_PASSWORD_HASH="+harness.PasswordHash)
	line := accessLine(t, port, output)
	want := map[string]any{
		"osb_platform": "demo", "osb_operation": "provision", "osb_backend": "postgres", "osb_instance": "one",
		"osb_user": userID,
	}
	got := make(map[string]any)
	for name, value := range line {
		if strings.HasPrefix(name, "osb_") {
			got[name] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the access log (-want +got):\n%s", diff)
	}
	if text, _ := json.Marshal(line["request"]); strings.Contains(string(text), "Originating-Identity") {
		t.Errorf("the identity is in the access log: %s", text)
	}
}

// TestAuditKeysAreDocumented: the table of the document has the keys that the tests of the audit log expect, and no
// other.
func TestAuditKeysAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(observability)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Audit log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for row := range strings.Lines(section) {
		first, _, isRow := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		if !isRow || !strings.HasPrefix(row, "| `") {
			continue
		}
		for _, key := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(first, -1) {
			documented = append(documented, key[1])
		}
	}
	want := []string{ // as the design of the log has it; each is somebody's query
		"gateway", "platform", "operation", "instance_id", "binding_id", "service_id", "plan_id", "backend",
		"identity_platform", "identity_user", "organization", "space", "namespace", "cluster", "account", "instance_name",
		"status", "error", "async", "duration", "request_identity", "trace_id",
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("the keys of the document (-want +got):\n%s", diff)
	}
}
