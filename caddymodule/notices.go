package caddymodule

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxNotices bounds how many things are remembered to have been told.
	maxNotices = 1000
	// remindTrouble and remindRecord are how often something is told again that goes on: a backend that fails calls, and
	// a record that needs somebody.
	remindTrouble = time.Minute
	remindRecord  = time.Hour
)

// notices keeps the log readable while something goes wrong with every call: it is told when it begins, and now and then
// while it lasts. What each call met goes to level debug.
type notices struct {
	mu   sync.Mutex
	told map[string]notice
}

// notice is when something was told, and how often it happened since.
type notice struct {
	at     time.Time
	untold int
}

func newNotices() *notices { return &notices{told: make(map[string]notice)} }

// tell says whether to tell of something now, and how often it has happened since it was told.
func (n *notices) tell(key string, every time.Duration, now time.Time) (untold int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, known := n.told[key]
	if known && now.Sub(before.at) < every {
		before.untold++
		n.told[key] = before
		return 0, false
	}
	if !known && len(n.told) >= maxNotices {
		clear(n.told) // rather told twice than never
	}
	n.told[key] = notice{at: now}
	return before.untold, true
}

// forget has what is over told at once when it begins again.
func (n *notices) forget(match func(key string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key := range n.told {
		if match(key) {
			delete(n.told, key)
		}
	}
}

// notice logs something at this level when it is to be told, else at level debug.
func (rt *runtime) notice(
	level zapcore.Level, key string, every time.Duration, message string, fields func() []zap.Field,
) {
	untold, ok := rt.notices.tell(key, every, time.Now())
	if !ok {
		level = zap.DebugLevel
	}
	line := rt.logger.Check(level, message)
	if line == nil {
		return
	}
	written := fields()
	if untold > 0 {
		written = append(written, zap.Int("since_last_told", untold))
	}
	line.Write(written...)
}
