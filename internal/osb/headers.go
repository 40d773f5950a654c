package osb

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Names of headers, in the spelling that http.Header has for its keys, so that they index it.
const (
	// HeaderPrefix begins the names of all headers of the API. Backends get them as the platform sent them.
	HeaderPrefix = "X-Broker-Api-"
	// HeaderAPIVersion announces the version that the platform speaks; see ParseVersion.
	HeaderAPIVersion = HeaderPrefix + "Version"
	// HeaderOriginatingIdentity says on whose behalf the platform calls; see ParseIdentity.
	HeaderOriginatingIdentity = HeaderPrefix + "Originating-Identity"
	// HeaderRequestIdentity names the request in the logs of all who handle it; it is echoed in the answer.
	HeaderRequestIdentity = HeaderPrefix + "Request-Identity"
	// HeaderRetryAfter says when to poll or to try again.
	HeaderRetryAfter = "Retry-After"
	// HeaderAllow lists the methods of a path in an answer of 405.
	HeaderAllow = "Allow"
	// HeaderWWWAuthenticate says in an answer of 401 how to authenticate.
	HeaderWWWAuthenticate = "Www-Authenticate"
	// HeaderContentType is the type of a body.
	HeaderContentType = "Content-Type"
	// HeaderContentEncoding is the compression of a body; see Inflate.
	HeaderContentEncoding = "Content-Encoding"
)

// ContentTypeJSON is the type of every body of the API.
const ContentTypeJSON = "application/json"

// IsHopByHop tells whether a header, named in any case, is between two neighbours only and never relayed. Headers that
// a Connection header names are too: see RemoveHopByHop.
func IsHopByHop(name string) bool {
	return slices.Contains(hopByHopHeaders[:], http.CanonicalHeaderKey(name))
}

var hopByHopHeaders = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// RemoveHopByHop removes from header what must not be relayed: the hop-by-hop headers, and those that its Connection
// headers name. Headers of our own are to be added after it, or the sender could name them and have them removed.
func RemoveHopByHop(header http.Header) {
	for _, line := range header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				header.Del(name)
			}
		}
	}
	for _, name := range hopByHopHeaders {
		delete(header, name)
	}
}

// maxRequestIdentityBytes is how long a request identity may be: that of a platform is echoed and logged.
const maxRequestIdentityBytes = 256

// NewRequestIdentity returns a random UUID for a request that came without an identity.
func NewRequestIdentity() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it would end the program
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80

	var text [36]byte
	for i := range text {
		text[i] = '-'
	}
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	return string(text[:])
}

// CleanRequestIdentity returns a platform's request identity, freed of white space around it, if it is fit to be echoed
// and logged: not empty, printable ASCII, at most 256 bytes. Otherwise it returns "" and false. It is no key: platforms
// may send the same one twice.
func CleanRequestIdentity(s string) (identity string, ok bool) {
	s = textproto.TrimString(s)
	if s == "" || len(s) > maxRequestIdentityBytes {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return "", false
		}
	}
	return s, true
}
