package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRepeats(t *testing.T) {
	t.Parallel()
	parameters := json.RawMessage(`{"a": [{"named": "nested value"}, 123456, "one+one two", true]}`)
	secrets := append(valuesIn(parameters), `p@ss/w+rd <&é> "1"`, "key")
	tests := []struct {
		name, text string
		want       bool
	}{
		{"nothing", "<h1>The database is out of space.</h1> key a b", false},
		{"the name of a parameter", "named is missing", false},
		{"empty", "", false},
		{"as it is", `x p@ss/w+rd <&é> "1" x`, true},
		{"HTML", `x p@ss/w+rd &lt;&amp;é&gt; &#34;1&#34; x`, true},
		{"JSON", `x p@ss/w+rd \u003c\u0026é\u003e \"1\" x`, true},
		{"percent-encoded", `x p%40ss%2fw%2Brd%20%3C%26%c3%a9%3e%20%221%22 x`, true},
		{"a form", `x nested+value x`, true},
		{"a form with a plus", `x one%2bone+two x`, true},
		{"a value in an array", `nested value`, true},
		{"a number", `no 123456 left`, true},
		{"an Authorization header", `AUTHORIZATION:`, true},
		{"a token", `got bearer eyJhbGciOi.x`, true},
		{"behind the excerpt", strings.Repeat(".", maxExcerptBytes) + "nested value", true},
		{"broken escapes", `%zz %4 \u12 \x %`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := repeats([]byte(test.text), secrets); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestValuesIn(t *testing.T) {
	t.Parallel()
	long := json.RawMessage("[" + strings.Repeat(`"value",`, 10*maxSecrets) + `"value"]`)
	if got := len(valuesIn(long)); got != maxSecrets+1 {
		t.Errorf("got %d values of a long list, want it cut after %d", got, maxSecrets+1)
	}
	for _, raw := range []string{"", "null", "{", `"`, "[[[["} {
		if got := valuesIn(json.RawMessage(raw)); len(got) != 0 {
			t.Errorf("%q: got the values %q, want none", raw, got)
		}
	}
}
