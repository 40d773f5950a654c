package catalogmerge_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRulesAreDocumented looks for each rule in the page for operators.
func TestRulesAreDocumented(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/catalog-merging.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`Rule = "(.*)"`).FindAllSubmatch(source, -1)
	if len(rules) < 20 {
		t.Fatalf("found %d rules", len(rules))
	}
	for _, rule := range rules {
		if name := "`" + string(rule[1]) + "`"; !strings.Contains(string(page), name) {
			t.Errorf("the page lacks %s", name)
		}
	}
}
