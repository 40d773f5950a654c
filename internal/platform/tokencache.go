package platform

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxVerified is how many tokens are remembered: platforms use few at a time.
	maxVerified = 64
	// verifiedFor is how long, at most, so that little depends on the memory.
	verifiedFor = time.Minute
)

// tokenCache remembers tokens that were found right, by their digests, so that their signature is not checked for every
// call. Only right ones come in, so nobody else can push them out. Reading takes no lock.
type tokenCache struct {
	mu      sync.Mutex // for writers
	entries atomic.Pointer[map[digest]verifiedToken]
}

// verifiedToken is a token that was found right with some keys of a rule.
type verifiedToken struct {
	rule  *tokenRule
	keys  *keys
	until time.Time
}

// get returns the rule that the token matches. It is forgotten when the keys of the issuer change.
func (c *tokenCache) get(mac digest, now time.Time) (*tokenRule, bool) {
	entries := c.entries.Load()
	if entries == nil {
		return nil, false
	}
	entry, ok := (*entries)[mac]
	if !ok || !now.Before(entry.until) || entry.rule.keys.get(now) != entry.keys {
		return nil, false
	}
	return entry.rule, true
}

func (c *tokenCache) put(mac digest, entry verifiedToken, now time.Time) {
	if latest := now.Add(verifiedFor); entry.until.After(latest) {
		entry.until = latest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make(map[digest]verifiedToken)
	if before := c.entries.Load(); before != nil && len(*before) < maxVerified {
		for known, other := range *before {
			if now.Before(other.until) {
				entries[known] = other
			}
		}
	}
	entries[mac] = entry
	c.entries.Store(&entries)
}
