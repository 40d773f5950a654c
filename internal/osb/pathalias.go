package osb

import (
	"strings"
	"unicode"
)

// CheckUnambiguous refuses ids which name one thing here and may name another at a server that reads paths carelessly:
// one that unescapes them before it splits them at slashes, or before it looks where the query begins, joins empty
// segments, takes a backslash for a slash, cuts off what stands behind a semicolon, unescapes twice, or drops spaces at
// the ends. To one or another of these `victim%2Fservice_bindings%2Fb`, `victim%2F`, `victim%3Fx`, `victim;x`,
// `%2576ictim` and `victim%20` are calls on the instance `victim`. Slashes within an id are no trouble by themselves:
// IBM Cloud's resource names have them.
func (p Path) CheckUnambiguous() error {
	for _, id := range [...]struct{ words, text string }{{"the instance id", p.Instance}, {"the binding id", p.Binding}} {
		if isAmbiguous(id.text) {
			return badRequest(id.words + " could be taken for a path, or for another id, by a service broker behind this one")
		}
	}
	return nil
}

func isAmbiguous(id string) bool {
	if !strings.ContainsFunc(id, isWordly) {
		return false
	}
	if strings.ContainsAny(id, `;\?#`) || strings.TrimSpace(id) != id {
		return true
	}
	for i := range len(id) {
		if id[i] == '%' {
			if _, escape := percentEncoded(id[i:]); escape {
				return true
			}
		}
	}
	if !strings.Contains(id, "/") {
		return false
	}
	for segment := range strings.SplitSeq(id, "/") {
		switch segment {
		case "", "service_instances", "service_bindings", "last_operation":
			return true
		}
	}
	return false
}

// isWordly tells whether a character is more than punctuation. Of that alone nobody makes ids, so no other id can be
// reached with it.
func isWordly(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
