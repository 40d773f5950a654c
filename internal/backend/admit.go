package backend

import (
	"context"
	"errors"
	"time"
)

// Causes of errors of kind NotReached where the gateway itself sent nothing.
var (
	// ErrOpen: the backend did not answer the last calls, and is left alone for a while.
	ErrOpen = errors.New("the broker did not answer the last calls and is left alone for a while")
	// ErrBusy: the backend has as many calls open as it may have.
	ErrBusy = errors.New("as many calls are open as max_in_flight allows")
	// ErrNoCredentials: there is nothing to authenticate with.
	ErrNoCredentials = errors.New("there are no credentials to send")
)

// busyRetry is what a call is told to wait that found no room.
const busyRetry = 5 * time.Second

// ticket is the right to send one call.
type ticket struct{ trial bool }

// admit gives a ticket, which must be given back, or says why there is none.
func (b *Backend) admit() (ticket, *Error) {
	if open := b.inFlight.Add(1); b.maxInFlight > 0 && open > b.maxInFlight {
		b.inFlight.Add(-1)
		return ticket{}, &Error{Backend: b.name, Kind: NotReached, Err: ErrBusy, RetryAfter: busyRetry}
	}
	trial, wait := b.breaker.allow()
	if wait > 0 {
		b.inFlight.Add(-1)
		return ticket{}, &Error{Backend: b.name, Kind: NotReached, Err: ErrOpen, RetryAfter: wait}
	}
	return ticket{trial: trial}, nil
}

// giveBack ends a call. A nil failure means that the backend answered.
func (b *Backend) giveBack(t ticket, r result) {
	b.inFlight.Add(-1)
	b.breaker.note(t.trial, r)
}

// judge says what the end of a call means for the breaker. Statuses are answers; a connection that broke proves neither
// that a broker works nor that it is dead.
func judge(failure *Error) result {
	switch {
	case failure == nil:
		return answers
	case errors.Is(failure.Err, context.Canceled), errors.Is(failure.Err, ErrNoCredentials):
		return neutral
	case failure.Kind == Timeout, failure.dial:
		return silent
	case failure.Status != 0:
		return answers
	}
	return neutral
}

// Status is the state of a backend.
type Status struct {
	// InFlight calls are open, and MaxInFlight may be; 0 means any number.
	InFlight, MaxInFlight int64
	// Breaker tells whether calls are sent; Failures in a row came before it, and RetryAt is when the next is tried.
	Breaker  BreakerState
	Failures int
	RetryAt  time.Time
	// TokenUntil is when the present token ends; zero where there is none. TokenError is why the last fetch failed.
	TokenUntil time.Time
	TokenError error
}

// Status tells the state of the backend.
func (b *Backend) Status() Status {
	s := Status{InFlight: b.inFlight.Load(), MaxInFlight: b.maxInFlight, Failures: int(b.breaker.failed.Load())}
	s.Breaker, s.RetryAt = b.breaker.state()
	if tokens := b.credentials.tokens; tokens != nil {
		s.TokenUntil, s.TokenError = tokens.state()
	}
	return s
}

// Secret returns the values that only the gateway and the broker may know, for those who look for them in what the
// broker says.
func (b *Backend) Secret() []string { return b.credentials.secret() }

// Inherit takes over what another backend of the same broker found out, so that nothing is lost over a reload: whether
// it answers, and its token where both have the same credentials.
func (b *Backend) Inherit(before *Backend, sameCredentials bool) {
	b.breaker.inherit(&before.breaker)
	if mine, theirs := b.credentials.tokens, before.credentials.tokens; mine != nil && theirs != nil && sameCredentials {
		mine.held.CompareAndSwap(nil, theirs.held.Load())
	}
}

// Close ends what the backend does on its own. Requests that need a new token fail after it.
func (b *Backend) Close() {
	if b.direct != nil {
		b.direct.close()
	}
	if b.credentials.tokens != nil {
		b.credentials.tokens.close()
	}
}
