package osbgateway_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
)

// xcaddyMain is the main file that xcaddy generates.
var xcaddyMain = template.Must(template.New("main.go").Parse(`package main

import (
	_ "time/tzdata"

	caddycmd "{{.CaddyModule}}/cmd"

	// plug in Caddy modules here
	_ "{{.CaddyModule}}/modules/standard"
	{{- range .Plugins}}
	_ "{{.ModulePath}}"
	{{- end}}
)

func main() {
	caddycmd.Main()
}
`))

// builtCaddy is the program of cmd/caddy, built once for all tests of this package.
var builtCaddy struct {
	once sync.Once
	path string
	err  error
	log  string
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "caddy-osb-gateway-")
	if err != nil {
		panic(err)
	}
	builtCaddy.path = filepath.Join(folder, "caddy")
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// caddyProgram returns the path of cmd/caddy's program.
func caddyProgram(t *testing.T) string {
	t.Helper()
	builtCaddy.once.Do(func() {
		// Not bound to this test's context: all tests share the program.
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", builtCaddy.path, "./cmd/caddy")
		output, err := cmd.CombinedOutput()
		builtCaddy.log, builtCaddy.err = string(output), err
	})
	if builtCaddy.err != nil {
		t.Fatalf("building cmd/caddy: %v\n%s", builtCaddy.err, builtCaddy.log)
	}
	return builtCaddy.path
}

// runCaddy runs a Caddy program with folders of its own and returns what it prints. Its error holds what went wrong.
func runCaddy(t *testing.T, program, directory string, env []string, arguments ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Dir = directory
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	cmd.Env = append(cmd.Env, env...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// listModules returns what `caddy list-modules` names, without the indented lines in which it counts them: there it
// matters whether a module belongs to the main module.
func listModules(t *testing.T, program string) []string {
	t.Helper()
	output, err := runCaddy(t, program, ".", nil, "list-modules")
	if err != nil {
		t.Fatalf("caddy list-modules: %v\n%s", err, output)
	}
	modules := slices.DeleteFunc(strings.Split(output, "\n"), func(line string) bool {
		return line == "" || strings.HasPrefix(line, " ")
	})
	slices.Sort(modules)
	return modules
}

// TestXcaddyBuild builds what xcaddy builds from xcaddy.json, with the versions of go.mod so that nothing is looked up,
// and compares it with cmd/caddy.
func TestXcaddyBuild(t *testing.T) {
	t.Parallel()
	manifest := readBuildManifest(t)
	folder := t.TempDir()
	var source strings.Builder
	if err := xcaddyMain.Execute(&source, map[string]any{
		"CaddyModule": caddyModulePath,
		"Plugins":     manifest.Plugins,
	}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"main.go": source.String(),
		"go.mod":  readText(t, "go.mod"),
		"go.sum":  readText(t, "go.sum"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	checkout, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	goCommand(t, folder, "mod", "edit", "-module=caddy",
		"-require="+modulePath+"@v0.0.0", "-replace="+modulePath+"="+checkout)
	program := filepath.Join(folder, "caddy")
	goCommand(t, folder, "build", "-mod=mod", "-o", program, ".")

	got := listModules(t, program)
	if diff := cmp.Diff(listModules(t, caddyProgram(t)), got); diff != "" {
		t.Errorf("modules of cmd/caddy (-) and of what xcaddy builds (+):\n%s", diff)
	}
	if !slices.Contains(got, "http.handlers.osb_gateway") {
		t.Errorf("modules: http.handlers.osb_gateway is missing in\n%s", strings.Join(got, "\n"))
	}
}

// TestMakeBuild runs `make build` with an xcaddy that writes down how it is called.
func TestMakeBuild(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	calls := filepath.Join(folder, "calls")
	fake := "#!/bin/sh\nprintf '%s\\n' \"$@\" \"$XCADDY_GO_BUILD_FLAGS\" >'" + calls + "'\n"
	if err := os.WriteFile(filepath.Join(folder, "xcaddy"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "build")
	cmd.Env = append(os.Environ(),
		// What a make around this test was told is not for this one.
		"MAKEFLAGS=",
		"PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make build: %v\n%s", err, output)
	}
	if !strings.Contains(string(output), "with xcaddy") {
		t.Errorf("make build does not say that it uses xcaddy:\n%s", output)
	}
	got := strings.Split(strings.TrimSpace(readText(t, calls)), "\n")
	want := []string{
		"build", readBuildManifest(t).CaddyVersion, "--output", "bin/caddy", "--with", modulePath + "=.",
		"-trimpath -ldflags=-s -tags=nobadger,nomysql,nopgx",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments and flags of xcaddy (-want +got):\n%s", diff)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
