package platform

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// countedHash is a hash that counts how often it is computed, and that waits for gate while it is.
type countedHash struct {
	password string
	computed *atomic.Int32
	gate     chan struct{} // nil for no waiting
}

func (h *countedHash) matches(password []byte) bool {
	h.computed.Add(1)
	if h.gate != nil {
		<-h.gate
	}
	return string(password) == h.password
}

func (h *countedHash) decoy() passwordHash {
	return &countedHash{password: "\x00", computed: h.computed, gate: h.gate}
}

// newCounted returns an authenticator with one user for each list of hashes, named user0, user1 and so on.
func newCounted(users ...[]*countedHash) *Authenticator {
	a := &Authenticator{accounts: make(map[string]*account), seed: maphash.MakeSeed(), verifier: newVerifier()}
	for i, hashes := range users {
		known := &account{platform: fmt.Sprintf("platform%d", i)}
		for _, h := range hashes {
			known.credentials = append(known.credentials, &credential{hash: h})
		}
		a.accounts[fmt.Sprintf("user%d", i)] = known
		a.decoys = append(a.decoys, known.decoy())
	}
	return a
}

func headerOf(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

func wantPlatform(t *testing.T, a *Authenticator, user, password, want string) {
	t.Helper()
	got, err := a.Authenticate(t.Context(), headerOf(user, password), nil)
	if got != want || (want == "" && !errors.Is(err, ErrUnauthorized)) || (want != "" && err != nil) {
		t.Errorf("%s with %s: got %q, %v; want %q", user, password, got, err, want)
	}
}

func wantComputed(t *testing.T, computed *atomic.Int32, want int32) {
	t.Helper()
	if got := computed.Load(); got != want {
		t.Errorf("hashes computed: got %d, want %d", got, want)
	}
}

func TestRightPasswordIsHashedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var computed atomic.Int32
		gate := make(chan struct{})
		a := newCounted([]*countedHash{{"p", &computed, gate}})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { wantPlatform(t, a, "user0", "p", "platform0") })
		}
		synctest.Wait() // until one computes the hash and all others wait for it
		wantComputed(t, &computed, 1)
		close(gate)
		all.Wait()
		for range 100 {
			wantPlatform(t, a, "user0", "p", "platform0")
		}
		wantComputed(t, &computed, 1)
	})
}

func TestWrongPasswordIsHashedOnceAtATime(t *testing.T) {
	t.Parallel()
	var computed atomic.Int32
	a := newCounted([]*countedHash{{"p", &computed, nil}})
	for range 100 {
		wantPlatform(t, a, "user0", "wrong", "")
	}
	wantComputed(t, &computed, 1)
	for i := range maxRefusals {
		wantPlatform(t, a, "user0", fmt.Sprint("wrong", i), "")
	}
	wantComputed(t, &computed, 1+maxRefusals)
	wantPlatform(t, a, "user0", fmt.Sprint("wrong", maxRefusals-1), "")
	wantComputed(t, &computed, 1+maxRefusals)
	wantPlatform(t, a, "user0", "wrong", "") // pushed out by the others
	wantComputed(t, &computed, 2+maxRefusals)
	for i := range 3 * maxRefusals {
		wantPlatform(t, a, "user0", fmt.Sprint("more", i), "")
	}
	if got := max(len(a.verifier.refused), len(a.verifier.refusals)); got != maxRefusals {
		t.Errorf("wrong pairs remembered: got %d, want %d", got, maxRefusals)
	}
	if got := len(a.verifier.running); got != 0 {
		t.Errorf("%d checks are still under way", got)
	}
	wantPlatform(t, a, "user0", "p", "platform0")
}

func TestUnknownUserCostsWhatAKnownOneCosts(t *testing.T) {
	t.Parallel()
	var computed atomic.Int32
	hash := func(password string) *countedHash { return &countedHash{password, &computed, nil} }
	a := newCounted([]*countedHash{hash("a"), hash("b"), hash("c")}, []*countedHash{hash("d"), hash("e"), hash("f")})
	wantPlatform(t, a, "user1", "wrong", "")
	wantComputed(t, &computed, 3)
	for i := range 50 {
		wantPlatform(t, a, fmt.Sprint("nobody", i), "a", "")
		wantComputed(t, &computed, int32(3*(i+2)))
		wantPlatform(t, a, fmt.Sprint("nobody", i), "a", "")
		wantComputed(t, &computed, int32(3*(i+2)))
	}
	// A verified password makes wrong ones no cheaper: that would tell the user from unknown ones.
	wantPlatform(t, a, "user1", "d", "platform1")
	before := computed.Load()
	wantPlatform(t, a, "user1", "wrong again", "")
	wantComputed(t, &computed, before+3)
}

// Even a password that opens a decoy opens nothing.
func TestUnknownUserIsNeverLetIn(t *testing.T) {
	t.Parallel()
	var computed atomic.Int32
	a := newCounted([]*countedHash{{"p", &computed, nil}})
	for _, d := range a.decoys {
		for _, c := range d.credentials {
			c.hash = &countedHash{"p", &computed, nil}
		}
	}
	for range 3 {
		wantPlatform(t, a, "nobody", "p", "")
	}
}

