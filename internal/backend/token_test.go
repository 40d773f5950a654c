package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

func readCloser(data []byte) io.ReadCloser { return io.NopCloser(strings.NewReader(string(data))) }

// mint is a token server without a network.
type mint struct {
	mu    sync.Mutex
	asked int
	// life is what it says of its tokens, and wait how long it takes.
	life string
	wait time.Duration
	fail bool
}

func (m *mint) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.asked++
	number, life, wait, fail := m.asked, m.life, m.wait, m.fail
	m.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if fail {
		return ok(http.StatusServiceUnavailable), nil
	}
	resp := ok(200)
	resp.Body = readCloser(fmt.Appendf(nil, `{"access_token":"t%d"%s}`, number, life))
	return resp, nil
}

func (m *mint) set(change func(*mint)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *mint) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// minted is a backend whose broker answers with the token that it got.
func minted(t *testing.T, m *mint, edits ...func(*backend.Config)) *backend.Backend {
	t.Helper()
	return newTokenBackend(t, "http://broker.invalid", append([]func(*backend.Config){
		withTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp := ok(200)
			resp.Body = readCloser([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
			return resp, nil
		})), func(c *backend.Config) {
			c.Token = tokensFrom("http://token.invalid", apiKey)
			c.Token.Transport = m
		},
	}, edits...)...)
}

// sends makes a call and returns the token that it went with, and how long it took.
func sends(t *testing.T, b *backend.Backend) (string, time.Duration) {
	t.Helper()
	began := time.Now()
	resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
	if err != nil {
		t.Fatalf("sending: %v", err)
	}
	return string(resp.Body), time.Since(began)
}

// How long a token is used, for what servers say of its life.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]time.Duration{
		`,"expires_in":3600`:      time.Hour,
		`,"expires_in":"3600"`:    time.Hour,
		`,"expires_in":3600.0`:    time.Hour,
		`,"expires_in":3.6e3`:     time.Hour,
		``:                        5 * time.Minute,
		`,"expires_in":null`:      5 * time.Minute,
		`,"expires_in":0`:         5 * time.Minute,
		`,"expires_in":""`:        5 * time.Minute,
		`,"expires_in":999999999`: 24 * time.Hour,
		`,"expires_in":1e400`:     24 * time.Hour,
		`,"expires_in":1`:         time.Second,
		`,"expires_in":0.001`:     time.Millisecond,
	} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &mint{life: said}
				b := minted(t, m)
				sends(t, b)
				time.Sleep(want * 74 / 100) // of the fake clock
				if got, _ := sends(t, b); got != "t1" || m.count() != 1 {
					t.Errorf("after 74 %% of its life %s is sent, and %d tokens were asked for; want the first", got, m.count())
				}
				time.Sleep(want * 12 / 100)
				if got, _ := sends(t, b); got != "t1" {
					t.Errorf("after 86 %% of its life %s is sent; want the first, which is good still", got)
				}
				synctest.Wait()
				if m.count() != 2 {
					t.Errorf("after 86 %% of its life %d tokens were asked for, want 2", m.count())
				}
				if got, _ := sends(t, b); got != "t2" {
					t.Errorf("after that %s is sent, want the second", got)
				}
			})
		})
	}
}

// A token that is good still is never waited for, and is used to its end while the server fails.
func TestTokenRenewedBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: `,"expires_in":1000`}
		b := minted(t, m)
		sends(t, b)
		time.Sleep(900 * time.Second)
		m.set(func(m *mint) { m.wait, m.fail = 5*time.Second, true })
		for range 15 { // over 75 s, while the server is slow and fails
			if got, took := sends(t, b); got != "t1" || took != 0 {
				t.Fatalf("sent %s after %v, want the first token at once", got, took)
			}
			time.Sleep(5 * time.Second)
		}
		if got := m.count(); got < 2 || got > 16 {
			t.Errorf("the server was asked %d times", got)
		}
		if status := b.Status(); status.TokenError == nil || status.TokenUntil.Before(time.Now()) {
			t.Errorf("got the state %+v, want a good token and the failure", status)
		}
		time.Sleep(30 * time.Second) // it is over
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "token server answered 503"})
		if !errors.Is(err, backend.ErrNoCredentials) {
			t.Errorf("got %v", err)
		}
		m.set(func(m *mint) { m.fail, m.wait = false, 0 })
		time.Sleep(5 * time.Second)
		if got, _ := sends(t, b); got == "t1" {
			t.Error("the dead token is sent")
		}
	})
}

// Calls that need a token wait for the same fetch, and none longer than it may.
func TestTokenFetchedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{wait: 3 * time.Second}
		b := minted(t, m)
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				if got, took := sends(t, b); got != "t1" || took != 3*time.Second {
					t.Errorf("sent %s after %v", got, took)
				}
			})
		}
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			resp, err := b.Do(ctx, backend.Request{Method: "PUT", Path: "/v2/x"})
			checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "deadline exceeded"})
		})
		calls.Wait()
		if got := m.count(); got != 1 {
			t.Errorf("the server was asked %d times, want once", got)
		}
	})
}

