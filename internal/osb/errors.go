package osb

import "errors"

// ErrNotProtocol is returned for a path that is beneath neither /v2 nor /bluemix_v1: the request is meant for someone
// else.
var ErrNotProtocol = errors.New("path is not one of the service broker API")

// RequestErrorKind says which row of the gateway's table of answers a RequestError belongs to.
type RequestErrorKind uint8

// The kinds of RequestError. The zero value is none of them.
const (
	// KindBadRequest: the path, the query or the body is malformed.
	KindBadRequest RequestErrorKind = iota + 1
	// KindNotFound: the path is beneath /v2 or /bluemix_v1 and names nothing there.
	KindNotFound
	// KindMethodNotAllowed: the path is known, and its methods are in RequestError.Allow.
	KindMethodNotAllowed
	// KindUnsupportedVersion: X-Broker-API-Version is not a version, or not one that is served.
	KindUnsupportedVersion
	// KindTooLarge: a body is larger than it may be, once decompressed.
	KindTooLarge
	// KindUnsupportedEncoding: a body has a Content-Encoding other than gzip.
	KindUnsupportedEncoding
	// KindIdentityRequired: the originating identity is absent or cannot be read. Whether that matters depends on the
	// platform.
	KindIdentityRequired
)

var requestErrorKindNames = [...]string{
	0:                       "unknown",
	KindBadRequest:          "bad request",
	KindNotFound:            "not found",
	KindMethodNotAllowed:    "method not allowed",
	KindUnsupportedVersion:  "unsupported version",
	KindTooLarge:            "too large",
	KindUnsupportedEncoding: "unsupported encoding",
	KindIdentityRequired:    "originating identity required",
}

// String returns the kind in plain words.
func (k RequestErrorKind) String() string {
	if int(k) >= len(requestErrorKindNames) {
		return requestErrorKindNames[0]
	}
	return requestErrorKindNames[k]
}

// RequestError says what is wrong with a request. Every error that this package returns is one, but for ErrNotProtocol.
type RequestError struct {
	// Kind selects the status and the error code of the answer.
	Kind RequestErrorKind
	// Description is for the platform's operator. It names fields and limits and never quotes what was sent.
	Description string
	// Allow lists the methods that the path has, in the form of the Allow header. Only with KindMethodNotAllowed.
	Allow string
}

// Error returns the kind and the description.
func (e *RequestError) Error() string { return e.Kind.String() + ": " + e.Description }

func badRequest(description string) error {
	return &RequestError{Kind: KindBadRequest, Description: description}
}
