package caddymodule

import (
	"sync"
	"testing"
)

// open tells whether a channel is not closed.
func open(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return false
	default:
		return true
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	t.Run("WithoutCalls", func(t *testing.T) {
		t.Parallel()
		if open(newGate().close()) {
			t.Error("there are calls before the first")
		}
	})
	t.Run("AfterTheLastCall", func(t *testing.T) {
		t.Parallel()
		g := newGate()
		g.enter()
		g.leave()
		if open(g.close()) {
			t.Error("there are calls after the last")
		}
	})
	t.Run("WithCalls", func(t *testing.T) {
		t.Parallel()
		g := newGate()
		g.enter()
		g.enter()
		drained := g.close()
		g.leave()
		if !open(drained) {
			t.Error("the gate is drained while a call runs")
		}
		g.leave()
		if open(drained) {
			t.Error("the gate is not drained after the last call")
		}
	})
	t.Run("LateCall", func(t *testing.T) {
		t.Parallel()
		g := newGate()
		drained := g.close()
		g.enter()
		g.leave() // must not close what is closed
		if open(drained) || open(g.close()) {
			t.Error("a late call opens the gate again")
		}
	})
	t.Run("LeftOpen", func(t *testing.T) {
		t.Parallel()
		g := newGate()
		g.enter()
		g.leave()
		if !open(g.drained) {
			t.Error("the gate is drained although nobody closed it")
		}
	})
}

// TestGateRace closes a gate again and again while calls come and go: it always drains.
func TestGateRace(t *testing.T) {
	t.Parallel()
	for range 200 {
		g := newGate()
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				for range 20 {
					g.enter()
					g.leave()
				}
			})
		}
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() { <-g.close() })
		}
		calls.Wait()
		closers.Wait()
	}
}
