package catalogmerge

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"unicode/utf8"
)

// The functions of this file walk JSON that json.Valid accepted, so they need no error cases of their own. They hand
// out pieces of the input and never decode a value as a whole: what they skip is not looked at, however deep it nests.

const jsonSpace = " \t\r\n"

// elements yields the elements of an array, each without the white space around it.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for element := range elementSpans(array) {
			if !yield(array[element.start:element.end:element.end]) {
				return
			}
		}
	}
}

// elementSpans yields where the elements of an array are.
func elementSpans(array []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := skipSpace(array, 1); array[i] != ']'; {
			end := skipValue(array, i)
			if !yield(span{i, end}) {
				return
			}
			if i = skipSpace(array, end); array[i] == ',' {
				i = skipSpace(array, i+1)
			}
		}
	}
}

// members yields the members of an object: the key as written, in its quotes, and the value.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range memberSpans(object) {
			if !yield(key, object[value.start:value.end:value.end]) {
				return
			}
		}
	}
}

// span is where in some bytes a value is.
type span struct{ start, end int }

// memberSpans yields the members of an object: the key as written, in its quotes, and where the value is.
func memberSpans(object []byte) iter.Seq2[[]byte, span] {
	return func(yield func(key []byte, value span) bool) {
		for i := skipSpace(object, 1); object[i] != '}'; {
			keyEnd := skipString(object, i)
			start := skipSpace(object, skipSpace(object, keyEnd)+1) // over the colon
			end := skipValue(object, start)
			if !yield(object[i:keyEnd:keyEnd], span{start, end}) {
				return
			}
			if i = skipSpace(object, end); object[i] == ',' {
				i = skipSpace(object, i+1)
			}
		}
	}
}

// skipSpace returns the index of the first byte at or after i that is not white space.
func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that begins at i. It counts brackets instead of recursing: nesting costs
// no stack.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	default:
		for i < len(b) && bytes.IndexByte([]byte(",]} \t\r\n"), b[i]) < 0 {
			i++
		}
		return i
	}
}

// isNull tells whether the value is null.
func isNull(value []byte) bool { return value[0] == 'n' }

// kindOf returns the JSON type of a value, in words.
func kindOf(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// text returns what a JSON string stands for. It returns false for bytes that are not UTF-8 and for an escaped
// surrogate without its other half: decoders replace those, so that different strings would become equal.
func text(quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if !utf8.Valid(inner) {
		return "", false
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	if hasLoneSurrogate(inner) {
		return "", false
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "", false
	}
	return s, true
}

// hasLoneSurrogate tells whether a string's inside holds an escaped surrogate that is not part of a pair.
func hasLoneSurrogate(inner []byte) bool {
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		if i++; inner[i] != 'u' {
			continue
		}
		unit := codeUnit(inner[i-1:])
		i += 4
		switch {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return true
		case unit >= 0xD800 && unit <= 0xDBFF:
			if low := codeUnit(inner[i+1:]); low < 0xDC00 || low > 0xDFFF {
				return true
			}
			i += 6
		}
	}
	return false
}

// codeUnit returns the UTF-16 code unit of the escape \uXXXX that b begins with, or 0 if it begins with none.
func codeUnit(b []byte) uint64 {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 32)
	if err != nil {
		return 0
	}
	return unit
}

// keyName returns what a key as written stands for; nil if it stands for no text.
func keyName(key []byte) []byte {
	if inner := key[1 : len(key)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	s, ok := text(key)
	if !ok {
		return nil
	}
	return []byte(s)
}

// isTrue tells whether a value, which may be absent, is true.
func isTrue(value []byte) bool { return value != nil && value[0] == 't' }
