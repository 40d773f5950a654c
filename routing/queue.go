package routing

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	defaultQueueCapacity = 10_000
	minBackoff           = 50 * time.Millisecond
	maxBackoff           = 10 * time.Second
	// minStuck and maxStuck bound the waits between the attempts to write an outcome whose own record cannot be
	// written: one that a newer gateway wrote, or a damaged one. Until somebody does something about it, nothing will
	// change.
	minStuck = 10 * time.Second
	maxStuck = 10 * time.Minute
	// maxUnanswered is how many attempts in a row go without an answer until the store is left alone for a while. One
	// would do if it were always the whole store that does not answer, and not a part of it.
	maxUnanswered = 8
)

// commit is an outcome that waits to be written.
type commit struct {
	entry   *Entry
	outcome Outcome
	// since is when it began to wait.
	since time.Time
	// unanswered counts the attempts that the store did not answer.
	unanswered int
	// stuck is how long it waits between attempts, and until when; 0 unless its own record is the trouble.
	stuck time.Duration
	until time.Time
}

// Retry is an outcome that is about to be written once more.
type Retry struct {
	Key      Key
	Platform PlatformID
	Backend  BackendID
	Kind     Kind
	// Trace is the W3C traceparent of the call's span.
	Trace string
}

func (c commit) retry() Retry {
	return Retry{
		Key: c.entry.Call.Key, Platform: c.entry.Call.Platform, Backend: c.entry.Decision.Backend,
		Kind: c.entry.Call.Kind, Trace: c.outcome.Trace,
	}
}

// queue writes outcomes in the background that could not be written at once. Outcomes may be written in any order and
// more than once, so one worker with a back-off is enough. The worker lives only while something waits.
type queue struct {
	write    func(context.Context, commit) error
	onRetry  func()
	observe  func(context.Context, Retry) (context.Context, func(error))
	onDrop   func()
	onStuck  func(Key, error)
	capacity int

	mu      sync.Mutex
	waiting []commit
	writing commit        // taken from waiting and not yet written or put back; its entry is nil if there is none
	worker  chan struct{} // closed when the running worker ended; nil if none runs
	added   chan struct{} // has one while there is something that the worker did not see
	stop    chan struct{} // closed to make the worker hand over to flush

	retries, dropped uint64
	lastError        error // of the last attempt that failed, while something waits
}

