package answers_test

import (
	"strings"
	"testing"
)

func testIDs(t *testing.T, e *estate) {
	t.Parallel()
	bad := map[string]string{
		"dot": ".", "dots": "..", "escaped dot": "%2e", "escaped dots": "%2e%2E", "half escaped dots": ".%2e",
		"dots within": "a%2F..%2Fb", "dots first": "..%2Fa", "dots last": "a%2f%2e%2e", "dot within": "a%2F.%2Fb",
		"NUL": "a%00b", "line feed": "a%0Ab", "carriage return": "a%0db", "delete": "%7F", "C1 control": "%C2%85",
		"not UTF-8": "a%FFb", "cut UTF-8": "%C3", "too long": strings.Repeat("i", 1025),
		"too long once decoded": strings.Repeat("%41", 1025), "bracket": "a[b]", "caret": "a^b", "quote": `a"b`,
		"raw UTF-8": "\u00e4", "query": "a%3Fb", "fragment": "a%23b",
	}
	for name, id := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range calls {
				e.refuses(t, c.withHint(id, "alpha-id", "alpha-small"), badRequest)
				if c.binding {
					r := c.withHint("front", "alpha-id", "alpha-small")
					r.target = strings.Replace(r.target, "/service_bindings/b", "/service_bindings/"+id, 1)
					e.refuses(t, r, badRequest)
				}
			}
		})
	}
	good := map[string]string{
		"as long as may be": strings.Repeat("i", 1024), "as long as may be, decoded": strings.Repeat("%41", 1024),
		"three dots": "...", "dots in a name": "a..b", "dot file": "%2Ea", "words of the API": "service_bindings",
		"a word of the API": "last_operation", "slash": "a%2Fb", "slashes": "%2F%2F", "percent": "%25", "brace": "%7Dx",
		"colons": "a:b::", "plus": "a+b", "space": "a%20b", "all that is plain": "-._~!$&'()*+,;=:@", "UTF-8": "%C3%a4",
		"question mark": "%3F", "lower-case hex": "%3a%2f",
	}
	for name, id := range good {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hint := e.one.offers()
			_, got := e.relays(t, provision(id, hint), e.one, 201)
			if want := instancePath(id, ""); got.Target != want {
				t.Errorf("got target %q, want %q", got.Target, want)
			}
			target := instancePath(id, "/service_bindings/"+id)
			_, got = e.relays(t, request{method: "PUT", target: target, body: "{" + hint + "}"}, e.one, 201)
			if got.Target != target {
				t.Errorf("got target %q, want %q", got.Target, target)
			}
			// Without a hint, by the record alone.
			for _, rest := range []string{"", "/last_operation", "/service_bindings/" + id} {
				_, got = e.relays(t, request{method: "GET", target: instancePath(id, rest)}, e.one, 200)
				if want := instancePath(id, rest); got.Target != want {
					t.Errorf("got target %q, want %q", got.Target, want)
				}
			}
		})
	}
	t.Run("spellings of one id", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "spell%3Aing%2f%7e", e.two)
		for _, id := range []string{"spell:ing%2F~", "%73pell%3aing%2F%7E", "spell%3Aing%2f~"} {
			e.relays(t, request{method: "GET", target: instancePath(id, "")}, e.two, 200)
		}
	})
}
