package platform

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// busyHash takes some work, and counts how many are at it.
type busyHash struct {
	password string
	*counters
}

type counters struct{ now, most, all atomic.Int32 }

func (h busyHash) matches(password []byte) bool {
	h.all.Add(1)
	now := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	sum := sha256.Sum256(password)
	for range 30 {
		sum = sha256.Sum256(sum[:])
		runtime.Gosched()
	}
	return string(password) == h.password
}

func (h busyHash) decoy() passwordHash { return busyHash{"\x00", h.counters} }

// TestFlood: while wrong passwords, of known and unknown users, come as fast as they can, a thousand calls with the right
// one all succeed, and no more hashes run at once than there are processors. The right one is hashed once.
func TestFlood(t *testing.T) {
	t.Parallel()
	var count, right counters
	a := newCounted([]*countedHash{}, []*countedHash{})
	a.accounts["user0"].credentials = []*credential{{hash: busyHash{"right", &right}}}
	a.accounts["user1"].credentials = []*credential{{hash: busyHash{"other", &count}}}
	a.decoys = []*account{a.accounts["user1"].decoy()}

	var flood sync.WaitGroup
	over := make(chan struct{})
	var wrong atomic.Int32
	for i := range 16 * runtime.GOMAXPROCS(0) {
		flood.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				user := []string{"user1", "nobody"}[n%2]
				if _, err := a.Authenticate(t.Context(), headerOf(user, fmt.Sprint("wrong", i, " ", n)), nil); !errors.Is(err, ErrUnauthorized) {
					t.Errorf("a wrong password: %v", err)
					return
				}
				wrong.Add(1)
			}
		})
	}
	var callers sync.WaitGroup
	for range 10 {
		callers.Go(func() {
			for range 100 {
				wantPlatform(t, a, "user0", "right", "platform0")
				runtime.Gosched()
			}
		})
	}
	callers.Wait()
	for wrong.Load() < 300 {
		runtime.Gosched() // until the flood was one
	}
	close(over)
	flood.Wait()
	if most, bound := count.most.Load(), int32(runtime.GOMAXPROCS(0)); most > bound {
		t.Errorf("hashes at once: got %d, want at most %d", most, bound)
	}
	if got := right.all.Load(); got != 1 {
		t.Errorf("the right password was hashed %d times, want once", got)
	}
	if got := len(a.verifier.refused); got > maxRefusals {
		t.Errorf("wrong pairs remembered: got %d, want at most %d", got, maxRefusals)
	}
}

// TestInheritPasswords: what was verified before a reload is not hashed again, unless something of it changed.
func TestInheritPasswords(t *testing.T) {
	t.Parallel()
	var computed atomic.Int32
	before := newCounted([]*countedHash{{"p", &computed, nil}, {"q", &computed, nil}}, []*countedHash{{"r", &computed, nil}})
	wantPlatform(t, before, "user0", "p", "platform0")
	wantPlatform(t, before, "user1", "r", "platform1")
	wantComputed(t, &computed, 2)

	after := newCounted([]*countedHash{{"p", &computed, nil}}, []*countedHash{{"changed", &computed, nil}})
	after.Inherit(before)
	wantPlatform(t, after, "user0", "p", "platform0")
	wantComputed(t, &computed, 2)
	wantPlatform(t, after, "user1", "r", "")
	wantComputed(t, &computed, 3)
	wantPlatform(t, after, "user0", "q", "") // that credential is gone
	wantComputed(t, &computed, 4)

	moved := newCounted([]*countedHash{{"p", &computed, nil}})
	moved.accounts["user0"].platform = "another"
	moved.Inherit(before)
	wantPlatform(t, moved, "user0", "p", "another")
	wantComputed(t, &computed, 5)
}

// TestTokenScratchForgets: tokens are wiped from the memory that they are digested in.
func TestTokenScratchForgets(t *testing.T) {
	t.Parallel()
	v := newVerifier()
	long := make([]byte, 3*maxBasicBytes+7)
	for i := range long {
		long[i] = 'x'
	}
	for _, token := range []string{"short", string(long)} {
		one, two := v.digest(token), v.digest(token)
		if one != two || one == v.digest(token+"x") {
			t.Errorf("the digest of %d bytes is not one of its own", len(token))
		}
		s := v.scratch()
		for _, b := range s.encoded {
			if b != 0 {
				t.Fatalf("the scratch still holds a token of %d bytes", len(token))
			}
		}
		v.release(s)
	}
}
