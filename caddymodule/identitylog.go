package caddymodule

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// identityLog makes the end user's name what the configuration wants to see of it.
type identityLog struct {
	mode string
	key  []byte
}

// processKey is the key of hashes for configurations that name none. It stays the same over reloads.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return key
})

func (c *IdentityLogConfig) resolve(r *resolver) identityLog {
	if c == nil {
		return identityLog{mode: "full"}
	}
	l := identityLog{mode: orDefault(r.text("identity_log", c.Mode), "full"), key: []byte(r.secret("identity_log hash", c.Key))}
	switch l.mode {
	case "full", "none":
		if c.Key != "" {
			r.fail("identity_log %s takes no key", l.mode)
		}
	case "hash":
		if len(l.key) == 0 {
			l.key = processKey()
		}
	default:
		r.fail("identity_log %q: it is `full`, `hash` or `none`", l.mode)
	}
	return l
}

// show returns the user as logs, spans and placeholders may show it.
func (l identityLog) show(user string) string {
	switch {
	case user == "" || l.mode == "none":
		return ""
	case l.mode == "hash":
		mac := hmac.New(sha256.New, l.key)
		mac.Write([]byte(user))
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}
	return user
}
