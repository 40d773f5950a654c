package doctest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
)

const document = "# Title\n" +
	"```sh\nnot an example\n```\n" +
	"<!-- test: calls -->\n\n" +
	"```console\n$ echo one \\\n  two\none two\n\nmore\n\n$ true\n$ uname\nLinux\n```\n" +
	"<!-- a comment -->\n" +
	"<!-- test: adapt -->\n" +
	"```caddyfile\nlocalhost\n```\n"

func TestExamples(t *testing.T) {
	t.Parallel()
	got, err := doctest.Examples(document)
	if err != nil {
		t.Fatal(err)
	}
	want := []doctest.Example{
		{
			Name: "calls", Language: "console", Line: 8,
			Text: "$ echo one \\\n  two\none two\n\nmore\n\n$ true\n$ uname\nLinux\n",
		},
		{Name: "adapt", Language: "caddyfile", Line: 21, Text: "localhost\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Examples (-want +got):\n%s", diff)
	}

	commands := got[0].Commands()
	wantCommands := []doctest.Command{
		{Line: 8, Text: "echo one \\\n  two", Want: "one two\n\nmore"},
		{Line: 14, Text: "true"},
		{Line: 15, Text: "uname", Want: "Linux"},
	}
	if diff := cmp.Diff(wantCommands, commands); diff != "" {
		t.Errorf("Commands (-want +got):\n%s", diff)
	}

	formatted := doctest.Example{Line: 8, Text: doctest.Format(commands)}
	for i, c := range formatted.Commands() {
		if c.Text != wantCommands[i].Text || c.Want != wantCommands[i].Want {
			t.Errorf("Commands of what Format wrote: got %+v, want %+v", c, wantCommands[i])
		}
	}
}

func TestExamplesErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, document, want string }{
		{"NoBlock", "<!-- test: calls -->\ntext\n", "line 1: no fenced block"},
		{"NothingFollows", "<!-- test: calls -->", "line 1: no fenced block"},
		{"NoEnd", "\n<!-- test: calls -->\n```console\n$ true\n", "line 3: the fenced block does not end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := doctest.Examples(test.document)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Examples: got %v, want an error with %q", err, test.want)
			}
		})
	}
}
