package caddymodule_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readGrammar(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("grammar.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestGrammar compares the syntax that errors speak of with the comment of the parser and with the page.
func TestGrammar(t *testing.T) {
	t.Parallel()
	want := readGrammar(t)
	_, page, found := strings.Cut(readConfigurationPage(t), "\n## Syntax\n\n```\n")
	page, _, closed := strings.Cut(page, "```\n")
	if !found || !closed {
		t.Fatal("docs/configuration.md shows no syntax")
	}
	if difference := cmp.Diff(want, page); difference != "" {
		t.Errorf("docs/configuration.md has another syntax (-want +got):\n%s", difference)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "caddyfile.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var doc, comment strings.Builder
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Name.Name == "UnmarshalCaddyfile" {
			doc.WriteString(function.Doc.Text())
		}
	}
	for line := range strings.Lines(doc.String()) {
		if line, indented := strings.CutPrefix(line, "\t"); indented || comment.Len() > 0 && line == "\n" {
			comment.WriteString(line)
		}
	}
	if difference := cmp.Diff(want, strings.TrimRight(comment.String(), "\n")+"\n"); difference != "" {
		t.Errorf("the comment of UnmarshalCaddyfile has another syntax (-want +got):\n%s", difference)
	}
}
