package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// Kind says what is known about a request that got no answer.
type Kind uint8

// The kinds of Error.
const (
	// NotReached: the backend surely got nothing of the request. It could not be dialled, its name or certificate was
	// not good, or time ran out before there was a connection.
	NotReached Kind = iota + 1
	// Failed: the backend may have acted on the request. The connection broke, or what came is no answer: cut short,
	// too large or not HTTP. Also when the caller gave up, which errors.Is(err, context.Canceled) tells.
	Failed
	// Timeout: the backend may have acted on the request and did not answer in time.
	Timeout
)

var kindNames = [...]string{0: "unknown", NotReached: "not reached", Failed: "failed", Timeout: "timed out"}

// String returns the kind in plain words.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[0]
	}
	return kindNames[k]
}

// Error says why there is no answer to relay. Its text is fit for a log: it holds no credentials, queries or bytes that
// the backend sent. That is not true of the errors that it wraps.
type Error struct {
	// Backend is the name of the backend.
	Backend string
	// Kind tells whether the backend can have seen the request.
	Kind Kind
	// Status is the status of the answer that was not whole or not usable; 0 if there was none.
	Status int
	// Err is the cause.
	Err error
	// RetryAfter is when it is worth another try, where that is known; else 0.
	RetryAfter time.Duration

	lost bool // the answer to a request that was sent once was lost, and asking again may help
	dial bool // there was no connection, whether it was refused or time ran out
}

// Error returns the backend, the kind and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("backend %q: %s: %s", e.Backend, e.Kind, osb.CauseText(e.Err))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// errNotRepeated is the cause where an HTTP/2 transport would have sent a request again.
var errNotRepeated = errors.New("the broker refused the HTTP/2 stream, and the request is not sent again")

// tooLargeError is the cause where a body is larger than it may be.
type tooLargeError struct{ maxBytes int64 }

func (e *tooLargeError) Error() string { return fmt.Sprintf("larger than %d bytes", e.maxBytes) }

// failure judges an error of the transport or of reading a body. The context is the caller's.
func (b *Backend) failure(ctx context.Context, d *delivery, err error) *Error {
	failure := &Error{Backend: b.name, Err: err}
	var tooLarge *tooLargeError
	switch {
	case d.surelyNothing(err):
		failure.Kind, failure.dial = NotReached, true
	case errors.As(err, &tooLarge):
		failure.Kind = Failed
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || isTimeout(err):
		failure.Kind = Timeout
	case d.stopped.Load():
		failure.Kind, failure.Err = Failed, errNotRepeated
	default:
		failure.Kind = Failed
		failure.lost = ctx.Err() == nil && d.sends.Load() <= 1
	}
	return failure
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isConnectError tells whether an error can only have come before a connection was made.
func isConnectError(err error) bool {
	var (
		op          *net.OpError
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
	)
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certificate)
}
