package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestXcaddyCommand(t *testing.T) {
	t.Parallel()
	m := manifest{
		CaddyVersion: "v2.11.9",
		Plugins: []plugin{
			{ModulePath: "example.com/here"},
			{ModulePath: "example.com/there", Version: "v1.2.3"},
		},
		Replacements: []replacement{
			{Old: "example.com/here", New: "."},
			{Old: "example.com/library v1.0.0", New: "../library"},
		},
		BuildFlags: "-trimpath -ldflags=-s",
	}
	got := xcaddyCommand("/usr/bin/xcaddy", m, "bin/caddy")
	want := command{
		args: []string{
			"/usr/bin/xcaddy", "build", "v2.11.9", "--output", "bin/caddy",
			"--with", "example.com/here=.",
			"--with", "example.com/there@v1.2.3",
			"--replace", "example.com/library@v1.0.0=../library",
		},
		env: []string{"XCADDY_GO_BUILD_FLAGS=-trimpath -ldflags=-s"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(command{})); diff != "" {
		t.Errorf("xcaddyCommand (-want +got):\n%s", diff)
	}
}

func TestGoCommand(t *testing.T) {
	t.Setenv("CGO_ENABLED", "")
	got := goCommand(manifest{BuildFlags: " -trimpath  -ldflags=-s "}, "bin/caddy")
	want := command{
		args: []string{"go", "build", "-trimpath", "-ldflags=-s", "-o", "bin/caddy", "./cmd/caddy"},
		env:  []string{"CGO_ENABLED=0"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(command{})); diff != "" {
		t.Errorf("goCommand (-want +got):\n%s", diff)
	}

	t.Setenv("CGO_ENABLED", "1")
	if got := goCommand(manifest{}, "bin/caddy"); got.env != nil {
		t.Errorf("goCommand with CGO_ENABLED=1 set: got environment %q, want none", got.env)
	}
}

func TestReadManifest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content, wantError string
	}{
		{"OK", `{"caddy_version": "v2.11.9", "plugins": [{"module_path": "example.com/here"}]}`, ""},
		{"Malformed", `{`, "unexpected EOF"},
		{"UnknownField", `{"race_detector": true}`, "race_detector"},
		{"NoVersion", `{"plugins": [{"module_path": "example.com/here"}]}`, "caddy_version"},
		{"NoPlugin", `{"caddy_version": "v2.11.9"}`, "plugins"},
		{
			"QuotedFlag",
			`{"caddy_version": "v2.11.9", "plugins": [{"module_path": "a"}], "build_flags": "-ldflags='-s -w'"}`,
			"build_flags",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "xcaddy.json")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readManifest(path)
			switch {
			case test.wantError == "" && err != nil:
				t.Errorf("readManifest: got error %q, want none", err)
			case test.wantError != "" && (err == nil || !strings.Contains(err.Error(), test.wantError)):
				t.Errorf("readManifest: got error %v, want one with %q", err, test.wantError)
			}
		})
	}
}
