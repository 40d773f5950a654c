package osb

import "strings"

// decodeID decodes an id as it stands in a path. It returns what is wrong with it in problem, to be put behind the
// words that name the id. It allocates only for an id with escapes.
func decodeID(segment string) (id, problem string) {
	escaped := false
	for i := 0; i < len(segment); i++ {
		switch c := segment[i]; {
		case c == '%':
			escaped = true
		case !pathBytes[c]:
			return "", " has a character that must be percent-encoded"
		}
	}
	id = segment
	if escaped {
		if id, problem = unescapeID(segment); problem != "" {
			return "", problem
		}
	}
	if problem = idProblem(id); problem != "" {
		return "", problem
	}
	if hasDotSegment(id) {
		return "", " is a dot segment, or holds one"
	}
	return id, ""
}

func unescapeID(segment string) (id, problem string) {
	var decoded [maxIDBytes]byte
	n := 0
	for i := 0; i < len(segment); n++ {
		if n == len(decoded) {
			return "", idTooLong
		}
		if decoded[n] = segment[i]; decoded[n] != '%' {
			i++
			continue
		}
		c, ok := percentEncoded(segment[i:])
		if !ok {
			return "", " has a broken percent-encoding"
		}
		decoded[n] = c
		i += 3
	}
	return string(decoded[:n]), ""
}

// percentEncoded decodes the %XX that s, which begins with a percent sign, begins with.
func percentEncoded(s string) (c byte, ok bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, okHigh := hexDigit(s[1])
	low, okLow := hexDigit(s[2])
	return high<<4 | low, okHigh && okLow
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}

// unescapesTo tells whether escaped, percent-decoded, is plain.
func unescapesTo(escaped, plain string) bool {
	for ; escaped != ""; plain = plain[1:] {
		c, width, ok := escaped[0], 1, true
		if c == '%' {
			c, ok = percentEncoded(escaped)
			width = 3
		}
		if !ok || plain == "" || plain[0] != c {
			return false
		}
		escaped = escaped[width:]
	}
	return plain == ""
}

// hasDotSegment tells whether an id, read as a path, has a segment `.` or `..`.
func hasDotSegment(id string) bool {
	for more := true; more; {
		var segment string
		segment, id, more = strings.Cut(id, "/")
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// pathBytes are the bytes that may stand for themselves in a segment of a path: pchar of RFC 3986, section 3.3.
var pathBytes = func() (allowed [256]bool) {
	const unreservedMarks, subDelims = "-._~", "!$&'()*+,;="
	for c := byte('0'); c <= '9'; c++ {
		allowed[c] = true
	}
	for c := byte('a'); c <= 'z'; c++ {
		allowed[c] = true
		allowed[c-'a'+'A'] = true
	}
	for _, c := range []byte(unreservedMarks + subDelims + ":@") {
		allowed[c] = true
	}
	return allowed
}()
