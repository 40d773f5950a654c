package caddymodule_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/caddymodule"
)

func readConfigurationPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestDocumentedFields looks for the name of each field of the configuration on its page.
func TestDocumentedFields(t *testing.T) {
	t.Parallel()
	page := readConfigurationPage(t)
	seen := make(map[reflect.Type]bool)
	var walk func(reflect.Type)
	walk = func(kind reflect.Type) {
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.Struct || seen[kind] {
			return
		}
		seen[kind] = true
		for field := range kind.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !field.IsExported() || name == "-" {
				continue
			}
			if name == "" {
				t.Errorf("%s.%s has no name in JSON", kind.Name(), field.Name)
			} else if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("docs/configuration.md does not name `%s` of %s", name, kind.Name())
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[caddymodule.Gateway]())
	if len(seen) < 8 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}

// TestDocumentedJSON validates the handler that the page shows in JSON.
func TestDocumentedJSON(t *testing.T) {
	useOwnDirectories(t)
	_, example, found := strings.Cut(readConfigurationPage(t), "\n```json\n")
	example, _, closed := strings.Cut(example, "\n```\n")
	if !found || !closed {
		t.Fatal("docs/configuration.md shows no JSON")
	}
	for _, match := range regexp.MustCompile(`\{env\.(\w+)\}`).FindAllStringSubmatch(example, -1) {
		value := secretPassword
		if strings.HasSuffix(match[1], "_HASH") {
			value = secretHash
		}
		t.Setenv(match[1], value)
	}
	example = strings.Replace(example, `"handler": "osb_gateway",`, "", 1)
	if err := validateJSON(t, example); err != nil {
		t.Errorf("validating: %v", err)
	}
}
