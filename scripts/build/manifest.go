package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// manifest is the part of xcaddy's Builder type that xcaddy.json may use. Both ways of building understand all of it;
// any other field is refused, because one of them would silently leave it out.
type manifest struct {
	// CaddyVersion is the version of Caddy, such as "v2.11.9".
	CaddyVersion string `json:"caddy_version"`
	// Plugins are the modules to import.
	Plugins []plugin `json:"plugins"`
	// Replacements are the modules to take from elsewhere.
	Replacements []replacement `json:"replacements"`
	// BuildFlags are arguments of `go build`, separated by blanks. xcaddy splits them like a shell, `make build` at
	// blanks, so quotes are refused.
	BuildFlags string `json:"build_flags"`
}

type plugin struct {
	ModulePath string `json:"module_path"`
	Version    string `json:"version"`
}

type replacement struct {
	Old string `json:"old"`
	New string `json:"new"`
}

func readManifest(path string) (manifest, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return manifest{}, fmt.Errorf("reading the build manifest: %w", err)
	}
	var m manifest
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return manifest{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if m.CaddyVersion == "" || len(m.Plugins) == 0 {
		return manifest{}, fmt.Errorf("%s must name caddy_version and at least one of plugins", path)
	}
	if strings.ContainsAny(m.BuildFlags, `"'\`) {
		return manifest{}, fmt.Errorf("%s: quotes and backslashes are not possible in build_flags", path)
	}
	return m, nil
}

// command is a program with its arguments, and what is added to its environment.
type command struct {
	args []string
	env  []string
}

// xcaddyCommand builds in a module of xcaddy's own. A replaced plugin is handed over as --with module=path, because
// xcaddy takes only such a path relative to the current directory.
func xcaddyCommand(xcaddy string, m manifest, output string) command {
	replacements := make(map[string]string, len(m.Replacements))
	for _, r := range m.Replacements {
		replacements[r.Old] = r.New
	}
	args := []string{xcaddy, "build", m.CaddyVersion, "--output", output}
	for _, p := range m.Plugins {
		with := p.ModulePath
		if p.Version != "" {
			with += "@" + p.Version
		}
		if path, replaced := replacements[p.ModulePath]; replaced {
			with += "=" + path
			delete(replacements, p.ModulePath)
		}
		args = append(args, "--with", with)
	}
	for _, r := range m.Replacements {
		if path, left := replacements[r.Old]; left {
			args = append(args, "--replace", strings.Replace(r.Old, " ", "@", 1)+"="+path)
		}
	}
	return command{args: args, env: []string{"XCADDY_GO_BUILD_FLAGS=" + m.BuildFlags}}
}

// goCommand builds in this module. Like xcaddy it leaves cgo out unless the environment asks for it.
func goCommand(m manifest, output string) command {
	c := command{args: slices.Concat(
		[]string{"go", "build"}, strings.Fields(m.BuildFlags), []string{"-o", output, "./cmd/caddy"},
	)}
	if os.Getenv("CGO_ENABLED") == "" {
		c.env = append(c.env, "CGO_ENABLED=0")
	}
	return c
}
