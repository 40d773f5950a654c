package backend

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// An answer and a failure that end while a breaker opens: the answer closes it, and the failure is one of many that it
// takes to open it again, whichever comes first.
func TestBreakerFailureBesideAnswer(t *testing.T) {
	t.Parallel()
	for range 200 {
		var late sync.WaitGroup
		opened := 0
		b := &breaker{BreakerConfig: BreakerConfig{Failures: 3, Open: time.Hour}}
		b.Changed = func(open bool) {
			if opened++; !open || opened > 1 {
				return
			}
			for _, r := range []result{answers, silent} {
				begun := make(chan struct{})
				late.Go(func() {
					close(begun)
					b.note(false, r)
				})
				<-begun
				for range 100 { // both find the breaker open and wait for their turn, as a rule in this order
					runtime.Gosched()
				}
			}
		}
		for range b.Failures {
			b.note(false, silent)
		}
		late.Wait()
		if state, _ := b.state(); state != BreakerClosed {
			t.Fatalf("after an answer one failure of %d made the breaker %q", b.Failures, state)
		}
		if failed := b.failed.Load(); failed > 1 {
			t.Fatalf("%d failures are counted, want one at most", failed)
		}
	}
}
