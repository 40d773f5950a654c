package platform

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestTokenMemory: what is remembered is bounded, and is forgotten in time.
func TestTokenMemory(t *testing.T) {
	t.Parallel()
	known := &keys{}
	set := newKeySet("x", keyFile("x"), nil)
	set.current.Store(known)
	now := time.Now()
	set.loaded.Store(now.UnixNano())
	rule := &tokenRule{platform: "cf", keys: set}
	var cache tokenCache
	for i := range 10 * maxVerified {
		cache.put(digest{byte(i), byte(i >> 8)}, verifiedToken{rule, known, now.Add(time.Hour)}, now)
		if got := len(*cache.entries.Load()); got > maxVerified {
			t.Fatalf("%d tokens are remembered", got)
		}
		if _, ok := cache.get(digest{byte(i), byte(i >> 8)}, now.Add(verifiedFor-1)); !ok {
			t.Fatal("the last token is not remembered")
		}
	}
	last := digest{0xff}
	cache.put(last, verifiedToken{rule, known, now.Add(time.Hour)}, now)
	if _, ok := cache.get(last, now.Add(verifiedFor)); ok {
		t.Error("a token is remembered for longer than a minute")
	}
	cache.put(last, verifiedToken{rule, known, now.Add(time.Second)}, now)
	if _, ok := cache.get(last, now.Add(time.Second)); ok {
		t.Error("a token is remembered for longer than it is good")
	}
	set.current.Store(&keys{})
	if _, ok := cache.get(last, now); ok {
		t.Error("a token is remembered though its keys changed")
	}
	for i := range 10 * maxAbsent {
		set.missing(strings.Repeat("k", i%200)+string(rune('a'+i%26)), true)
	}
	if got := len(set.absent); got > maxAbsent {
		t.Errorf("%d names of absent keys are remembered", got)
	}
	if _, err := set.demand(context.Background(), "x"); err != nil {
		t.Error(err)
	}
	set.close()
}
