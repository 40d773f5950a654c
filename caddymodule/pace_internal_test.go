package caddymodule

import (
	"testing"
	"time"
)

// TestPace: a broker that is never seen good is asked less and less often, and never more often than every second
// however long that lasts.
func TestPace(t *testing.T) {
	t.Parallel()
	const refresh = time.Minute
	p := pace{refresh: refresh, retry: firstRetry}
	for i := range 1000 {
		got := p.wait(false)
		if least := min(firstRetry<<min(i, 5), refresh*9/10); got < least || got > refresh*11/10 {
			t.Fatalf("wait %d is %s, want %s to %s", i, got, least, refresh*11/10)
		}
	}
	for range 1000 {
		if got := p.wait(true); got < refresh*9/10 || got > refresh*11/10 {
			t.Fatalf("with a known catalog the wait is %s, want a minute, give or take a tenth", got)
		}
	}
}
