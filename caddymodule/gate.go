package caddymodule

import (
	"sync"
	"sync/atomic"
)

// gate counts calls, so that what they use is closed only after the last of them. Entering takes no lock.
type gate struct {
	calls   atomic.Int64
	closing atomic.Bool
	once    sync.Once
	drained chan struct{}
}

func newGate() *gate { return &gate{drained: make(chan struct{})} }

func (g *gate) enter() { g.calls.Add(1) }

func (g *gate) leave() {
	if g.calls.Add(-1) == 0 && g.closing.Load() {
		g.once.Do(func() { close(g.drained) })
	}
}

// close returns a channel that is closed when no call is left. A call that enters after that finds a closed store and
// answers 503.
func (g *gate) close() <-chan struct{} {
	g.closing.Store(true)
	if g.calls.Load() == 0 {
		g.once.Do(func() { close(g.drained) })
	}
	return g.drained
}
