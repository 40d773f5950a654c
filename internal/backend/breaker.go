package backend

import (
	"sync"
	"sync/atomic"
	"time"
)

// Settings that hold where a configuration says nothing.
const (
	// DefaultMaxInFlight is how many calls a backend may have open.
	DefaultMaxInFlight = 256
	// DefaultBreakerFailures calls in a row without an answer open a breaker for DefaultBreakerOpen.
	DefaultBreakerFailures = 5
	DefaultBreakerOpen     = 10 * time.Second
)

// BreakerConfig says when a backend is left alone.
type BreakerConfig struct {
	// Failures is how many calls in a row must fail, by not being delivered or by not being answered in time; 0 means
	// that the backend is never left alone. An answer, whatever its status, is no failure.
	Failures int
	// Open is how long no call is sent then. After it one is, and its outcome decides.
	Open time.Duration
	// Changed, if set, is told when calls are refused, and when they are sent again. It must not block.
	Changed func(open bool)
}

// BreakerState is what a breaker does with calls.
type BreakerState string

// The states of a breaker.
const (
	// BreakerOff: there is none.
	BreakerOff BreakerState = "off"
	// BreakerClosed: calls are sent.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen: calls are refused.
	BreakerOpen BreakerState = "open"
	// BreakerTrying: one call is on its way, or may go; the others are refused.
	BreakerTrying BreakerState = "trying"
)

// breaker keeps calls from a backend that does not answer. While it is closed a call takes no lock, which with a library
// it would; and the catalog, which is fetched whatever the breaker says, can end the wait.
type breaker struct {
	BreakerConfig

	failed atomic.Int32 // in a row
	isOpen atomic.Bool

	mu     sync.Mutex
	until  time.Time // when a trial may be made
	trying bool
}

// minRetry is the least that a refused call is told to wait.
const minRetry = time.Second

// allow tells whether a call may be sent, and whether it is the one that decides. If it may not, wait is after what time
// it is worth another try; else 0.
func (b *breaker) allow() (trial bool, wait time.Duration) {
	if !b.isOpen.Load() {
		return false, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	wait = time.Until(b.until)
	switch {
	case !b.isOpen.Load():
		return false, 0
	case b.trying || wait > 0:
		return false, max(wait, minRetry)
	}
	b.trying = true
	return true, 0
}

// result is what the end of a call says of a backend.
type result uint8

const (
	// neutral: nothing. The platform hung up, say.
	neutral result = iota
	// answers: it is there.
	answers
	// silent: it could not be reached, or did not answer in time.
	silent
)

// note takes the end of a call that was allowed.
func (b *breaker) note(trial bool, r result) {
	if b.Failures == 0 {
		return
	}
	counted := false
	switch {
	case trial: // its place is given back, whatever became of the breaker meanwhile
	case r == answers && !b.isOpen.Load():
		if b.failed.Load() != 0 {
			b.failed.Store(0)
		}
		return
	case r == silent && !b.isOpen.Load():
		if int(b.failed.Add(1)) < b.Failures {
			return
		}
		counted = true
	case r == neutral:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	wasOpen := b.isOpen.Load()
	if r == silent && !wasOpen && !counted {
		b.failed.Add(1)
	}
	switch {
	case r == answers:
		b.failed.Store(0)
		b.set(false)
	case r != silent, wasOpen && !trial:
	case !wasOpen && int(b.failed.Load()) < b.Failures:
		// An earlier call was answered late and has closed it, so this one counts as any other does.
	default:
		b.until = time.Now().Add(b.Open)
		b.set(true)
	}
}

// set opens or closes. The caller holds mu.
func (b *breaker) set(open bool) {
	if b.isOpen.Swap(open) != open && b.Changed != nil {
		b.Changed(open)
	}
}

// alive is told that the backend answered something that was sent past the breaker: the next call may try at once.
func (b *breaker) alive() {
	if !b.isOpen.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Now()
}

// inherit takes over the state of another breaker.
func (b *breaker) inherit(before *breaker) {
	if b.Failures == 0 || before.Failures == 0 || !before.isOpen.Load() {
		return
	}
	before.mu.Lock()
	until := before.until
	before.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed.Store(before.failed.Load())
	b.until = until
	b.set(true)
}

// state tells what is done with calls, and when one may be tried.
func (b *breaker) state() (state BreakerState, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.Failures == 0:
		return BreakerOff, time.Time{}
	case !b.isOpen.Load():
		return BreakerClosed, time.Time{}
	case b.trying || !time.Now().Before(b.until):
		return BreakerTrying, b.until
	}
	return BreakerOpen, b.until
}
