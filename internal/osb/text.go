package osb

import (
	"unicode"
	"unicode/utf8"
)

const (
	// maxIDBytes is how long an id may be, decoded. The specification sets no limit; ids become keys and log fields here.
	maxIDBytes = 1024
	// maxLogBytes is how much of a text that a platform chose goes into logs and spans.
	maxLogBytes = 256
)

// What is wrong with an id, to be put behind the words that name the id.
const (
	idTooLong     = " is longer than 1024 bytes"
	idNotUTF8     = " is not valid UTF-8"
	idHasControls = " has control characters"
)

// idProblem returns what makes an id unfit to be a key and a log field, or "" if nothing does. It says nothing about
// emptiness and dots, which matter only in paths.
func idProblem(id string) string {
	if len(id) > maxIDBytes {
		return idTooLong
	}
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case c < ' ' || c == 0x7f:
			return idHasControls
		case c >= utf8.RuneSelf:
			return idProblemBeyondASCII(id)
		}
	}
	return ""
}

func idProblemBeyondASCII(id string) string {
	if !utf8.ValidString(id) {
		return idNotUTF8
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return idHasControls
		}
	}
	return ""
}

// logSafe returns text in a form that is fit for a log line; see appendLogSafe.
func logSafe(text string) string {
	fit := len(text) <= maxLogBytes
	for i := 0; fit && i < len(text); i++ {
		fit = text[i] >= ' ' && text[i] < 0x7f
	}
	if fit {
		return text
	}
	return string(appendLogSafe(nil, []byte(text)))
}

// appendLogSafe appends text to dst in a form that is fit for a log line: at most maxLogBytes, cut between runes, with
// a question mark for each rune that could break or disguise a line. The result is never longer than the text, so that
// text may begin where dst ends.
func appendLogSafe(dst, text []byte) []byte {
	room := maxLogBytes
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if breaksLines(r) || (r == utf8.RuneError && size == 1) {
			r = '?'
		}
		if room -= utf8.RuneLen(r); room < 0 {
			break
		}
		text = text[size:]
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// breaksLines tells whether a rune begins a line or reorders what stands around it on a terminal.
func breaksLines(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case r == '\u2028' || r == '\u2029':
		return true
	case '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
		return true
	default:
		return unicode.IsControl(r)
	}
}
