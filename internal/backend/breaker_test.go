package backend_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// behaviour is what a broker does with a request.
type behaviour func(*http.Request) (*http.Response, error)

// scripted is a broker whose behaviour a test changes as it goes on.
type scripted struct {
	mu    sync.Mutex
	calls int
	do    behaviour
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.calls++
	do := s.do
	s.mu.Unlock()
	return do(r)
}

func (s *scripted) set(do behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do = do
}

// took returns how many requests came since it was asked last.
func (s *scripted) took() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.calls = 0 }()
	return s.calls
}

func answering(status int) behaviour {
	return func(*http.Request) (*http.Response, error) { return ok(status), nil }
}

func failing(err error) behaviour {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// hanging answers when the request is given up.
func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func newScripted(t *testing.T, failures int, changed func(bool)) (*scripted, *backend.Backend) {
	t.Helper()
	s := &scripted{do: answering(200)}
	return s, newBackend(t, "http://broker.invalid", withTransport(s), func(c *backend.Config) {
		c.Breaker = backend.BreakerConfig{Failures: failures, Open: 10 * time.Second, Changed: changed}
	})
}

// call sends one call with a deadline of a second.
func call(t *testing.T, b *backend.Backend, method string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Do(ctx, backend.Request{Method: method, Path: "/v2/x"})
	return err
}

// refusal checks that nothing was sent, and returns when the call may come again.
func refusal(t *testing.T, err, cause error) time.Duration {
	t.Helper()
	failure := mustFail(t, nil, err)
	if !errors.Is(err, cause) || failure.Kind != backend.NotReached || failure.RetryAfter <= 0 {
		t.Errorf("got %v, retry after %v; want it refused because %q", err, failure.RetryAfter, cause)
	}
	return failure.RetryAfter
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]behaviour{
		"refused": failing(errRefused), "silent": hanging,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var changes []bool
				broker, b := newScripted(t, 3, func(open bool) { changes = append(changes, open) })
				broker.set(fail)
				for range 3 {
					if err := call(t, b, "PUT"); errors.Is(err, backend.ErrOpen) {
						t.Fatalf("refused too early: %v", err)
					}
				}
				broker.took()
				if got := b.Status(); got.Breaker != backend.BreakerOpen || got.Failures != 3 {
					t.Errorf("got the state %+v, want it open", got)
				}
				if wait := refusal(t, call(t, b, "DELETE"), backend.ErrOpen); wait > 10*time.Second || wait < 9*time.Second {
					t.Errorf("told to wait %v, want what is left of 10 s", wait)
				}
				if got := broker.took(); got != 0 {
					t.Errorf("the broker was asked %d times while it is left alone", got)
				}

				time.Sleep(10 * time.Second) // of the fake clock: a trial may be made, and fails
				if got := b.Status().Breaker; got != backend.BreakerTrying {
					t.Errorf("got the state %q, want a trial to be next", got)
				}
				if err := call(t, b, "GET"); errors.Is(err, backend.ErrOpen) || broker.took() == 0 {
					t.Errorf("no trial was made: %v", err)
				}
				refusal(t, call(t, b, "GET"), backend.ErrOpen)

				time.Sleep(10 * time.Second)
				broker.set(answering(503)) // a status is an answer
				for range 5 {
					if err := call(t, b, "GET"); err != nil {
						t.Errorf("refused after it answered: %v", err)
					}
				}
				if want := []bool{true, false}; !slices.Equal(changes, want) {
					t.Errorf("told of changes %v, want %v", changes, want)
				}
				if got := b.Status(); got.Breaker != backend.BreakerClosed || got.Failures != 0 {
					t.Errorf("got the state %+v, want it closed", got)
				}
			})
		})
	}
}

// While one call tries, the others are refused; and a trial that says nothing is made again.
func TestBreakerTriesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, b := newScripted(t, 1, nil)
		broker.set(failing(context.DeadlineExceeded))
		_ = call(t, b, "PUT")
		time.Sleep(10 * time.Second)
		broker.took()
		broker.set(hanging)
		ctx, hangUp := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = b.Do(ctx, backend.Request{Method: "GET", Path: "/v2/x"})
		}()
		synctest.Wait()
		for range 10 {
			refusal(t, call(t, b, "PUT"), backend.ErrOpen)
		}
		if got := broker.took(); got != 1 {
			t.Errorf("%d calls tried, want one", got)
		}
		hangUp()
		<-ended
		broker.set(answering(200))
		if err := call(t, b, "PUT"); err != nil {
			t.Errorf("after a trial that was given up: %v", err)
		}
	})
}

