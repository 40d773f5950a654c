package backend

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What Caddy's own transport does by default, as far as it can be seen from outside.
const (
	directDialTimeout = 3 * time.Second
	directIdleTimeout = 2 * time.Minute
	maxDirectIdle     = 128
	maxDirectHeader   = 10 << 20 // of an answer, with the interim answers before it
)

// maxDirectBytes is the largest request that is written in one piece before anything is read. What is larger may not fit
// into what the kernel holds, and a broker that answers before it has read everything would wait for us as we for it.
const maxDirectBytes = 16 << 10

// direct sends requests over plain HTTP/1.1 and reads the answers, all on the goroutine of the call. http.Transport has
// two goroutines for each connection, and handing a call over to them and back costs more than writing and reading do.
// Answers are read by net/http all the same, so that what is an answer and what is not stays the same.
type direct struct {
	address string
	dialer  net.Dialer

	mu     sync.Mutex
	idle   []*directConn // the last one was used last
	timer  *time.Timer   // closes the idle ones that grow old; nil while there are none
	closed bool
}

func newDirect(address string) *direct {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), ""
	}
	address = net.JoinHostPort(host, cmp.Or(port, "80"))
	return &direct{address: address, dialer: net.Dialer{Timeout: directDialTimeout}}
}

// get returns a connection, and whether it was used before.
func (d *direct) get(ctx context.Context, deadline time.Time) (_ *directConn, reused bool, err error) {
	for {
		c := d.pop()
		if c == nil {
			break
		}
		if c.begin(ctx, deadline) == nil && c.probe.isQuiet(c.raw) {
			return c, true, nil
		}
		_ = c.Close()
	}
	dialer := d.dialer
	dialer.Deadline = deadline
	conn, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, false, err
	}
	c := &directConn{Conn: conn}
	c.reader = bufio.NewReader(c)
	if withFD, ok := conn.(syscall.Conn); ok {
		c.raw, err = withFD.SyscallConn()
	}
	if err == nil {
		err = c.begin(ctx, deadline)
	}
	if err != nil {
		_ = conn.Close()
		return nil, false, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return c, false, nil
}

func (d *direct) pop() *directConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := len(d.idle) - 1
	if last < 0 {
		return nil
	}
	c := d.idle[last]
	d.idle[last] = nil
	d.idle = d.idle[:last]
	return c
}

// put keeps a connection for the next call.
func (d *direct) put(c *directConn) {
	c.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.idle) >= maxDirectIdle {
		_ = c.Close()
		return
	}
	d.idle = append(d.idle, c)
	if d.timer == nil {
		d.timer = time.AfterFunc(directIdleTimeout, d.prune)
	}
}

// prune closes the connections that nobody used for long.
func (d *direct) prune() {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := time.Now().Add(-directIdleTimeout)
	young := slices.IndexFunc(d.idle, func(c *directConn) bool { return c.since.After(old) })
	if young < 0 {
		young = len(d.idle)
	}
	for _, c := range d.idle[:young] {
		_ = c.Close()
	}
	d.idle = slices.Delete(d.idle, 0, young)
	d.timer = nil
	if len(d.idle) > 0 && !d.closed {
		d.timer = time.AfterFunc(time.Until(d.idle[0].since.Add(directIdleTimeout))+time.Millisecond, d.prune)
	}
}

// close closes the idle connections; those in use are closed after it.
func (d *direct) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	for _, c := range d.idle {
		_ = c.Close()
	}
	d.idle = nil
}

