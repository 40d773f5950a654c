package osbgateway_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
)

// The names of the examples that these tests validate: what stands in a site, and whole Caddyfiles.
const (
	siteExample      = "site"
	caddyfileExample = "caddyfile"
)

// TestCaddyfile keeps the example formatted and valid.
func TestCaddyfile(t *testing.T) {
	t.Parallel()
	program := caddyProgram(t)
	// It fails where it would change something.
	if output, err := runCaddy(t, program, ".", nil, "fmt", "Caddyfile"); err != nil {
		t.Errorf("Caddyfile is not as caddy fmt writes it: %v\n%s", err, output)
	}
	validate(t, program, "Caddyfile", readText(t, "Caddyfile"))
}

// TestDocumentedExamples validates the examples of all documents.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	found := 0
	for _, path := range documents(t) {
		examples, err := doctest.Examples(readText(t, path))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, example := range examples {
			text := example.Text
			switch example.Name {
			case siteExample:
				text = "http://localhost:8080 {\n" + text + "}\n"
			case caddyfileExample:
			default:
				continue
			}
			found++
			validate(t, caddyProgram(t), path, text)
		}
	}
	if found == 0 {
		t.Error("the documents have no example")
	}
}

// environmentPlaceholder is a value of the environment in a Caddyfile.
var environmentPlaceholder = regexp.MustCompile(`\{env\.(\w+)\}`)

// validate lets Caddy load a configuration as far as it goes without a network.
func validate(t *testing.T, program, path, text string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, match := range environmentPlaceholder.FindAllStringSubmatch(text, -1) {
		value := "secret-of-" + match[1]
		switch {
		case strings.HasSuffix(match[1], "_HASH"):
			value = string(hash)
		case strings.HasSuffix(match[1], "REDIS_URL"):
			value = "redis://localhost:6379/0"
		}
		env = append(env, match[1]+"="+value)
	}
	directory := exampleFiles(t)
	for _, original := range []string{"/var/run/secrets/kubernetes.io/serviceaccount", "/etc/osb-gateway"} {
		text = strings.ReplaceAll(text, original, directory)
	}
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := runCaddy(t, program, ".", env, "validate", "--config", config, "--adapter", "caddyfile")
	if err != nil {
		lines := strings.Split(strings.TrimSpace(output), "\n")
		t.Errorf("%s: caddy validate: %v: %s\n%s", path, err, lines[len(lines)-1], text)
	}
}

// exampleFiles is a directory with the files that examples name.
func exampleFiles(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{
		"token": []byte("token-of-the-account"), "ca.crt": certificate, "platforms-ca.pem": certificate,
	} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// documentLink is a link of a Markdown document: a path, perhaps none, and perhaps a section there.
var documentLink = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)`)

// TestLinks looks for what the documents link to within the project.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, path := range documents(t) {
		for _, match := range documentLink.FindAllStringSubmatch(readText(t, path), -1) {
			target, section := match[1], match[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			page := path
			if target != "" {
				page = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(page); err != nil {
				t.Errorf("%s links to %s: %v", path, target, err)
			} else if section != "" && !slices.Contains(sections(readText(t, page)), section) {
				t.Errorf("%s links to %s, which has no section %s", path, page, section)
			}
		}
	}
}

var (
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```$")
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor = regexp.MustCompile(`[^\pL\pN_ -]`)
)

// sections are the anchors of the headings of a Markdown document.
func sections(text string) []string {
	var anchors []string
	for _, match := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		anchor := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}

// TestReadmeLinksToEveryPage: who reads the README finds all pages.
func TestReadmeLinksToEveryPage(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := readText(t, "README.md")
	for _, page := range pages {
		if !strings.Contains(readme, "]("+page+")") {
			t.Errorf("README.md does not link to %s", page)
		}
	}
}

// TestThreatModelNamesTests: every test that the threat model relies on is there.
func TestThreatModelNamesTests(t *testing.T) {
	t.Parallel()
	functions := make(map[string]bool)
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, match := range function.FindAllStringSubmatch(readText(t, path), -1) {
			functions[match[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(readText(t, "SECURITY.md"), -1)
	if len(named) < 20 {
		t.Fatalf("SECURITY.md names only %d tests", len(named))
	}
	for _, match := range named {
		if !functions[match[1]] {
			t.Errorf("SECURITY.md names the test %s, which is not there", match[1])
		}
	}
}

// documents are the Markdown files of the project.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Fatal("the project has no document")
	}
	return paths
}
