package osb

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonString is a string of a JSON text as it stands there, between its quotes.
type jsonString struct {
	raw     []byte
	escaped bool // raw has escapes
}

// bytes returns what the string stands for, of which raw may be part.
func (s jsonString) bytes() []byte {
	if !s.escaped {
		return s.raw
	}
	return s.appendTo(nil)
}

// String returns what the string stands for. Like encoding/json it puts U+FFFD for half a surrogate pair and for each
// byte that is not UTF-8.
func (s jsonString) String() string {
	if !s.escaped && utf8.Valid(s.raw) {
		return string(s.raw)
	}
	return string(s.appendTo(nil))
}

// appendTo appends to dst what the string stands for, with the same care as String.
func (s jsonString) appendTo(dst []byte) []byte {
	if !s.escaped && utf8.Valid(s.raw) {
		return append(dst, s.raw...)
	}
	for raw := s.raw; len(raw) > 0; {
		r, size := utf8.DecodeRune(raw)
		if r == '\\' {
			r, size = unescapeJSON(raw)
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[size:]
	}
	return dst
}

// unescapeJSON decodes the valid escape, or pair of escapes, that raw begins with.
func unescapeJSON(raw []byte) (r rune, size int) {
	switch c := raw[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}
	r, _ = unicodeEscape(raw)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := unicodeEscape(raw[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != unicode.ReplacementChar {
			return pair, 12
		}
	}
	return unicode.ReplacementChar, 6
}

// unicodeEscape reads the \uXXXX that raw begins with, if it does.
func unicodeEscape(raw []byte) (r rune, ok bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	for _, c := range raw[2:6] {
		digit, isHex := hexDigit(c)
		if !isHex {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// skipEscape goes past an escape of a string, with the scanner at its backslash.
func (s *jsonScanner) skipEscape() (ok bool) {
	rest := s.text[s.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		s.at += 6
		_, ok = unicodeEscape(rest)
		return ok
	default:
		return false
	}
}
