package osb

// maxNesting is how deep objects and arrays may nest, the outermost included. encoding/json has the same limit.
const maxNesting = 10_000

// jsonScanner walks through a JSON text once, without recursion and without building values. It takes exactly the texts
// that encoding/json takes (RFC 8259, with any bytes in strings that are not control characters).
type jsonScanner struct {
	text []byte
	at   int
}

// peek skips white space and returns the byte that follows it. At the end it returns 0, which begins nothing in JSON.
func (s *jsonScanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// atEnd tells whether only white space is left.
func (s *jsonScanner) atEnd() bool { return s.peek() == 0 && s.at == len(s.text) }

// nextMember goes to the value of an object's next member. It is called for the first member with the scanner at the
// object's brace, then at the end of each value. At the object's end it goes past the closing brace, and more is false.
func (s *jsonScanner) nextMember(first bool) (key jsonString, more, ok bool) {
	if first {
		s.at++
		if s.peek() == '}' {
			s.at++
			return key, false, true
		}
	} else {
		switch s.peek() {
		case '}':
			s.at++
			return key, false, true
		case ',':
			s.at++
		default:
			return key, false, false
		}
	}
	key, ok = s.key()
	return key, ok, ok
}

// key reads a member's name and the colon after it.
func (s *jsonScanner) key() (key jsonString, ok bool) {
	if s.peek() != '"' {
		return key, false
	}
	if key, ok = s.str(); !ok || s.peek() != ':' {
		return key, false
	}
	s.at++
	return key, true
}

// skip goes past a value of any type. Depth is the number of objects and arrays around it.
func (s *jsonScanner) skip(depth int) (ok bool) {
	var inline [64]byte
	closers := inline[:0] // the brackets that are still to close, the innermost last
	for {
		switch c := s.peek(); c {
		case '{', '[':
			if depth+len(closers) >= maxNesting {
				return false
			}
			s.at++
			closer := c + 2 // in ASCII both closing brackets are two behind the opening ones
			if s.peek() == closer {
				s.at++
				break
			}
			closers = append(closers, closer)
			if c == '{' {
				if _, ok = s.key(); !ok {
					return false
				}
			}
			continue
		default:
			if !s.skipScalar(c) {
				return false
			}
		}
		if closers, ok = s.skipClosers(closers); !ok {
			return false
		}
		if len(closers) == 0 {
			return true
		}
	}
}

// skipClosers goes on from the end of a value: past all brackets that close behind it, then past a comma, to the next
// value of what is still open.
func (s *jsonScanner) skipClosers(closers []byte) (open []byte, ok bool) {
	for len(closers) > 0 {
		closer := closers[len(closers)-1]
		switch s.peek() {
		case closer:
			s.at++
			closers = closers[:len(closers)-1]
		case ',':
			s.at++
			if closer == '}' {
				_, ok = s.key()
				return closers, ok
			}
			return closers, true
		default:
			return closers, false
		}
	}
	return closers, true
}

func (s *jsonScanner) skipScalar(c byte) (ok bool) {
	switch c {
	case '"':
		_, ok = s.str()
		return ok
	case 't':
		return s.skipWord("true")
	case 'f':
		return s.skipWord("false")
	case 'n':
		return s.skipWord("null")
	default:
		return s.skipNumber()
	}
}

func (s *jsonScanner) skipWord(word string) (ok bool) {
	end := s.at + len(word)
	if end > len(s.text) || string(s.text[s.at:end]) != word {
		return false
	}
	s.at = end
	return true
}

func (s *jsonScanner) skipNumber() (ok bool) {
	s.skipByte('-', '-')
	if !s.skipByte('0', '0') && !s.skipDigits() {
		return false
	}
	if s.skipByte('.', '.') && !s.skipDigits() {
		return false
	}
	if s.skipByte('e', 'E') {
		s.skipByte('+', '-')
		return s.skipDigits()
	}
	return true
}

// skipByte goes past one byte if it is either of two.
func (s *jsonScanner) skipByte(either, or byte) (skipped bool) {
	if s.at == len(s.text) || (s.text[s.at] != either && s.text[s.at] != or) {
		return false
	}
	s.at++
	return true
}

// skipDigits goes past decimal digits, of which there must be one.
func (s *jsonScanner) skipDigits() (ok bool) {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// str reads a string, with the scanner at its opening quote.
func (s *jsonScanner) str() (value jsonString, ok bool) {
	s.at++
	start := s.at
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			value.raw = s.text[start:s.at]
			s.at++
			return value, true
		case c == '\\':
			value.escaped = true
			if !s.skipEscape() {
				return value, false
			}
		case c < ' ':
			return value, false
		default:
			s.at++
		}
	}
	return value, false
}
