package backend

import (
	"bufio"
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// directConn is a connection with what was read from it ahead.
type directConn struct {
	net.Conn

	raw    syscall.RawConn
	probe  probe
	reader *bufio.Reader
	// header is how much may still be read while it is a header that is read.
	header   int
	inHeader bool
	// cut is the bound at which reading ended. Where that is within a line, net/http tells of what it makes of the piece.
	cut   error
	since time.Time // when it became idle

	// ctx and deadline bound the exchange under way. Nobody looks whether ctx ends until it has taken a while; then stop,
	// which is nil before, ends that again.
	ctx      context.Context //nolint:containedctx // only while the exchange lasts
	deadline time.Time
	stop     func() bool
}

// watchAfter is how long an exchange takes before the end of its context ends it: most are over sooner, and having a
// context watched costs more than it can spare those.
const watchAfter = 50 * time.Millisecond

// begin bounds an exchange.
func (c *directConn) begin(ctx context.Context, deadline time.Time) error {
	c.ctx, c.deadline, c.stop, c.cut = ctx, deadline, nil, nil
	soon := time.Now().Add(watchAfter)
	if ctx.Done() == nil || !deadline.IsZero() && deadline.Before(soon) {
		soon = deadline
	}
	return c.SetDeadline(soon)
}

// mayWait tells whether what took too long may go on, which it may once, with the context watched.
func (c *directConn) mayWait(err error) bool {
	if c.stop != nil || !isTimeout(err) || !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return false
	}
	if c.SetDeadline(c.deadline) != nil {
		return false
	}
	c.stop = context.AfterFunc(c.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return true
}

// end ends the bounds of an exchange. It returns false if they have ended it.
func (c *directConn) end() bool {
	undisturbed := c.stop == nil || c.stop()
	c.ctx, c.stop = nil, nil
	return undisturbed
}

// Write implements io.Writer.
func (c *directConn) Write(p []byte) (int, error) {
	written, err := c.Conn.Write(p)
	if err != nil && c.mayWait(err) {
		var more int
		more, err = c.Conn.Write(p[written:])
		written += more
	}
	return written, err
}

func (c *directConn) read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && n == 0 && c.mayWait(err) {
		n, err = c.Conn.Read(p)
	}
	if isTimeout(err) {
		c.cut = err
	}
	return n, err
}

var errHeaderTooLarge = errors.New("the header of the answer is too large")

// Read implements io.Reader, within what a header may have.
func (c *directConn) Read(p []byte) (int, error) {
	if !c.inHeader {
		return c.read(p)
	}
	if c.header <= 0 {
		c.cut = errHeaderTooLarge
		return 0, c.cut
	}
	n, err := c.read(p[:min(len(p), c.header)])
	c.header -= n
	return n, err
}
