package platform

import (
	"encoding/base64"
	"strings"
)

const (
	// maxTokenBytes bounds a token before anything in it is looked at.
	maxTokenBytes = 16 << 10
	// maxKeyIDBytes bounds the names of keys, which are remembered.
	maxKeyIDBytes = 256
)

// token is a JSON Web Token in the compact form (RFC 7519), taken apart. Nothing of it is believed yet.
type token struct {
	// signed is what the signature is made over, and signature the signature itself.
	signed    string
	signature []byte
	// algorithm and keyID are what the header says. Nothing else in it has a meaning: a token does not bring its key, nor
	// say where the key is found.
	algorithm, keyID string
	issuer           string
	claims           map[string]any
}

// bearerToken returns the token of an Authorization header of the Bearer scheme (RFC 6750).
func bearerToken(value string) (raw string, ok bool) {
	const scheme = "bearer"
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) || value[len(scheme)] != ' ' {
		return "", false
	}
	return strings.TrimLeft(value[len(scheme):], " "), true
}

// parseToken takes a token apart. It refuses what two readers could understand differently.
func parseToken(raw string) (*token, error) {
	if len(raw) > maxTokenBytes {
		return nil, refused("the token is too long")
	}
	signed, signature, ok := cutLast(raw, '.')
	encodedHeader, encodedClaims, both := strings.Cut(signed, ".")
	if !ok || !both || strings.Contains(encodedClaims, ".") {
		return nil, refused("the token is not a JSON Web Token in three parts")
	}
	t := &token{signed: signed}
	var err error
	if t.signature, err = decodeSegment(signature); err != nil {
		return nil, err
	}
	header, err := decodeSegment(encodedHeader)
	if err != nil {
		return nil, err
	}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	claims, err := decodeSegment(encodedClaims)
	if err != nil {
		return nil, err
	}
	if t.claims, err = decodeObject(claims); err != nil {
		return nil, refused("the token's claims cannot be read")
	}
	if t.issuer, ok = t.claims["iss"].(string); !ok || t.issuer == "" {
		return nil, refused("the token names no issuer")
	}
	return t, nil
}

func (t *token) readHeader(data []byte) error {
	header, err := decodeObject(data)
	if err != nil {
		return refused("the token's header cannot be read")
	}
	if _, critical := header["crit"]; critical {
		// It lists extensions that whoever does not understand them must refuse (RFC 7515, 4.1.11), and none is understood.
		return refused("the token's header demands extensions")
	}
	var isText bool
	if t.algorithm, isText = header["alg"].(string); !isText || t.algorithm == "" {
		return refused("the token's header names no algorithm")
	}
	if id, there := header["kid"]; there {
		if t.keyID, isText = id.(string); !isText || len(t.keyID) > maxKeyIDBytes {
			return refused("the token's header has a key id that is no text, or too long")
		}
	}
	return nil
}

// strictSegment is the encoding of a token's parts, in which everything has one spelling.
var strictSegment = base64.RawURLEncoding.Strict()

func decodeSegment(segment string) ([]byte, error) {
	data, err := strictSegment.DecodeString(segment)
	if err != nil || strings.ContainsAny(segment, "\r\n") { // line breaks, which base64 skips
		return nil, refused("the token is not in the URL-safe alphabet of base64")
	}
	return data, nil
}

// cutLast cuts s around the last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
