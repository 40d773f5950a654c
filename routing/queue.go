package routing

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	defaultQueueCapacity = 10_000
	minBackoff           = 50 * time.Millisecond
	maxBackoff           = 10 * time.Second
)

// commit is an outcome that waits to be written.
type commit struct {
	entry   *Entry
	outcome Outcome
}

// queue writes outcomes in the background that could not be written at once. Outcomes may be written in any order and more
// than once, so one worker with a back-off is enough. The worker lives only while something waits.
type queue struct {
	write    func(context.Context, commit) error
	onRetry  func()
	onDrop   func()
	capacity int

	mu      sync.Mutex
	waiting []commit
	worker  chan struct{} // closed when the running worker ended; nil if none runs
	stop    chan struct{} // closed to make the worker hand over to flush
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
	q.stop = make(chan struct{})
}

func (q *queue) add(c commit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= q.capacity {
		q.waiting = q.waiting[1:]
		q.onDrop()
	}
	q.waiting = append(q.waiting, c)
	if q.worker == nil {
		q.worker = make(chan struct{})
		go q.work(q.worker)
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// next takes the oldest outcome. It returns false when there is none, and then the worker counts as ended.
func (q *queue) next() (commit, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		q.worker = nil
		return commit{}, false
	}
	c := q.waiting[0]
	q.waiting = q.waiting[1:]
	return c, true
}

// work writes what waits, and slows down while the store does not answer.
func (q *queue) work(ended chan struct{}) {
	defer close(ended)
	backoff := minBackoff
	for {
		timer := time.NewTimer(backoff/2 + rand.N(backoff)) //nolint:gosec // jitter is no secret
		select {
		case <-timer.C:
		case <-q.stop:
			timer.Stop()
			return
		}
		if !q.writeAll(context.Background(), q.stop) {
			backoff = min(2*backoff, maxBackoff)
			continue
		}
		return
	}
}

// writeAll writes what waits until nothing does, stop is closed or the store does not answer. An outcome whose own record
// cannot be written is put back, and the others go on. It tells whether nothing is left.
func (q *queue) writeAll(ctx context.Context, stop <-chan struct{}) bool {
	for stuck := 0; stuck == 0 || stuck < q.length(); {
		select {
		case <-stop:
			return false
		default:
		}
		c, ok := q.next()
		if !ok {
			return true
		}
		q.onRetry()
		attempt, cancel := context.WithTimeout(ctx, commitTimeout)
		err := q.write(attempt, c)
		cancel()
		if err == nil {
			continue
		}
		q.putBack(c)
		if errors.Is(err, ErrUnavailable) {
			return false
		}
		stuck++
	}
	return false
}

func (q *queue) putBack(c commit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= q.capacity {
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
	for ctx.Err() == nil && !q.writeAll(ctx, nil) {
		timer := time.NewTimer(minBackoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return q.length()
}
