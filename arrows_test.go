package osbgateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/osb-gateway/caddy-osb-gateway"

// layer says what packages may import of this module.
type layer struct {
	// packages are paths below the module; one that ends in /... stands for everything below it.
	packages []string
	// may lists what they may import, in the same form.
	may []string
}

// layers are the arrows between the packages, from the top to the bottom. The first entry that names a package counts.
// A package that none names may import internal/osb alone.
var layers = []layer{
	{packages: []string{"."}, may: []string{"caddymodule"}},
	{packages: []string{"cmd/caddy"}, may: []string{"."}},
	{packages: []string{"cmd/samplebroker"}, may: []string{"internal/samplebroker", "internal/osb"}},
	{packages: []string{"scripts/..."}},
	{packages: []string{"test/..."}, may: []string{"internal/...", "routing/...", "test/harness", "test/platforms"}},
	{packages: []string{"caddymodule"}, may: []string{
		"internal/platform", "internal/backend", "internal/telemetry", "internal/osb", "internal/crashpoint",
		"routing", "routing/redisstore", "routing/filestore", "routing/memorystore", "catalogmerge",
	}},
	{packages: []string{"catalogmerge", "routing", "internal/..."}, may: []string{"internal/osb"}},
	{packages: []string{"routing/..."}, may: []string{"routing", "internal/osb"}},
}

// forbidden are modules that only some packages may import.
var forbidden = []struct {
	// module is a prefix of import paths.
	module string
	// anywhere tells that the others must not import it in their tests either, nor reach it through other packages.
	anywhere bool
	// except lists the packages that may import it.
	except []string
}{
	{module: "github.com/caddyserver/", anywhere: true, except: []string{".", "caddymodule", "cmd/caddy"}},
	{module: "github.com/redis/", except: []string{"routing/redisstore", "internal/redistest"}},
	{module: "go.etcd.io/bbolt", except: []string{"routing/filestore"}},
}

// pure lists packages that are for themselves, with what they must not reach.
var (
	pure        = []string{"routing", "catalogmerge", "internal/osb"}
	pureForbids = []string{
		"github.com/caddyserver/", "go.uber.org/zap", "github.com/prometheus/", "github.com/redis/", "go.etcd.io/",
		"go.opentelemetry.io/",
	}
)

// listedPackage is what `go list` says of a package.
type listedPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func (p listedPackage) name() string { return packageName(p.ImportPath) }

// packageName is the path below the module, "." for its root.
func packageName(importPath string) string {
	if importPath == modulePath {
		return "."
	}
	return strings.TrimPrefix(importPath, modulePath+"/")
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		checkLayer(t, p)
		checkForbidden(t, p)
		if slices.Contains(pure, p.name()) {
			for _, path := range p.Deps {
				if slices.ContainsFunc(pureForbids, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
					t.Errorf("%s reaches %s, which it must not know", p.name(), path)
				}
			}
		}
	}
}

// checkLayer looks at the imports of the code itself; tests may import what they test with.
func checkLayer(t *testing.T, p listedPackage) {
	t.Helper()
	allowed := layer{may: []string{"internal/osb"}}
	for _, l := range layers {
		if matches(l.packages, p.name()) {
			allowed = l
			break
		}
	}
	for _, path := range p.Imports {
		if path != modulePath && !strings.HasPrefix(path, modulePath+"/") {
			continue
		}
		if name := packageName(path); !matches(allowed.may, name) {
			t.Errorf("%s imports %s: this arrow must not point that way", p.name(), name)
		}
	}
}

func checkForbidden(t *testing.T, p listedPackage) {
	t.Helper()
	for _, f := range forbidden {
		if matches(f.except, p.name()) {
			continue
		}
		paths := slices.Clone(p.Imports)
		if f.anywhere {
			paths = slices.Concat(paths, p.TestImports, p.XTestImports, p.Deps)
		}
		slices.Sort(paths)
		for _, path := range slices.Compact(paths) {
			if strings.HasPrefix(path, f.module) {
				t.Errorf("%s imports or reaches %s, which is for %s alone", p.name(), path, strings.Join(f.except, ", "))
				break
			}
		}
	}
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if parent, all := strings.CutSuffix(pattern, "/..."); all {
			return strings.HasPrefix(name, parent+"/")
		}
		return pattern == name
	})
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	output := goCommand(t, ".", "list", "-deps",
		"-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	var packages []listedPackage
	decoder := json.NewDecoder(strings.NewReader(output))
	for {
		var p listedPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			if len(packages) == 0 {
				t.Fatal("go list names no package of this module")
			}
			return packages
		case err != nil:
			t.Fatalf("reading the output of go list: %v", err)
		}
		if p.ImportPath == modulePath || strings.HasPrefix(p.ImportPath, modulePath+"/") {
			packages = append(packages, p)
		}
	}
}

// goCommand returns what the go command prints.
func goCommand(t *testing.T, directory string, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", arguments...)
	cmd.Dir = directory
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("running go %s: %v\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return string(output)
}
