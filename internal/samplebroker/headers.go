package samplebroker

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"
)

const (
	versionHeader         = "X-Broker-API-Version"
	requestIdentityHeader = "X-Broker-API-Request-Identity"

	supportedVersion = "2.17"
)

// credentialHash is what callers authenticate with. Comparing hashes takes equally long for every wrong guess.
type credentialHash struct {
	user, password [sha256.Size]byte
}

func hashCredentials(user, password string) *credentialHash {
	return &credentialHash{user: sha256.Sum256([]byte(user)), password: sha256.Sum256([]byte(password))}
}

// accept tells whether the header names the user and the password. Nothing is demanded of nobody.
func (h *credentialHash) accept(header http.Header) bool {
	if h == nil {
		return true
	}
	if len(header.Values("Authorization")) != 1 {
		return false
	}
	user, password, ok := (&http.Request{Header: header}).BasicAuth()
	given := hashCredentials(user, password)
	userRight := subtle.ConstantTimeCompare(given.user[:], h.user[:])
	passwordRight := subtle.ConstantTimeCompare(given.password[:], h.password[:])
	return ok && userRight&passwordRight == 1
}

var versionForm = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)

// checkVersion looks at X-Broker-API-Version (§ API Version Header). Minor versions only ever add something, so all of
// them are served.
func checkVersion(header http.Header, optional bool) error {
	values := header.Values(versionHeader)
	if len(values) == 0 && optional {
		return nil
	}
	if len(values) != 1 {
		return badRequest("The header " + versionHeader + " is required, once.")
	}
	parts := versionForm.FindStringSubmatch(strings.TrimSpace(values[0]))
	switch {
	case parts == nil:
		return badRequest("The header " + versionHeader + " has to be of the form MAJOR.MINOR.")
	case parts[1] != "2":
		return refuse(http.StatusPreconditionFailed,
			"This version of the Open Service Broker API is not supported, use "+supportedVersion+".")
	default:
		return nil
	}
}