// A server that fails is left alone for a moment, and one that hangs is not waited for without end.
func TestTokenServerDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{fail: true}
		b := minted(t, m)
		began := time.Now()
		for time.Since(began) < time.Minute {
			if err := call(t, b, "PUT"); !errors.Is(err, backend.ErrNoCredentials) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if got := m.count(); got < 10 || got > 20 {
			t.Errorf("the server was asked %d times in a minute", got)
		}
		m.set(func(m *mint) { m.fail, m.wait = false, time.Hour })
		time.Sleep(10 * time.Second)
		began = time.Now()
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached})
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("waited %v for a server that hangs, want 10 s", took)
		}
	})
}

// A broker that does not take the token has a new one fetched, at most every ten seconds.
func TestTokenRefusedByBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: `,"expires_in":3600`}
		good := "t2"
		var tokens []string
		b := minted(t, m, withTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			tokens = append(tokens, token)
			if token != good {
				return ok(401), nil
			}
			return ok(201), nil
		})))
		send := func() int {
			t.Helper()
			resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Body: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			return resp.Status
		}
		if got := send(); got != 201 || strings.Join(tokens, " ") != "t1 t2" {
			t.Errorf("got %d with the tokens %v, want 201 with the second", got, tokens)
		}
		good, tokens = "t9", nil
		for range 20 {
			if got := send(); got != 401 {
				t.Errorf("got %d", got)
			}
			time.Sleep(400 * time.Millisecond)
		}
		if m.count() != 2 || len(tokens) != 20 {
			t.Errorf("within ten seconds %d tokens were asked for, and the broker got %d calls", m.count(), len(tokens))
		}
		time.Sleep(2 * time.Second)
		send()
		if m.count() != 3 {
			t.Errorf("after ten seconds %d tokens were asked for, want 3", m.count())
		}
	})
}

// Closing ends the fetch that is on its way.
func TestTokenClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{wait: time.Hour}
		b := minted(t, m)
		ended := make(chan error)
		go func() {
			_, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
			ended <- err
		}()
		synctest.Wait()
		b.Close()
		if err := <-ended; !errors.Is(err, backend.ErrNoCredentials) {
			t.Errorf("got %v", err)
		}
		if err := call(t, b, "PUT"); err == nil {
			t.Error("a closed backend fetches tokens")
		}
	})
}

// A broker that changes its secret, and a file that follows, or not.
func TestFixedCredentialsReread(t *testing.T) {
	t.Parallel()
	secrets := func(kind, secret string) backend.Secrets {
		switch kind {
		case "basic":
			return backend.Secrets{User: "gateway", Password: secret}
		case "bearer":
			return backend.Secrets{Bearer: secret}
		}
		return backend.Secrets{Header: http.Header{"X-Api-Key": {secret}}}
	}
	for _, kind := range []string{"basic", "bearer", "header"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				good, file, reads, arrived := "old", "old", 0, 0
				var mu sync.Mutex
				failure := error(nil)
				b := newBackend(t, "http://broker.invalid", func(c *backend.Config) {
					c.Secrets = secrets(kind, "old")
					c.Reread = func() (backend.Secrets, error) {
						mu.Lock()
						defer mu.Unlock()
						reads++
						return secrets(kind, file), failure
					}
					c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
						mu.Lock()
						defer mu.Unlock()
						arrived++
						_, password, _ := r.BasicAuth()
						bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
						if slices.Contains([]string{password, bearer, r.Header.Get("X-Api-Key")}, good) {
							return ok(200), nil
						}
						return ok(401), nil
					})
				})
				send := func(want int) {
					t.Helper()
					resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x", Body: []byte("{}")})
					if err != nil || resp.Status != want {
						t.Errorf("got %v, %v; want %d", resp, err, want)
					}
				}
				set := func(change func()) {
					mu.Lock()
					defer mu.Unlock()
					change()
					reads, arrived = 0, 0
				}
				send(200)
				set(func() { good, file = "new", "new" })
				var calls sync.WaitGroup
				for range 20 {
					calls.Go(func() { send(200) })
				}
				calls.Wait()
				if reads != 1 {
					t.Errorf("the secret was read %d times, want once", reads)
				}
				// The broker takes another secret, and the file is not there yet, then unreadable, then bad.
				set(func() { good = "newer" })
				for range 5 {
					send(401)
				}
				if reads != 0 || arrived != 5 {
					t.Errorf("within ten seconds: %d reads, %d calls; want none and 5", reads, arrived)
				}
				time.Sleep(10 * time.Second)
				send(401)
				set(func() { failure = errors.New("no such file") })
				time.Sleep(10 * time.Second)
				send(401)
				set(func() { failure, file = nil, "ne\nwer" })
				time.Sleep(10 * time.Second)
				send(401)
				if reads != 1 || arrived != 1 {
					t.Errorf("%d reads, %d calls; want one each", reads, arrived)
				}
				set(func() { file = "newer" })
				time.Sleep(10 * time.Second)
				send(200)
			})
		})
	}
}

// If the call with the new credentials cannot be delivered, the first answer stands: nothing was done.
func TestRefusedThenNotReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := newBackend(t, "http://broker.invalid", func(c *backend.Config) {
			c.Secrets = backend.Secrets{Bearer: "a"}
			c.Reread = func() (backend.Secrets, error) { return backend.Secrets{Bearer: "b"}, nil }
			c.Transport = roundTripFunc(func(*http.Request) (*http.Response, error) {
				if calls++; calls == 1 {
					return ok(401), nil
				}
				return nil, errRefused
			})
		})
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
		if err != nil || resp.Status != 401 {
			t.Errorf("got %v, %v; want the 401", resp, err)
		}
	})
}
