package backend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What is known of a token's life is kept to these bounds.
const (
	// fetchTimeout is how long a token server may take to answer.
	fetchTimeout = 10 * time.Second
	// assumedLife is that of a token whose server does not say it. A broker's 401 renews it earlier.
	assumedLife = 5 * time.Minute
	// maxLife is the longest that a token is believed to live: a secret that was withdrawn is noticed that soon.
	maxLife = 24 * time.Hour
	// maxMargin is how long before its end a token counts as dead, so that it does not die on its way. Of a short life
	// it is a tenth.
	maxMargin = 5 * time.Second
	// firstTokenRetry is how long a token server is left alone that failed; the time doubles up to maxTokenRetry.
	firstTokenRetry = time.Second
	maxTokenRetry   = 5 * time.Second
)

// token is one that a server gave.
type token struct {
	authorization []string
	// renew is when another one should be fetched, until when this one may be sent.
	renew, until time.Time
}

// newToken is a token that was asked for at one time and lives so long after it.
func newToken(value string, asked time.Time, life time.Duration) *token {
	life = min(life, maxLife)
	margin := min(life/10, maxMargin)
	// From 75 to 85 hundredths of its life, so that gateways which began together do not stay together.
	renew := life*3/4 + rand.N(life/10+1) //nolint:gosec // jitter is no secret
	return &token{
		authorization: []string{"Bearer " + value}, renew: asked.Add(min(renew, life-margin)), until: asked.Add(life - margin),
	}
}

// tokens keep one token good. Whoever needs one gets the one that is held, without waiting; when it grows old a single
// fetch in the background replaces it, and as long as that fails the old one is used to its end. Only where there is
// none that is good does a request wait, and all wait for the same fetch.
//
// golang.org/x/oauth2 renews on the path of a request, holds a lock meanwhile that no deadline ends, and knows neither
// the word of a broker that a token is bad nor a secret that changes.
type tokens struct {
	// fetch gets a new token and how long it lives.
	fetch func(ctx context.Context) (value string, life time.Duration, err error)
	// noted is told of every new token's end; it may be nil.
	noted func(until time.Time)

	held atomic.Pointer[token]

	ctx    context.Context //nolint:containedctx // it ends fetches that nobody waits for, when the backend is closed
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu      sync.Mutex
	running *renewal // nil when no fetch is on its way
	failure error    // of the last fetch; nil when it succeeded
	rest    time.Duration
	again   time.Time // before which no fetch is begun after a failure
	forced  time.Time // when a 401 last began a fetch
	closed  bool
}

// renewal is a fetch on its way. Its fields may be read when done is closed.
type renewal struct {
	done  chan struct{}
	token *token
	err   error
}

func newTokens(fetch func(context.Context) (string, time.Duration, error), noted func(time.Time)) *tokens {
	t := &tokens{fetch: fetch, noted: noted}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// close ends the fetch that is on its way, and waits for it.
func (t *tokens) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.group.Wait()
}

var errTokensClosed = errors.New("the backend is not in use any more")

// get returns a token that may be sent.
func (t *tokens) get(ctx context.Context) (*token, error) {
	now := time.Now()
	held := t.held.Load()
	if held != nil && now.Before(held.renew) {
		return held, nil
	}
	r, err := t.begin(now, false) //nolint:contextcheck // the fetch is everybody's, and outlives who began it
	switch {
	case held != nil && now.Before(held.until):
		return held, nil
	case err != nil:
		return nil, err
	}
	return r.wait(ctx)
}

func (r *renewal) wait(ctx context.Context) (*token, error) {
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// begin begins a fetch, or joins the one that is on its way. After a failure the server is left alone for a while.
// Forced is what a 401 asks for; it is granted once in rereadInterval.
func (t *tokens) begin(now time.Time, forced bool) (*renewal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.running != nil:
		return t.running, nil
	case t.closed:
		return nil, errTokensClosed
	case forced && !t.forced.IsZero() && now.Sub(t.forced) < rereadInterval:
		return nil, errTooSoon
	case t.failure != nil && now.Before(t.again):
		return nil, t.failure
	}
	if held := t.held.Load(); !forced && held != nil && now.Before(held.renew) {
		done := make(chan struct{}) // another request's fetch has ended meanwhile
		close(done)
		return &renewal{done: done, token: held}, nil
	}
	if forced {
		t.forced = now
	}
	r := &renewal{done: make(chan struct{})}
	t.running = r
	t.group.Go(func() { t.run(r) })
	return r, nil
}

var errTooSoon = errors.New("a new token was asked for a moment ago")

// run fetches a token.
func (t *tokens) run(r *renewal) {
	ctx, cancel := context.WithTimeout(t.ctx, fetchTimeout)
	defer cancel()
	asked := time.Now()
	value, life, err := t.fetch(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		r.err = fmt.Errorf("fetching a token: %w", err)
		t.rest = min(max(2*t.rest, firstTokenRetry), maxTokenRetry)
		t.again = time.Now().Add(t.rest)
	} else {
		r.token = newToken(value, asked, life)
		t.held.Store(r.token)
		t.rest = 0
		if t.noted != nil {
			t.noted(r.token.until)
		}
	}
	t.failure, t.running = r.err, nil
	close(r.done)
}

// refused returns the token to be sent after a broker answered 401 to the one that was used, which is the same if there
// is no other.
func (t *tokens) refused(ctx context.Context, used *token) *token {
	if held := t.held.Load(); held != nil && held != used {
		return held // it was renewed meanwhile
	}
	r, err := t.begin(time.Now(), true) //nolint:contextcheck // as above
	if err != nil {
		return used
	}
	if renewed, err := r.wait(ctx); err == nil {
		return renewed
	}
	return used
}

// state tells until when there is a good token, and why the last fetch failed.
func (t *tokens) state() (until time.Time, failure error) {
	if held := t.held.Load(); held != nil {
		until = held.until
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return until, t.failure
}
