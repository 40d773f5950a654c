package telemetry_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// secret is a text that must not be seen, in no form.
type secret struct {
	name, value string
	// user is whose password it is, if it is one.
	user string
}

// forms are the spellings of a secret that are searched for, by their names.
func (s secret) forms() map[string]string {
	quoted, err := json.Marshal(s.value)
	if err != nil {
		panic(err)
	}
	forms := map[string]string{
		"raw":                   s.value,
		"JSON":                  strings.Trim(string(quoted), `"`),
		"Go":                    strings.Trim(strconv.Quote(s.value), `"`),
		"HTML":                  html.EscapeString(s.value),
		"query":                 url.QueryEscape(s.value),
		"path":                  url.PathEscape(s.value),
		"user info":             url.UserPassword("", s.value).String()[1:],
		"percent-encoded":       percentEncode(s.value, "%%%02X"),
		"percent, lower case":   percentEncode(s.value, "%%%02x"),
		"base64":                base64.RawStdEncoding.EncodeToString([]byte(s.value)),
		"base64url":             base64.RawURLEncoding.EncodeToString([]byte(s.value)),
		"base64, one byte on":   insideBase64(s.value, 1),
		"base64, two bytes on":  insideBase64(s.value, 2),
		"base64, what precedes": insideBase64(s.value, 0),
	}
	if s.user != "" {
		forms["Basic"] = base64.StdEncoding.EncodeToString([]byte(s.user + ":" + s.value))
	}
	return forms
}

func percentEncode(text, format string) string {
	var encoded strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&encoded, format, text[i])
	}
	return encoded.String()
}

// insideBase64 returns the digits that a text has in the base64 of a longer one, in which so many bytes and any number
// of groups of three stand before it, and anything behind it.
func insideBase64(text string, before int) string {
	whole := (before + len(text)) / 3 * 3
	digits := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...)[:whole])
	return digits[(before*8+5)/6:]
}

// leak is where a secret was found.
type leak struct{ secret, form, place string }

// findLeaks searches places for secrets.
func findLeaks(secrets []secret, places map[string][]byte) []leak {
	var leaks []leak
	for _, s := range secrets {
		forms := s.forms()
		for _, place := range slices.Sorted(maps.Keys(places)) {
			for _, form := range slices.Sorted(maps.Keys(forms)) {
				if bytes.Contains(places[place], []byte(forms[form])) {
					leaks = append(leaks, leak{s.name, form, place})
				}
			}
		}
	}
	return leaks
}

// around returns what stands around the first place where a secret is, for a message.
func around(s secret, form string, text []byte) string {
	const context = 200
	at := bytes.Index(text, []byte(s.forms()[form]))
	return string(text[max(0, at-context):min(len(text), at+context)])
}

// TestLeaksAreFound plants secrets, each in every form, and expects that the search finds each of them.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	for _, s := range []secret{
		{name: "odd", value: `p@ss/w+rd "marked" <&é>1`, user: "gateway"},
		{name: "plain", value: "plain-password-marked", user: "platform"},
		{name: "long", value: strings.Repeat("0123456789abcdef", 8)},
	} {
		for form, text := range s.forms() {
			for _, planted := range []string{text, "before" + text + "behind"} {
				found := findLeaks([]secret{s}, map[string][]byte{"here": []byte(planted)})
				if !slices.Contains(found, leak{s.name, form, "here"}) {
					t.Errorf("%s: the form %s is not found in %q", s.name, form, planted)
				}
			}
		}
		// What others make of a secret is found too, whatever stands before it.
		for _, user := range []string{"", "u", "us", "use", "user"} {
			basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+s.value))
			if len(findLeaks([]secret{s}, map[string][]byte{"here": []byte(basic)})) == 0 {
				t.Errorf("%s: it is not found in %q", s.name, basic)
			}
		}
		address := url.URL{Scheme: "redis", User: url.UserPassword("u", s.value), Host: "h"}
		if len(findLeaks([]secret{s}, map[string][]byte{"here": []byte(address.String())})) == 0 {
			t.Errorf("%s: it is not found in %q", s.name, address.String())
		}
		if found := findLeaks([]secret{s}, map[string][]byte{"here": []byte("nothing of it")}); len(found) != 0 {
			t.Errorf("%s: found where it is not: %v", s.name, found)
		}
	}
}
