package platform

import (
	"bytes"
	"encoding/base64"
	"hash"
	"strings"
)

// maxBasicBytes bounds the encoded credentials; names and passwords of people and platforms are far shorter.
const maxBasicBytes = 4 << 10

// scratch is room to check one request in, so that it costs no allocations. It holds a password while it is in use and
// is wiped afterwards.
type scratch struct {
	encoded [maxBasicBytes]byte
	decoded [maxBasicBytes / 4 * 3]byte
	used    int    // of encoded
	pair    []byte // user name, colon and password, in decoded
	mac     hash.Hash
	sum     digest
}

// decodeBasic reads the value of an Authorization header of the Basic scheme (RFC 7617). Everything that the RFC does
// not allow is refused, so that one pair has one spelling. What it returns is part of the scratch.
func (s *scratch) decodeBasic(value string) (user, password []byte, ok bool) {
	const scheme = "basic"
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) || value[len(scheme)] != ' ' {
		return nil, nil, false
	}
	encoded := strings.TrimLeft(value[len(scheme):], " ")
	if len(encoded) > maxBasicBytes || hasControl(encoded) {
		return nil, nil, false // line breaks are among the controls, which base64 would skip
	}
	s.used = copy(s.encoded[:], encoded)
	n, err := strictBase64.Decode(s.decoded[:], s.encoded[:s.used])
	s.pair = s.decoded[:n]
	if err != nil || hasControl(s.pair) {
		return nil, nil, false
	}
	return bytes.Cut(s.pair, colon)
}

var colon = []byte(":")

// digest returns the digest of the pair.
func (s *scratch) digest() digest {
	s.mac.Reset()
	_, _ = s.mac.Write(s.pair) // never fails
	s.mac.Sum(s.sum[:0])
	return s.sum
}

// wipe forgets the pair.
func (s *scratch) wipe() {
	clear(s.encoded[:s.used])
	clear(s.decoded[:min(s.used, len(s.decoded))]) // all that can have been written, by a failed decoding too
	s.used, s.pair = 0, nil
}

var strictBase64 = base64.StdEncoding.Strict()

// hasControl tells whether s holds a control character, which names and passwords must not (RFC 7617, 2).
func hasControl[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
