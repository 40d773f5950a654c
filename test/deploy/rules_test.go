package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// alert is a rule.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// readYAML reads a file of deploy. Keys that the target does not have are left out.
func readYAML(t *testing.T, name string, target any) {
	t.Helper()
	text, err := os.ReadFile(deployed(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, target); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	readYAML(t, "prometheus/alerts.yml", &file)
	var alerts []alert
	for _, group := range file.Groups {
		alerts = append(alerts, group.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	return alerts
}

// TestRules has promtool check the rules and run their own tests.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{"check", "config", deployed("prometheus/prometheus.yml")},
		{"check", "rules", "--lint=all", "--lint-fatal", deployed("prometheus/alerts.yml")},
		{"test", "rules", deployed("prometheus/alerts_test.yml")},
	} {
		output, err := exec.Command(program(t, "promtool"), arguments...).CombinedOutput()
		if err != nil || !strings.Contains(string(output), "SUCCESS") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
}

// TestEveryAlertIsTested: each has series for which it fires, and a moment at which it does not.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				AlertName string `yaml:"alertname"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "prometheus/alerts_test.yml", &file)
	fires, silent := make(map[string]bool), make(map[string]bool)
	for _, test := range file.Tests {
		for _, expected := range test.AlertRuleTest {
			if len(expected.ExpAlerts) > 0 {
				fires[expected.AlertName] = true
			} else {
				silent[expected.AlertName] = true
			}
		}
	}
	for _, a := range readAlerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: is expected to fire %t, and not to %t; want both", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

// TestRunbooks: each alert leads to a section of the operations guide, and each such section is an alert's.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, heading := range regexp.MustCompile(`(?m)^### (OSBGateway\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, heading[1])
	}
	names := make([]string, 0, len(sections))
	for _, a := range readAlerts(t) {
		names = append(names, a.Alert)
		want := "https://github.com/osb-gateway/caddy-osb-gateway/blob/main/docs/operations.md#" + strings.ToLower(a.Alert)
		if got := a.Annotations["runbook_url"]; got != want {
			t.Errorf("%s: the runbook is %s, want %s", a.Alert, got, want)
		}
		if a.Annotations["summary"] == "" || a.For == "" {
			t.Errorf("%s has no summary, or fires at once", a.Alert)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: got the severity %q", a.Alert, a.Labels["severity"])
		}
		if !slices.Contains(sections, a.Alert) {
			t.Errorf("docs/operations.md has no section %s", a.Alert)
		}
	}
	for _, section := range sections {
		if !slices.Contains(names, section) {
			t.Errorf("docs/operations.md has a section %s, and there is no such alert", section)
		}
	}
}
