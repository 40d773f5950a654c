package platform

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
)

// digest stands for a user name and a password: their HMAC under a key that this process made up. Neither can be found
// from it without the key, which is never written anywhere.
type digest = [sha256.Size]byte

// credential is a hash and, once a password was found to match it, the digest of that.
type credential struct {
	hash  passwordHash
	right atomic.Pointer[digest]
}

// verified tells whether the pair with this digest was found right before.
func (k *account) verified(mac *digest) bool {
	for _, c := range k.credentials {
		if right := c.right.Load(); right != nil && hmac.Equal(right[:], mac[:]) {
			return true
		}
	}
	return false
}

// maxRefusals is how many wrong pairs are remembered.
const maxRefusals = 1024

// verifier checks passwords against slow hashes as seldom as it can. A right password is hashed once. A wrong one is
// hashed once as long as it is remembered. All who present the same pair at one time share one hash, and no more hashes
// run at a time than there are processors.
type verifier struct {
	key   []byte        // of the digests
	pool  sync.Pool     // of *scratch
	slots chan struct{} // one for each hash that may run

	mu       sync.Mutex // guards what follows; no caller with a verified password takes it
	running  map[digest]*verification
	refused  map[digest]struct{}
	refusals []digest // in the order in which they came, a ring once it is full
	oldest   int
}

// verification is a check that somebody has begun.
type verification struct {
	done    chan struct{}
	decided bool // false if whoever began it gave up
	right   bool
}

func newVerifier() *verifier { return newVerifierWith(randomBytes(sha256.BlockSize)) }

func newVerifierWith(key []byte) *verifier {
	return &verifier{
		key:     key,
		pool:    sync.Pool{New: func() any { return &scratch{mac: hmac.New(sha256.New, key)} }},
		slots:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		running: make(map[digest]*verification),
		refused: make(map[digest]struct{}),
	}
}

// scratch returns room to check a request in. It is to be given back with release.
func (v *verifier) scratch() *scratch { return v.pool.Get().(*scratch) } //nolint:forcetypeassert // holds nothing else

// release wipes the scratch and keeps it for another request.
func (v *verifier) release(s *scratch) {
	s.wipe()
	v.pool.Put(s)
}

// digest returns the digest of a token.
func (v *verifier) digest(token string) digest {
	s := v.scratch()
	defer v.release(s)
	s.mac.Reset()
	for len(token) > 0 {
		n := copy(s.encoded[:], token)
		_, _ = s.mac.Write(s.encoded[:n]) // never fails
		token = token[n:]
		s.used = max(s.used, n) // to be wiped
	}
	s.mac.Sum(s.sum[:0])
	return s.sum
}

// check tells whether the password, which together with the account's name has the digest mac, is one of the account's.
// It returns the cause of ctx if that ended first.
func (v *verifier) check(ctx context.Context, known *account, mac digest, password []byte) (bool, error) {
	if known.verified(&mac) {
		return true, nil
	}
	for {
		v.mu.Lock()
		_, wrong := v.refused[mac]
		if right := known.verified(&mac); right || wrong {
			v.mu.Unlock()
			return right, nil
		}
		other := v.running[mac]
		if other == nil {
			own := &verification{done: make(chan struct{})}
			v.running[mac] = own
			v.mu.Unlock()
			return v.run(ctx, own, known, mac, password)
		}
		v.mu.Unlock()
		select {
		case <-other.done:
			if other.decided {
				return other.right, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// run hashes the password, when its turn comes, and tells all who wait for it.
func (v *verifier) run(
	ctx context.Context, own *verification, known *account, mac digest, password []byte,
) (right bool, err error) {
	defer func() {
		v.mu.Lock()
		delete(v.running, mac)
		if own.decided && !own.right {
			v.refuse(mac)
		}
		v.mu.Unlock()
		close(own.done)
	}()
	select {
	case v.slots <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	defer func() { <-v.slots }()
	for _, c := range known.credentials {
		if c.hash.matches(password) {
			c.right.Store(&mac)
			own.right = true
			break
		}
	}
	own.decided = true
	return own.right, nil
}

// refuse remembers a wrong pair in place of the oldest one. Hashes do not change in the life of a verifier, so it stays
// wrong. The lock is held.
func (v *verifier) refuse(mac digest) {
	v.refused[mac] = struct{}{}
	if len(v.refusals) < maxRefusals {
		v.refusals = append(v.refusals, mac)
		return
	}
	delete(v.refused, v.refusals[v.oldest])
	v.refusals[v.oldest] = mac
	v.oldest = (v.oldest + 1) % maxRefusals
}
