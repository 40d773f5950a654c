package catalogmerge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visibility is what one platform may see of the catalog. The zero value, and nil, show everything.
type Visibility struct {
	// Allow lists what the platform may see; empty stands for everything. Deny lists what it may not see, whatever Allow
	// says.
	Allow []Selector
	Deny  []Selector
}

// Selector chooses offerings by their name or id, or by their backend. ParseSelector makes one.
type Selector struct {
	pattern string
	backend bool
}

// backendPrefix begins a selector that names a backend.
const backendPrefix = "backend:"

// ParseSelector reads a selector: the name or id of an offering, or "backend:" and the configured name of a backend. In
// both, * stands for any characters, or none.
func ParseSelector(text string) (Selector, error) {
	pattern, backend := strings.CutPrefix(text, backendPrefix)
	switch {
	case pattern == "" && backend:
		return Selector{}, fmt.Errorf("selector %s names no backend after %q", quote(text), backendPrefix)
	case pattern == "":
		return Selector{}, errors.New("a selector is empty: write the name or id of an offering, or backend:<name>")
	case !utf8.ValidString(pattern):
		return Selector{}, fmt.Errorf("selector %s is not UTF-8", quote(text))
	case strings.IndexFunc(pattern, unicode.IsControl) >= 0:
		return Selector{}, fmt.Errorf("selector %s holds control characters", quote(text))
	}
	return Selector{pattern, backend}, nil
}

// String returns what ParseSelector reads.
func (s Selector) String() string {
	if s.backend {
		return backendPrefix + s.pattern
	}
	return s.pattern
}

// subject is what selectors look at.
type subject struct {
	backend string
	words   []string // names and ids
}

func (s Selector) matches(x *subject) bool {
	if s.backend {
		return glob(s.pattern, x.backend)
	}
	return slices.ContainsFunc(x.words, func(word string) bool { return glob(s.pattern, word) })
}

// all tells that everything is visible.
func (v *Visibility) all() bool { return v == nil || len(v.Allow) == 0 && len(v.Deny) == 0 }

func (v *Visibility) shows(x *subject) bool {
	matches := func(s Selector) bool { return s.matches(x) }
	return v == nil || (len(v.Allow) == 0 || slices.ContainsFunc(v.Allow, matches)) && !slices.ContainsFunc(v.Deny, matches)
}

// glob tells whether text is what a pattern stands for. It goes back to the last * alone, so that its time is bounded by
// the product of the lengths.
func glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