// A call from before the breaker opened that is answered late closes it, though another one tries meanwhile. When that
// ends, however it does, the breaker is as good as new.
func TestBreakerClosedDuringTrial(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]behaviour{
		"answered": answering(200), "refused": failing(errRefused), "broken": failing(io.ErrUnexpectedEOF),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker, b := newScripted(t, 3, nil)
				// begin sends a call that ends as it says when it is let go.
				begin := func(do behaviour) (letGo func()) {
					gate, ended := make(chan struct{}), make(chan struct{})
					broker.set(func(r *http.Request) (*http.Response, error) { <-gate; return do(r) })
					go func() {
						defer close(ended)
						_, _ = b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Once: true})
					}()
					synctest.Wait()
					return func() { close(gate); <-ended }
				}
				early := begin(answering(200))
				fail := func() {
					broker.set(failing(errRefused))
					for range 3 {
						_ = call(t, b, "PUT")
					}
					refusal(t, call(t, b, "PUT"), backend.ErrOpen)
				}
				fail()
				time.Sleep(10 * time.Second)
				trial := begin(end)
				early()
				if got := b.Status().Breaker; got != backend.BreakerClosed {
					t.Errorf("after a late answer the breaker is %q", got)
				}
				trial()
				if got := b.Status().Breaker; got != backend.BreakerClosed {
					t.Errorf("one call after a late answer made the breaker %q", got)
				}

				broker.set(answering(200))
				if err := call(t, b, "PUT"); err != nil {
					t.Errorf("after the trial: %v", err)
				}
				fail()
				time.Sleep(10 * time.Second)
				broker.set(answering(200))
				if err := call(t, b, "PUT"); err != nil {
					t.Errorf("nothing is tried any more: %v", err)
				}
			})
		})
	}
}

// What says nothing of the broker does not count, and one answer ends the count.
func TestBreakerCounts(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]behaviour{
		"statuses": answering(500), "401": answering(401), "broken connections": failing(io.ErrUnexpectedEOF),
		"platforms that hang up": failing(context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker, b := newScripted(t, 2, nil)
				broker.set(do)
				for range 10 {
					if err := call(t, b, "PUT"); errors.Is(err, backend.ErrOpen) {
						t.Fatalf("opened: %v", err)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		broker, b := newScripted(t, 2, nil)
		for range 10 {
			for _, do := range []behaviour{failing(errRefused), answering(200)} {
				broker.set(do)
				if err := call(t, b, "PUT"); errors.Is(err, backend.ErrOpen) {
					t.Fatalf("opened by failures that were not in a row: %v", err)
				}
			}
		}
	})
}

func TestBreakerOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, b := newScripted(t, 0, nil)
		broker.set(failing(errRefused))
		for range 50 {
			if err := call(t, b, "PUT"); errors.Is(err, backend.ErrOpen) {
				t.Fatalf("opened: %v", err)
			}
		}
		if got := b.Status().Breaker; got != backend.BreakerOff {
			t.Errorf("got the state %q", got)
		}
	})
}

// The catalog is fetched whatever the breaker says, and an answer to that has the next call try.
func TestBreakerAndCatalog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, b := newScripted(t, 1, nil)
		broker.set(failing(errRefused))
		_ = call(t, b, "PUT")
		if _, _, _, err := b.Catalog(t.Context(), ""); errors.Is(err, backend.ErrOpen) {
			t.Errorf("the catalog was refused: %v", err)
		}
		refusal(t, call(t, b, "PUT"), backend.ErrOpen)
		broker.set(answering(200))
		if _, _, _, err := b.Catalog(t.Context(), ""); err != nil {
			t.Errorf("fetching the catalog: %v", err)
		}
		if err := call(t, b, "PUT"); err != nil {
			t.Errorf("after the broker gave its catalog: %v", err)
		}
	})
}

func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := &scripted{do: hanging}
		b := newBackend(t, "http://broker.invalid", withTransport(broker), func(c *backend.Config) { c.MaxInFlight = 3 })
		ctx, hangUp := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() { _, _ = b.Do(ctx, backend.Request{Method: "PUT", Path: "/v2/x"}) })
		}
		synctest.Wait()
		if got := b.Status(); got.InFlight != 3 || got.MaxInFlight != 3 {
			t.Errorf("got the state %+v, want 3 of 3 calls open", got)
		}
		broker.took()
		refusal(t, call(t, b, "DELETE"), backend.ErrBusy)
		if got := broker.took(); got != 0 {
			t.Errorf("the broker got %d calls beyond those it may have", got)
		}
		broker.set(answering(200))
		if _, _, _, err := b.Catalog(t.Context(), ""); err != nil {
			t.Errorf("the catalog had to wait for calls: %v", err)
		}
		hangUp()
		calls.Wait()
		if err := call(t, b, "DELETE"); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if got := b.Status().InFlight; got != 0 {
			t.Errorf("%d calls are counted as open, want none", got)
		}
	})
}
