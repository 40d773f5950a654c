package backend

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// delivery watches one RoundTrip, to know afterwards whether the backend can have got the request, and how often.
//
// Transports send again by themselves. Over HTTP/1.1, http.Transport repeats a GET when a kept-alive connection breaks,
// and anything when not one byte of it was written; both are fine. Over HTTP/2 it repeats any request without a body
// after the server refused the stream, and takes a protocol error for such a refusal, which does not exclude that the
// server acted on the request. So for a request that is not safe, the second attempt is stopped before it is written.
type delivery struct {
	asked       atomic.Bool // the transport looked for a connection
	got         atomic.Bool // it had one at least once
	sends       atomic.Int32
	multiplexed atomic.Bool // HTTP/2 or 3: the headers had pseudo-headers
	stopped     atomic.Bool
	stop        context.CancelFunc // nil for a request that may be repeated
}

// watch returns a context that makes a transport report to the delivery. The function releases it and must be called
// when the answer has been read.
func watch(ctx context.Context, method string) (*delivery, context.Context, func()) {
	d := new(delivery)
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { d.asked.Store(true) },
		GotConn:      d.gotConn,
		WroteHeaders: func() { d.sends.Add(1) },
	}
	done := func() {}
	if method != http.MethodGet && method != http.MethodHead {
		ctx, d.stop = context.WithCancel(ctx)
		done = d.stop
		trace.WroteHeaderField = func(name string, _ []string) {
			if name != "" && name[0] == ':' {
				d.multiplexed.Store(true)
			}
		}
	}
	return d, httptrace.WithClientTrace(ctx, trace), done
}

func (d *delivery) gotConn(httptrace.GotConnInfo) {
	if d.stop != nil && d.multiplexed.Load() && d.sends.Load() > 0 {
		d.stopped.Store(true)
		d.stop()
	}
	d.got.Store(true)
}

// surelyNothing tells whether an error of the transport means that the backend got nothing of the request. It takes
// evidence: a transport that reports nothing is believed only if the error itself is one of connecting.
func (d *delivery) surelyNothing(err error) bool {
	return !d.got.Load() && (d.asked.Load() || isConnectError(err))
}
