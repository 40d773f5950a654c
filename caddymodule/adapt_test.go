package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/google/go-cmp/cmp"

	_ "github.com/osb-gateway/caddy-osb-gateway/caddymodule"
)

var update = flag.Bool("update", false, "write what the Caddyfiles of testdata/adapt are adapted to into these files")

// adaptDirectory has the golden files: <subdirective>_good_<what>.caddyfiletest and _bad_ likewise. Each is a
// Caddyfile, a line of dashes, and the configuration in JSON that the Caddyfile is adapted to, or the text of the
// error.
const adaptDirectory = "testdata/adapt"

// dashes stand between the two parts of a golden file.
const dashes = "\n----------\n"

func goldenFiles(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(adaptDirectory, "*.caddyfiletest"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) == 0 {
		tb.Fatalf("%s has no files", adaptDirectory)
	}
	return files
}

// readGolden returns the two parts of a golden file.
func readGolden(tb testing.TB, file string) (input, want string) {
	tb.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	input, want, found := strings.Cut(string(content), dashes)
	if !found {
		tb.Fatalf("%s has no line of dashes", file)
	}
	return input + "\n", strings.TrimSuffix(want, "\n")
}

// adapt turns a Caddyfile into the JSON of a configuration.
func adapt(input string) ([]byte, error) {
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err == nil && len(warnings) > 0 {
		err = fmt.Errorf("warnings: %v", warnings)
	}
	return config, err
}

func TestAdapt(t *testing.T) {
	t.Parallel()
	for _, file := range goldenFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".caddyfiletest")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input, want := readGolden(t, file)
			config, err := adapt(input)
			var got string
			switch {
			case strings.Contains(name, "_good_") == (err != nil):
				t.Fatalf("adapting: %v", err)
			case err != nil:
				got = err.Error()
				checkErrorPlace(t, input, got)
			default:
				got = indent(t, config)
			}
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimSuffix(input, "\n")+dashes+got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if difference := cmp.Diff(want, got); difference != "" {
				t.Errorf("adapted otherwise (-want +got):\n%s", difference)
			}
		})
	}
}

func indent(t *testing.T, config []byte) string {
	t.Helper()
	var buffer bytes.Buffer
	if err := json.Indent(&buffer, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return buffer.String()
}

// errorPlace is where errors of Caddyfiles say that they are.
var errorPlace = regexp.MustCompile(`at Caddyfile:(\d+)$`)

// checkErrorPlace sees that an error names its line, and a token of that line.
func checkErrorPlace(t *testing.T, input, text string) {
	t.Helper()
	place := errorPlace.FindStringSubmatch(text)
	if place == nil {
		t.Errorf("the error names no line: %s", text)
		return
	}
	var number int
	if _, err := fmt.Sscan(place[1], &number); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(input, "\n")
	if number > len(lines) {
		t.Fatalf("the error names line %d of %d", number, len(lines))
	}
	line := strings.Fields(lines[number-1])
	if !slices.ContainsFunc(line, func(token string) bool { return strings.Contains(text, strings.Trim(token, `"`)) }) {
		t.Errorf("the error names no token of its line %q: %s", lines[number-1], text)
	}
}

// TestAdaptCoversAllSubdirectives walks the grammar: each subdirective has files that show it right and wrong.
func TestAdaptCoversAllSubdirectives(t *testing.T) {
	t.Parallel()
	files := goldenFiles(t)
	subdirectives := documentedSubdirectives(t)
	for _, subdirective := range subdirectives {
		for _, kind := range []string{"good", "bad"} {
			prefix := filepath.Join(adaptDirectory, subdirective+"_"+kind+"_")
			if !slices.ContainsFunc(files, func(file string) bool { return strings.HasPrefix(file, prefix) }) {
				t.Errorf("there is no file %s*.caddyfiletest", prefix)
			}
		}
	}
	for _, file := range files {
		name := filepath.Base(file)
		subdirective, _, good := strings.Cut(name, "_good_")
		if !good {
			subdirective, _, _ = strings.Cut(name, "_bad_")
		}
		if subdirective != "osb_gateway" && !slices.Contains(subdirectives, subdirective) {
			t.Errorf("%s is about no subdirective of the grammar", name)
		}
	}
}

// documentedSubdirectives reads the grammar from the documentation of UnmarshalCaddyfile. Subdirectives of blocks are
// named with what they stand in, such as store_redis_tls_ca.
func documentedSubdirectives(t *testing.T) []string {
	t.Helper()
	var found, blocks []string
	for line := range strings.Lines(readGrammar(t)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "...":
			continue
		case words[0] == "}":
			blocks = blocks[:len(blocks)-1]
			continue
		}
		name := words[0]
		if name == "store" {
			name += "_" + words[1]
		}
		path := strings.Join(append(slices.Clone(blocks), name), "_")
		if name != "osb_gateway" {
			found = append(found, path)
		}
		if words[len(words)-1] == "{" {
			if name == "osb_gateway" {
				name = ""
			}
			blocks = append(blocks, name)
		}
	}
	for i, path := range found {
		found[i] = strings.TrimPrefix(path, "_")
	}
	if len(found) < 30 {
		t.Fatalf("the grammar has only %d subdirectives: %q", len(found), found)
	}
	return found
}
