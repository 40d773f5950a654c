package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestFloodOfWrongCredentials: while wrong passwords and tokens come as fast as they can, a thousand calls with the right
// ones all succeed.
func TestFloodOfWrongCredentials(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, "")
	good := w.issuer.Token(t, tokenClaims(nil))
	forged := w.issuer.Sign(t, jwt.SigningMethodRS256, harness.NewRSA(t), map[string]any{"kid": "made-up"}, tokenClaims(nil))
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)

	var flood, callers sync.WaitGroup
	var wrong atomic.Int64
	over := make(chan struct{})
	for i := range 8 {
		flood.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				r := get(instancePath(id))
				switch n % 3 {
				case 0:
					r.User, r.Password = harness.User, fmt.Sprint("wrong-", i, "-", n)
				case 1:
					r.User, r.Password = fmt.Sprint("nobody-", i, "-", n), harness.Password
				default:
					r = r.WithToken(forged)
				}
				switch answer, err := w.Try(r); {
				case err != nil:
					t.Errorf("a wrong call: %v", err)
					return
				case answer.Status != http.StatusUnauthorized:
					t.Errorf("a wrong call: got %d %s", answer.Status, answer.Body)
					return
				}
				wrong.Add(1)
			}
		})
	}
	for range 4 {
		callers.Go(func() {
			for n := range 250 {
				r := get(instancePath(id))
				if n%2 == 1 {
					r = r.WithToken(good)
				}
				if answer, err := w.Try(r); err != nil || answer.Status != http.StatusOK {
					t.Errorf("a right call: got %d %s, %v", answer.Status, answer.Body, err)
					return
				}
			}
		})
	}
	callers.Wait()
	close(over)
	flood.Wait()
	if wrong.Load() < 100 {
		t.Errorf("the flood was %d calls", wrong.Load())
	}
	if got := w.issuer.Asked(); got > 30 {
		t.Errorf("the keys were asked for %d times", got)
	}
}
