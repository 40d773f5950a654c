package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// oddStrings are ids and names that could break a key: none of them may be taken for another, or get lost.
func oddStrings() []string {
	odd := []string{
		"}x", "}", "{", "{}", "{a}", "{a", "a}", "{0}", "}{", "{}x",
		":", "::", "a:", ":a", "a:b", "a:b:c", "ids", "unfinished", "instance", "binding", "instance:a", "a:binding:b",
		"%", "%%", "%3A", "%3a", "%00", "%2525", "+", " ", "  ", "a b", "a+b",
		"\x00", "a\x00", "\x00a", "\x00\x00", "\n", "\r\n", "\t", "\x7f", "\x1b[0m",
		"\xff", "\xc3\x28", "\xed\xa0\x80", "\x80", "é", "e\u0301", "日本語", "\U0001f600", "\ufeffa",
		"/", "../x", "..", ".", "//", "\\", "*", "?", "[a-z]", "$", "#", "'", `"`, "`", "|", "&", "=", "~", "-", "_",
		"a", "A", "0", "nil", "null", "false",
		"crn:v1:bluemix:public:cloudantnosqldb:us-south:a/4ea1882a2d3401ed1e459979941966ea:f3e2d1c0::",
		strings.Repeat("a", 1024), strings.Repeat("a", 1023), strings.Repeat("}", 1024), strings.Repeat("\xff", 1024),
	}
	for b := range 256 {
		odd = append(odd, "x"+string([]byte{byte(b)})+"y")
	}
	return odd
}

func (s *suite) oddIDs(t *testing.T) {
	store := s.start(t)
	ids := oddStrings()
	expected := make(map[routing.Key]string)
	for i, id := range ids {
		keys := []routing.Key{
			{Instance: routing.InstanceID(id), Binding: "b"},
			{Instance: "i", Binding: routing.BindingID(id)},
			{Instance: routing.InstanceID(id), Binding: routing.BindingID(id)},
		}
		for k, key := range keys {
			if _, doubled := expected[key]; doubled {
				continue
			}
			data := fmt.Sprintf("%d/%d", i, k)
			held := read(t, store, key)
			if held.Binding != nil {
				t.Fatalf("%.80q holds %q before it was written: another key is taken for it", key, held.Binding)
			}
			change := routing.Change{Key: key, Old: held, Binding: write(data)}
			if held.Instance == nil {
				change.Instance = write(string(key.Instance))
			}
			swap(t, store, change)
			expected[key] = data
		}
	}
	for key, data := range expected {
		wantRead(t, store, key, []byte(key.Instance), []byte(data))
	}
}

func (s *suite) keysDoNotMix(t *testing.T) {
	store := s.start(t)
	groups := [][]routing.Key{
		{{Instance: "a:b", Binding: "c"}, {Instance: "a", Binding: "b:c"}},
		{{Instance: "a%3Ab", Binding: "c"}, {Instance: "a", Binding: "b%3Ac"}},
		{{Instance: "x:", Binding: "y"}, {Instance: "x", Binding: ":y"}},
		{{Instance: "ab", Binding: "cd"}, {Instance: "abc", Binding: "d"}, {Instance: "a", Binding: "bcd"}},
		{{Instance: "n\x00", Binding: "m"}, {Instance: "n", Binding: "\x00m"}},
		{{Instance: "", Binding: "ef"}, {Instance: "e", Binding: "f"}, {Instance: "ef", Binding: "\x00"}},
	}
	for _, group := range groups {
		for _, key := range group {
			held := read(t, store, key)
			if held.Binding != nil {
				t.Errorf("%q holds %q before it was written: another key is taken for it", key, held.Binding)
			}
			swap(t, store, routing.Change{
				Key: key, Old: held,
				Instance: write("i " + string(key.Instance)), Binding: write("b " + string(key.Binding)),
			})
		}
		for _, key := range group {
			wantRead(t, store, key, []byte("i "+string(key.Instance)), []byte("b "+string(key.Binding)))
		}
	}
	// The record of a binding is not the one of an instance whose id looks like it.
	for _, id := range []routing.InstanceID{"a:b:c", "binding:a:b", "c", "b:c", "abcd"} {
		wantRead(t, store, routing.Key{Instance: id}, nil, nil)
	}
}
