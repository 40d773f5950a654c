package backend

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// inExchange runs a function with a connection on which an exchange begins, and with its other end.
func inExchange(
	ctx context.Context, t *testing.T, allowed time.Duration, do func(c *directConn, broker net.Conn),
) {
	t.Helper()
	near, far := net.Pipe()
	defer func() { _ = near.Close() }()
	defer func() { _ = far.Close() }()
	c := &directConn{Conn: near}
	var deadline time.Time
	if allowed != 0 {
		deadline = time.Now().Add(allowed)
	}
	if err := c.begin(ctx, deadline); err != nil {
		t.Fatal(err)
	}
	do(c, far)
}

// TestDirectWatch: an exchange goes on when its context begins to be watched, and ends with that or at its deadline.
func TestDirectWatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answered, cancelled, allowed time.Duration // 0 is never
		want                         error
		after                        time.Duration
		watched                      bool
	}{
		"at once":                   {answered: 1, after: 1},
		"just before it is watched": {answered: watchAfter - 1, allowed: time.Hour, after: watchAfter - 1},
		"later":                     {answered: time.Minute, allowed: time.Hour, after: time.Minute, watched: true},
		"without a deadline":        {answered: time.Minute, after: time.Minute, watched: true},
		"ended":                     {cancelled: time.Second, allowed: time.Hour, want: os.ErrDeadlineExceeded, after: time.Second, watched: true},
		"ended before":              {cancelled: 1, allowed: time.Hour, want: os.ErrDeadlineExceeded, after: watchAfter, watched: true},
		"late":                      {answered: time.Hour, allowed: time.Minute, want: os.ErrDeadlineExceeded, after: time.Minute, watched: true},
		"late soon":                 {answered: time.Hour, allowed: 2, want: os.ErrDeadlineExceeded, after: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancelled != 0 {
					time.AfterFunc(test.cancelled, cancel)
				}
				inExchange(ctx, t, test.allowed, func(c *directConn, broker net.Conn) {
					if test.answered != 0 {
						answer := time.AfterFunc(test.answered, func() { _, _ = broker.Write([]byte("x")) })
						defer answer.Stop()
					}
					began := time.Now()
					n, err := c.Read(make([]byte, 2))
					if !errors.Is(err, test.want) || (test.want == nil) != (n == 1) {
						t.Errorf("got %d, %v, want %v", n, err, test.want)
					}
					if got := time.Since(began); got != test.after {
						t.Errorf("it took %v, want %v", got, test.after)
					}
					if watched := c.stop != nil; watched != test.watched {
						t.Errorf("watched: %t, want %t", watched, test.watched)
					}
					if undisturbed := c.end(); undisturbed != (test.cancelled == 0) {
						t.Errorf("undisturbed: %t", undisturbed)
					}
				})
			})
		})
	}
}

// A request that is taken slowly is written to its end, once.
func TestDirectWatchWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inExchange(t.Context(), t, time.Hour, func(c *directConn, broker net.Conn) {
			got := make(chan string, 1)
			go func() {
				part := make([]byte, 3)
				_, _ = io.ReadFull(broker, part)
				time.Sleep(time.Minute)
				rest := make([]byte, 4)
				_, _ = io.ReadFull(broker, rest)
				got <- string(part) + string(rest)
			}()
			n, err := c.Write([]byte("request"))
			if n != len("request") || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
			if said := <-got; said != "request" {
				t.Errorf("the broker got %q", said)
			}
		})
	})
}
