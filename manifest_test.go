package osbgateway_test

import (
	"encoding/json"
	"os"
	"testing"
)

const caddyModulePath = "github.com/caddyserver/caddy/v2"

// buildManifest is what the tests read of xcaddy.json.
type buildManifest struct {
	CaddyVersion string `json:"caddy_version"`
	Plugins      []struct {
		ModulePath string `json:"module_path"`
		Version    string `json:"version"`
	} `json:"plugins"`
	Replacements []struct {
		Old string `json:"old"`
		New string `json:"new"`
	} `json:"replacements"`
}

func readBuildManifest(t *testing.T) buildManifest {
	t.Helper()
	content, err := os.ReadFile("xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest buildManifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		t.Fatalf("reading xcaddy.json: %v", err)
	}
	return manifest
}

// goModule is what the tests read of go.mod.
type goModule struct {
	Require []struct {
		Path    string
		Version string
	}
	Replace []struct {
		Old, New struct {
			Path    string
			Version string
		}
	}
}

// TestManifestVersions keeps a build with xcaddy and one without it alike.
func TestManifestVersions(t *testing.T) {
	t.Parallel()
	var module goModule
	if err := json.Unmarshal([]byte(goCommand(t, ".", "mod", "edit", "-json")), &module); err != nil {
		t.Fatalf("reading go.mod: %v", err)
	}
	required := make(map[string]string)
	for _, r := range module.Require {
		required[r.Path] = r.Version
	}
	manifest := readBuildManifest(t)

	if got, want := manifest.CaddyVersion, required[caddyModulePath]; got != want {
		t.Errorf("caddy_version of xcaddy.json: got %s, want %s as in go.mod", got, want)
	}
	here := false
	for _, plugin := range manifest.Plugins {
		if plugin.ModulePath == modulePath {
			here = true
			continue
		}
		if got, want := plugin.Version, required[plugin.ModulePath]; got != want {
			t.Errorf("version of plugin %s in xcaddy.json: got %q, want %q as in go.mod", plugin.ModulePath, got, want)
		}
	}
	if !here {
		t.Errorf("plugins of xcaddy.json: %s is missing", modulePath)
	}

	replaced := make(map[string]string)
	for _, r := range module.Replace {
		old, replacement := r.Old.Path, r.New.Path
		if r.Old.Version != "" {
			old += " " + r.Old.Version
		}
		if r.New.Version != "" {
			replacement += "@" + r.New.Version
		}
		replaced[old] = replacement
	}
	// The gateway itself comes from this checkout; in its own go.mod that goes without saying.
	replaced[modulePath] = "."
	for _, r := range manifest.Replacements {
		if want := replaced[r.Old]; r.New != want {
			t.Errorf("replacement of %s in xcaddy.json: got %q, want %q as in go.mod", r.Old, r.New, want)
		}
		delete(replaced, r.Old)
	}
	for old, replacement := range replaced {
		t.Errorf("replacements of xcaddy.json: %s => %s of go.mod is missing", old, replacement)
	}
}