func (q *queue) init(options LedgerOptions, write func(context.Context, commit) error) {
	q.write = write
	q.onRetry, q.onDrop, q.capacity = options.OnRetry, options.OnDrop, options.QueueCapacity
	if q.capacity <= 0 {
		q.capacity = defaultQueueCapacity
	}
	if q.onRetry == nil {
		q.onRetry = func() {}
	}
	if q.onDrop == nil {
		q.onDrop = func() {}
	}
	if q.onStuck = options.OnStuck; q.onStuck == nil {
		q.onStuck = func(Key, error) {}
	}
	if q.observe = options.ObserveRetry; q.observe == nil {
		q.observe = func(ctx context.Context, _ Retry) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	q.stop = make(chan struct{})
	q.added = make(chan struct{}, 1)
}

func (q *queue) add(c commit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= q.capacity {
		q.waiting = q.waiting[1:]
		q.dropped++
		q.onDrop()
	}
	c.entry, c.since = c.entry.forLater(), time.Now()
	q.waiting = append(q.waiting, c)
	if q.worker == nil {
		q.worker = make(chan struct{})
		go q.work(q.worker)
	}
	select {
	case q.added <- struct{}{}:
	default:
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// progress is how far the queue has come.
type progress int

const (
	allWritten  progress = iota
	onlyStuck            // what is left is stuck, and its time has not come
	interrupted          // the store does not answer, or stop was closed
)

// next takes the oldest outcome that is not stuck, or whose time has come. Those that were tried less often come first:
// what waits for a part of the store that does not answer must not hold up the rest. Without one it tells what that
// means; where all is written, the worker counts as ended.
func (q *queue) next() (commit, progress, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	chosen := -1
	for i, c := range q.waiting {
		if !now.Before(c.until) && (chosen < 0 || c.unanswered < q.waiting[chosen].unanswered) {
			chosen = i
			if c.unanswered == 0 {
				break
			}
		}
	}
	if chosen >= 0 {
		c := q.waiting[chosen]
		q.waiting = slices.Delete(q.waiting, chosen, chosen+1)
		q.writing = c
		q.retries++
		return c, interrupted, true
	}
	if len(q.waiting) > 0 {
		return commit{}, onlyStuck, false
	}
	q.waiting = nil
	q.worker = nil
	q.lastError = nil
	return commit{}, allWritten, false
}

// nextStuck is how long it takes until the time of a stuck outcome comes.
func (q *queue) nextStuck() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := maxStuck
	for _, c := range q.waiting {
		wait = min(wait, time.Until(c.until))
	}
	return max(wait, minBackoff)
}

// work writes what waits, and slows down while the store does not answer.
func (q *queue) work(ended chan struct{}) {
	defer close(ended)
	backoff := minBackoff
	for {
		if !q.pause(backoff/2+rand.N(backoff), nil) { //nolint:gosec // jitter is no secret
			return
		}
		select {
		case <-q.added:
		default:
		}
		switch q.writeAll(context.Background(), q.stop) {
		case allWritten:
			return
		case onlyStuck:
			backoff = minBackoff
			if !q.pause(q.nextStuck(), q.added) {
				return
			}
		case interrupted:
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

// pause waits, or until wake has something. It returns false if the worker is to end.
func (q *queue) pause(wait time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-q.stop:
		return false
	}
	return true
}

// writeAll writes what waits until nothing can be written, stop is closed or the store does not answer. An outcome
// whose own record cannot be written is put back, and the others go on.
func (q *queue) writeAll(ctx context.Context, stop <-chan struct{}) progress {
	unanswered := 0
	for {
		select {
		case <-stop:
			return interrupted
		default:
		}
		c, progress, ok := q.next()
		if !ok {
			return progress
		}
		q.onRetry()
		attempt, cancel := context.WithTimeout(ctx, commitTimeout)
		attempt, finish := q.observe(attempt, c.retry())
		err := q.write(attempt, c)
		finish(err)
		cancel()
		switch {
		case err == nil:
			unanswered = 0
			q.settled()
		case errors.Is(err, ErrUnavailable):
			c.unanswered++
			q.putBack(c, err)
			if unanswered++; unanswered >= min(maxUnanswered, q.length()) {
				return interrupted
			}
		default:
			if c.stuck == 0 {
				q.onStuck(c.entry.Call.Key, err)
			}
			c.stuck = max(minStuck, min(2*c.stuck, maxStuck))
			c.until = time.Now().Add(c.stuck)
			q.putBack(c, err)
		}
	}
}

func (q *queue) settled() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = commit{}
}

func (q *queue) putBack(c commit, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = commit{}
	q.lastError = err
	if len(q.waiting) >= q.capacity {
		q.dropped++
		q.onDrop()
		return
	}
	q.waiting = append(q.waiting, c) // at the end: a record that cannot be written must not hold up the others
}

// flush stops the worker, writes what waits until ctx ends, and returns how much is left.
func (q *queue) flush(ctx context.Context) int {
	close(q.stop)
	q.mu.Lock()
	worker := q.worker
	q.mu.Unlock()
	if worker != nil {
		<-worker
	}
	q.hurry()
	for ctx.Err() == nil && q.writeAll(ctx, nil) == interrupted {
		timer := time.NewTimer(minBackoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return q.length()
}

// hurry has the time of everything come.
func (q *queue) hurry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.waiting {
		q.waiting[i].until = time.Time{}
	}
}
