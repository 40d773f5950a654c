package platform

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnauthorized is returned for a request that carries no credentials, malformed ones, or wrong ones. It says no
// more, so that nobody learns which user names exist. The errors below that are ErrUnauthorized too say more, for logs.
var ErrUnauthorized = errors.New("unauthorized")

// ErrUndecided is returned for a token whose keys cannot be had at the moment: it is neither right nor wrong.
var ErrUndecided = errors.New("the keys of the token's issuer are not available")

// RefusedError tells why a token or a certificate was refused. It is ErrUnauthorized.
type RefusedError struct {
	// Reason is for logs. It holds nothing that the caller sent.
	Reason string
}

func (e *RefusedError) Error() string { return "unauthorized: " + e.Reason }

// Unwrap makes it ErrUnauthorized.
func (e *RefusedError) Unwrap() error { return ErrUnauthorized }

func refused(reason string) error { return &RefusedError{Reason: reason} }

// ConflictError tells that credentials are right, but not those of one platform: either two platforms match them, or
// what the header and the certificate say differs. It is ErrUnauthorized, and something that an operator is to know.
type ConflictError struct {
	// What was matched: "token", "certificate", or "Authorization header and certificate".
	What string
	// Platforms are those that match, in the order of their configuration.
	Platforms []string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("unauthorized: the %s of one request stands for several platforms: %s",
		e.What, strings.Join(e.Platforms, ", "))
}

// Unwrap makes it ErrUnauthorized.
func (e *ConflictError) Unwrap() error { return ErrUnauthorized }
