package caddymodule

import (
	"context"
	"sync/atomic"
	"time"
)

// hurryInterval is how much time there is at least between two fetches of one catalog that do not wait for their turn.
const hurryInterval = 5 * time.Second

// hurry has a catalog fetched before its time: one fetch for however many wish it, and the first of them at once.
type hurry struct {
	// wanted holds one place. It is taken when the fetch begins, so that who comes later gets one of its own.
	wanted chan struct{}
	// doubts counts the reasons not to trust the backend's validator, and settled those that came before the last whole
	// catalog was asked for.
	doubts, settled atomic.Uint64
	// last is when the last such fetch began. It belongs to whoever fetches.
	last time.Time
}

func newHurry() *hurry { return &hurry{wanted: make(chan struct{}, 1)} }

// want has the catalog fetched soon.
func (h *hurry) want() {
	select {
	case h.wanted <- struct{}{}:
	default:
	}
}

// wantWhole has the whole catalog fetched soon, because the copy at hand is known to be old: "not modified" would be no
// answer.
func (h *hurry) wantWhole() {
	h.distrust()
	h.want()
}

// distrust has the next catalog fetched whole.
func (h *hurry) distrust() { h.doubts.Add(1) }

// pause waits until the next fetch out of turn may begin.
func (h *hurry) pause(ctx context.Context) {
	timer := time.NewTimer(hurryInterval - time.Since(h.last))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	h.last = time.Now()
	select {
	case <-h.wanted: // those who came meanwhile get this one
	default:
	}
}

// doubt returns a mark of the doubts so far, and whether there are any, so that the whole catalog has to come. When it
// came, settle the mark.
func (h *hurry) doubt() (mark uint64, whole bool) {
	mark = h.doubts.Load()
	return mark, mark != h.settled.Load()
}

func (h *hurry) settle(mark uint64) { h.settled.Store(mark) }
