package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// operate runs `caddy osb-gateway` with arguments and returns what it prints.
func operate(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "osb-gateway", SilenceUsage: true, SilenceErrors: true}
	caddycmd.Commands()["osb-gateway"].CobraFunc(root)
	var said bytes.Buffer
	root.SetOut(&said)
	root.SetErr(&said)
	root.SetArgs(arguments)
	err := root.ExecuteContext(t.Context())
	return said.String(), err
}

// writeCaddyfile writes a configuration with these lines in its gateway's block, and returns the file.
func writeCaddyfile(t *testing.T, block string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, caddyfile.Format([]byte(site(block))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// saveCatalogs writes catalogs into a directory, by the names of their backends.
func saveCatalogs(t *testing.T, catalogs map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, catalog := range catalogs {
		if err := os.WriteFile(filepath.Join(directory, name+".json"), []byte(catalog), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// offering is a sound offering with these plans. The ids of both are the names with `-id` behind them.
func offering(name string, plans ...string) string {
	written := make([]string, len(plans))
	for i, plan := range plans {
		written[i] = fmt.Sprintf(`{"id": "%s-%s-id", "name": %q, "description": "a plan", "free": true, "bindable": true}`, name, plan, plan)
	}
	return fmt.Sprintf(`{"id": "%s-id", "name": %q, "description": "an offering", "bindable": true, "plans": [%s]}`,
		name, name, strings.Join(written, ", "))
}

func catalogOf(offerings ...string) string {
	return fmt.Sprintf(`{"services": [%s]}`, strings.Join(offerings, ", "))
}

// unpadded is text without the spaces by which tables are aligned.
func unpadded(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

// wantLines wants these lines among what was said, whatever their spaces.
func wantLines(t *testing.T, said string, want ...string) {
	t.Helper()
	plain := "\n" + unpadded(said)
	for _, line := range want {
		if !strings.Contains(plain, "\n"+line) {
			t.Errorf("there is no line %q in\n%s", line, said)
		}
	}
}

// decodeReport reads what --json printed.
func decodeReport(t *testing.T, said string) map[string]any {
	t.Helper()
	var report map[string]any
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	return report
}
