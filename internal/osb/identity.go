package osb

import (
	"cmp"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// maxIdentityBytes is how long an originating identity may be, still encoded.
const maxIdentityBytes = 16 << 10

// Identity is an originating identity: on whose behalf a platform calls. It is to be believed only after the platform
// was authenticated, and it is sent on as it came.
type Identity struct {
	// Platform is the kind of platform that the header names, made fit for logs like User.
	Platform string
	// User is the end user: user_id (Cloud Foundry), username (Kubernetes) or iam_id (IBM Cloud), the first that there
	// is, or the bare string that some send in place of JSON. It is made fit for logs: at most 256 bytes, with control
	// characters replaced. It is empty when the identity has none of these.
	User string
	// Value is the decoded value: JSON, or a bare string. It may say more of the user than belongs in a log.
	Value []byte
	// Decoded tells that the value could be read.
	Decoded bool
}

// ParseIdentity reads X-Broker-API-Originating-Identity: the kind of platform, spaces, and Base64 of a JSON object.
// Any kind of platform is taken, Base64 also without padding or in its URL-safe alphabet, and in place of a JSON
// object a JSON string or a bare string.
//
// For everything else it returns a *RequestError of KindIdentityRequired, which matters only where a platform must
// send an identity; everywhere else the call goes on, with what is known: the Identity then has Decoded false and at
// most the Platform. So it is with a header longer than 16 KiB, Base64 or JSON that is broken, binary data, JSON of
// another type, and user ids that come twice.
func ParseIdentity(header string) (Identity, error) {
	if len(header) > maxIdentityBytes {
		return Identity{}, unreadableIdentity("is longer than 16 KiB")
	}
	header = strings.Trim(header, " \t")
	space := strings.IndexAny(header, " \t")
	if space < 0 {
		// Not even a platform to report: what is there may as well be the value, which is nothing for a log.
		return Identity{}, unreadableIdentity("is not a platform, a space and a value")
	}
	identity := Identity{Platform: logSafe(header[:space])}
	encoded := strings.TrimLeft(header[space:], " \t")
	value, err := decodeBase64(encoded)
	if err != nil {
		return identity, unreadableIdentity("has a value that is not Base64")
	}
	user, ok := identityUser(value)
	if !ok {
		return identity, unreadableIdentity("has a value that is neither a JSON object nor a string")
	}
	identity.User, identity.Value, identity.Decoded = user, value, true
	return identity, nil
}

func unreadableIdentity(problem string) error {
	return &RequestError{Kind: KindIdentityRequired, Description: HeaderOriginatingIdentity + " " + problem}
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// identityUser returns the user that a decoded value names, fit for logs.
func identityUser(value []byte) (user string, ok bool) {
	if !utf8.Valid(value) {
		return "", false
	}
	scanner := jsonScanner{text: value}
	switch scanner.peek() {
	case '{':
		user, ok = scanner.identityObject()
		return user, ok && scanner.atEnd()
	case '"':
		text, isString := scanner.str()
		if !isString || !scanner.atEnd() {
			return "", false
		}
		return logSafeJSON(text), true
	case '[':
		return "", false
	default:
		bare := strings.TrimSpace(string(value))
		return logSafe(bare), bare != "" && bare != "null"
	}
}

// identityObject reads the user of an identity's JSON object, with the scanner at its brace.
func (s *jsonScanner) identityObject() (user string, ok bool) {
	var userID, username, iamID optionalString
	var names keySet
	for first := true; ; first = false {
		key, more, ok := s.nextMember(first)
		if !ok {
			return "", false
		}
		if !more {
			break
		}
		name := key.bytes()
		if !names.add(name) {
			return "", false
		}
		switch string(name) {
		case "user_id":
			userID, ok = s.optionalStr()
		case "username":
			username, ok = s.optionalStr()
		case "iam_id":
			iamID, ok = s.optionalStr()
		default:
			ok = s.skip(1)
		}
		if !ok {
			return "", false
		}
	}
	return cmp.Or(logSafeJSON(userID.text), logSafeJSON(username.text), logSafeJSON(iamID.text)), true
}

func logSafeJSON(text jsonString) string { return logSafe(text.String()) }
