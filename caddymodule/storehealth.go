package caddymodule

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// storeHealthQuiet is how long no call must have failed until a store is said to answer again. One that takes no
// writes, or has too few replicas for them, fails some calls and answers others, which would make lines with each.
const storeHealthQuiet = 10 * time.Second

// storeHealth logs when a store stops answering and when it answers again, not each call that it fails.
type storeHealth struct {
	logger *zap.Logger
	down   atomic.Bool
	// failed is when a call failed last. It is set before down is.
	failed atomic.Pointer[time.Time]
}

func (h *storeHealth) note(err error) {
	if err != nil || h.down.Load() { // the rule is that there is nothing to do
		h.noteAt(time.Now(), err)
	}
}

func (h *storeHealth) noteAt(now time.Time, err error) {
	if errors.Is(err, context.Canceled) {
		return // whoever asked did not wait for the answer, which says nothing of the store
	}
	if errors.Is(err, routing.ErrUnknownStore) {
		err = nil // it answers; that it is not the right one is logged where that was found out
	}
	switch {
	case err != nil:
		h.failed.Store(&now)
		if h.down.CompareAndSwap(false, true) {
			h.logger.Error("the ownership store does not answer; calls get 503 until it does", zap.Error(err))
		}
	case h.down.Load() && now.Sub(*h.failed.Load()) >= storeHealthQuiet && h.down.CompareAndSwap(true, false):
		h.logger.Info("the ownership store answers again")
	}
}

// givenUpInterval is how often it is logged that outcomes are given up.
const givenUpInterval = time.Minute

// givenUp logs that outcomes are given up: the first at once, and from then on how many there were now and then. While
// a store takes no writes there may be one with each call.
type givenUp struct {
	mu     sync.Mutex
	count  int
	logged time.Time
}

func (g *givenUp) note(logger *zap.Logger, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	if now.Sub(g.logged) < givenUpInterval {
		return
	}
	logger.Error("an outcome was given up because too many wait for the store; a later call settles its record",
		zap.Int("given_up", g.count))
	g.logged = now
}