// exchange sends a request and reads the whole answer. What became of the request is told to the delivery.
func (d *direct) exchange(
	ctx context.Context, told *delivery, deadline time.Time, method string, request []byte, maxBytes int64,
) (*http.Response, []byte, error) {
	if own, has := ctx.Deadline(); has && (deadline.IsZero() || own.Before(deadline)) {
		deadline = own
	}
	told.asked.Store(true)
	for {
		c, reused, err := d.get(ctx, deadline)
		if err != nil {
			return nil, nil, err
		}
		written, err := c.Write(request)
		if err != nil && written == 0 {
			_ = c.Close()
			if c.end() && reused {
				continue // it was closed a moment ago, and nothing was sent
			}
			return nil, nil, ended(ctx, deadline, err)
		}
		told.got.Store(true)
		told.sends.Add(1)
		var response *http.Response
		var body []byte
		if err == nil {
			response, body, err = c.receive(method, maxBytes)
		}
		undisturbed := c.end()
		if err != nil {
			_ = c.Close()
			return response, nil, ended(ctx, deadline, cmp.Or(c.cut, err))
		}
		if undisturbed && c.mayKeep(response) {
			d.put(c)
		} else {
			_ = c.Close()
		}
		return response, body, nil
	}
}

// mayKeep tells whether a connection may serve another call: nothing came behind the answer, and nothing will. A 204 has
// no body, but brokers that announce one send it too, and it must not be taken for the answer to that call.
func (c *directConn) mayKeep(response *http.Response) bool {
	if response.StatusCode == http.StatusNoContent || response.StatusCode == http.StatusNotModified {
		length := response.Header.Get("Content-Length")
		if len(response.TransferEncoding) > 0 || response.StatusCode == http.StatusNoContent && length != "" && length != "0" {
			return false
		}
	}
	return !response.Close && response.StatusCode >= http.StatusOK && c.reader.Buffered() == 0
}

// ended is why an exchange failed: that its context ended, or its time, if it did.
func ended(ctx context.Context, deadline time.Time, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isTimeout(err) && !deadline.IsZero() && !time.Now().Before(deadline):
		return context.DeadlineExceeded
	}
	return err
}

// requests are what net/http wants to know of the request whose answer it reads.
var requests = map[string]*http.Request{http.MethodHead: {Method: http.MethodHead}}

// receive reads an answer. Where its body is not whole, the answer is returned with the error.
func (c *directConn) receive(method string, maxBytes int64) (*http.Response, []byte, error) {
	c.header, c.inHeader = maxDirectHeader, true
	for {
		response, err := http.ReadResponse(c.reader, requests[method])
		if err != nil {
			return nil, nil, err
		}
		if status := response.StatusCode; status/100 == 1 && status != http.StatusSwitchingProtocols {
			continue // an interim answer
		}
		c.inHeader = false
		if response.StatusCode < http.StatusOK {
			return response, nil, nil // no answer at all: see send
		}
		body, err := readBody(response, method, maxBytes)
		return response, body, err
	}
}

// directBuffers are buffers for requests, and directHeaders the headers that they are made from.
var (
	directBuffers = sync.Pool{New: func() any { return new([]byte) }}
	directHeaders = sync.Pool{New: func() any { return make(http.Header, 16) }}
)

// sendDirect is send without a transport.
func (b *Backend) sendDirect(ctx context.Context, r Request, with proof, maxBytes int64) (*Response, *Error) {
	if err := r.check(); err != nil {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: err}
	}
	header, _ := directHeaders.Get().(http.Header)
	buffer, _ := directBuffers.Get().(*[]byte)
	defer func() {
		clear(header)
		directHeaders.Put(header)
		directBuffers.Put(buffer)
	}()
	b.fillHeader(ctx, header, r, with)
	host := with.fixed.host
	if host == "" {
		host = b.address
	}
	request, err := appendRequest((*buffer)[:0], r.Method, b.basePath+r.target(), host, header, r.Body)
	if err != nil {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: err}
	}
	*buffer = request
	told := new(delivery)
	//nolint:bodyclose // the body was read to its end; what is left of it is the connection, which the exchange has in hand
	response, body, err := b.direct.exchange(ctx, told, r.Deadline, r.Method, request, maxBytes)
	switch {
	case err != nil && response == nil:
		return nil, b.failure(ctx, told, err)
	case err != nil:
		return nil, b.bodyFailure(ctx, told, response.StatusCode, err)
	case response.StatusCode < http.StatusOK:
		return nil, b.noAnswer(response.StatusCode)
	}
	filterResponse(response.Header)
	return &Response{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}