func TestDecoys(t *testing.T) {
	t.Parallel()
	bcryptText := "$2a$04$LMLNviGP/Gzwwt9c3qL4o.DlKY1HT1OVqCNcZeDbcjN.imInIh4NC"
	argonText := "$argon2id$v=19$m=64,t=2,p=3$tWAy7God31v7JsAdIMNO0Q$Ms4Xjq9uM80Y9jrLyOsJHwgLsVmLzI7J"
	for _, text := range []string{bcryptText, argonText} {
		hash, err := parseHash(text)
		if err != nil {
			t.Fatal(err)
		}
		if !hash.matches([]byte("correct horse")) {
			t.Errorf("%s does not match its own password", text)
		}
		decoy := hash.decoy()
		if decoy.matches([]byte("correct horse")) {
			t.Errorf("the decoy of %s matches its password", text)
		}
		switch d := decoy.(type) {
		case bcryptHash:
			if again, err := parseHash(string(d)); err != nil || string(d[:7]) != text[:7] {
				t.Errorf("the decoy %s (%v, %v) is not of the kind of %s", d, again, err, text)
			}
		case *argon2idHash:
			o := hash.(*argon2idHash)
			if d.memoryKiB != o.memoryKiB || d.passes != o.passes || d.threads != o.threads ||
				len(d.salt) != len(o.salt) || len(d.key) != len(o.key) || bytes.Equal(d.key, o.key) {
				t.Errorf("the decoy %+v does not cost what %+v costs", d, o)
			}
		}
	}
}

func TestHashesAtATimeAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow, quick atomic.Int32
		gate := make(chan struct{})
		a := newCounted([]*countedHash{{"p", &slow, gate}}, []*countedHash{{"q", &quick, nil}})
		a.verifier.slots = make(chan struct{}, 2)
		wantPlatform(t, a, "user1", "q", "platform1") // verified before the flood

		var flood sync.WaitGroup
		for i := range 50 {
			flood.Go(func() { wantPlatform(t, a, "user0", fmt.Sprint("wrong", i), "") })
		}
		synctest.Wait()
		wantComputed(t, &slow, 2)

		wantPlatform(t, a, "user1", "q", "platform1") // does not wait, or the test would not end

		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("the platform hung up")
		ended := make(chan error)
		go func() {
			_, err := a.Authenticate(ctx, headerOf("user1", "not verified"), nil)
			ended <- err
		}()
		synctest.Wait()
		cancel(gone)
		if err := <-ended; !errors.Is(err, gone) || errors.Is(err, ErrUnauthorized) {
			t.Errorf("a wait that was ended: got %v, want its cause", err)
		}
		wantComputed(t, &quick, 1)

		close(gate)
		flood.Wait()
		wantComputed(t, &slow, 50)
		if got := len(a.verifier.slots); got != 0 {
			t.Errorf("%d slots are still held", got)
		}
	})
}

// When the one who was to compute a hash gives up waiting for a slot, another one who waits for the result takes over.
func TestAbandonedCheckIsTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var computed atomic.Int32
		a := newCounted([]*countedHash{{"p", &computed, nil}})
		a.verifier.slots = make(chan struct{}, 1)
		a.verifier.slots <- struct{}{} // taken

		first, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := a.Authenticate(first, headerOf("user0", "p"), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("the first: got %v, want that it was cancelled", err)
			}
		})
		synctest.Wait()
		for range 10 {
			all.Go(func() { wantPlatform(t, a, "user0", "p", "platform0") })
		}
		impatient, cancelImpatient := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := a.Authenticate(impatient, headerOf("user0", "p"), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("one who waits for another: got %v, want that it was cancelled", err)
			}
		})
		synctest.Wait()
		cancelImpatient()
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantComputed(t, &computed, 0)
		<-a.verifier.slots
		all.Wait()
		wantComputed(t, &computed, 1)
	})
}

func TestNobodyConfiguredLetsNobodyIn(t *testing.T) {
	t.Parallel()
	a := &Authenticator{verifier: newVerifier()}
	wantPlatform(t, a, "user0", "p", "")
}

func TestScratchForgetsPasswords(t *testing.T) {
	t.Parallel()
	s := newVerifier().scratch()
	for _, value := range []string{
		headerOf("user", "topsecret")["Authorization"][0],
		headerOf("user", "topsecret")["Authorization"][0] + "!", // decoded in part
		headerOf("user", string(bytes.Repeat([]byte("topsecret"), 300)))["Authorization"][0],
	} {
		_, _, _ = s.decodeBasic(value)
		s.wipe()
		if len(bytes.Trim(s.encoded[:], "\x00")) > 0 || len(bytes.Trim(s.decoded[:], "\x00")) > 0 || s.pair != nil {
			t.Errorf("after %.30q the scratch still holds %q, %q", value, s.encoded, s.decoded)
		}
	}
}
