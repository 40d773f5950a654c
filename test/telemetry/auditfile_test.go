package telemetry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestAuditFile runs the documented example, with another directory in the place of /var/log/caddy.
func TestAuditFile(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	global := strings.ReplaceAll(documentedOptions(t, "audit-log"), "/var/log/caddy", directory)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store memory", broker.Backend("pg", "")), Site: "log", Global: global,
	})
	c := provision("one", "db", "sync")
	c.do(t, gateway)
	fetch("one").do(t, gateway)
	gateway.Stop(t)

	content, err := os.ReadFile(filepath.Join(directory, "osb-audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := auditLines(string(content), c); len(lines) != 1 {
		t.Errorf("the file has the lines %v about the call, want one", lines)
	}
	if lines := strings.Count(string(content), "\n"); lines != 1 {
		t.Errorf("the file has %d lines, want the one:\n%s", lines, content)
	}
	if lines := logLines(gateway.Output(), auditLogger); len(lines) != 0 {
		t.Errorf("the log of everything else has the lines %v", lines)
	}
	if lines := logLines(gateway.Output(), accessLogger); len(lines) < 2 {
		t.Errorf("the access log has %d lines, want those of the calls", len(lines))
	}
}

// documentedOptions reads an example of global options, without the braces around them.
func documentedOptions(t testing.TB, name string) string {
	t.Helper()
	document, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		if example.Name == name {
			text := strings.TrimSpace(example.Text)
			return strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
		}
	}
	t.Fatalf("the document has no example %s", name)
	return ""
}
