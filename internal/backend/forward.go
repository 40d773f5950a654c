package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Request is what a platform asks of a backend.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Path is the escaped path beneath the backend's URL, beginning with one slash, and Query the raw query without its
	// question mark. Both go down byte for byte.
	Path, Query string
	// Header is the platform's header. It is filtered on the way and never modified.
	Header http.Header
	// Set are headers that the gateway sets on this request in place of the platform's. One without values removes the
	// platform's. They are neither filtered nor modified.
	Set []Field
	// Body is the whole body. It must not change any more, not even after the answer: a backend may answer before it
	// has read the body to its end.
	Body []byte
	// Deadline, if set, is when the exchange must be over, besides the context's own. Here it costs less than there.
	Deadline time.Time
	// Once: a connection that cannot be made is not tried again, because whoever sends this comes again anyway.
	Once bool
}

// Field is a header: its name, in any case, and its values.
type Field struct {
	Name   string
	Values []string
}

// Response is the whole answer of a backend, whatever its status.
type Response struct {
	Status int
	// Header is what may be relayed: without hop-by-hop headers, trailers, Content-Length, and what speaks for the host
	// that is called, such as Set-Cookie, Server, WWW-Authenticate and Alt-Svc.
	Header http.Header
	// Body is the body as it came, still encoded where there is a Content-Encoding; nil where there is none.
	Body []byte
}

// Do sends a request and returns the backend's answer. Redirects are not followed. A GET whose answer was lost is sent
// once more; nothing else that may have been delivered is ever sent again. What surely was not is: a connection that
// cannot be made is tried again for a moment, because some platforms never repeat a bind. And a 401 says that nothing
// was done, so if there are other credentials by now, the request is sent once more with those. The deadline of ctx is
// that of the whole exchange, body included; so is that of the request.
//
// Where the backend has too many calls open already or is left alone, nothing is sent. Every error is an *Error.
func (b *Backend) Do(ctx context.Context, r Request) (*Response, error) {
	ticket, refused := b.admit()
	if refused != nil {
		return nil, refused
	}
	verdict := neutral
	defer func() { b.giveBack(ticket, verdict) }()
	redials := dialRetries
	if r.Once {
		redials = nil
	}
	resp, failure := b.exchange(ctx, r, b.maxResponseBytes, redials)
	verdict = judge(failure)
	if failure != nil {
		return nil, failure
	}
	return resp, nil
}

// exchange sends a request with the credentials of the moment, and with others if these are refused.
func (b *Backend) exchange(ctx context.Context, r Request, maxBytes int64, redials []time.Duration) (*Response, *Error) {
	if b.credentials.tokens != nil && !r.Deadline.IsZero() { // a token may have to be waited for
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	with, err := b.credentials.now(ctx)
	if err != nil {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: fmt.Errorf("%w: %w", ErrNoCredentials, err)}
	}
	resp, failure := b.deliver(ctx, r, with, maxBytes, redials)
	if failure != nil || resp.Status != http.StatusUnauthorized {
		return resp, failure
	}
	with, other := b.credentials.refused(ctx, with)
	if !other {
		return resp, nil
	}
	again, failure := b.deliver(ctx, r, with, maxBytes, redials)
	if failure != nil && failure.Kind == NotReached {
		return resp, nil // this time; the first answer stands
	}
	return again, failure
}

// dialRetries are the waits before a connection is tried again that could not be made.
var dialRetries = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
}

// maxDialTime is how long after its beginning a call is still dialled again.
const maxDialTime = 5 * time.Second

// deliver sends a request until it is delivered, and a GET once more whose answer was lost.
func (b *Backend) deliver(
	ctx context.Context, r Request, with proof, maxBytes int64, redials []time.Duration,
) (*Response, *Error) {
	resp, failure := b.redial(ctx, r, with, maxBytes, redials)
	if failure == nil || r.Method != http.MethodGet || !failure.lost {
		return resp, failure
	}
	resp, again := b.send(ctx, r, with, maxBytes)
	if again != nil && again.Kind == NotReached { // this time; of the whole call that is not true
		return nil, failure
	}
	return resp, again
}

// redial sends a request, and again while there is no connection to send it on.
func (b *Backend) redial(
	ctx context.Context, r Request, with proof, maxBytes int64, redials []time.Duration,
) (*Response, *Error) {
	resp, failure := b.send(ctx, r, with, maxBytes)
	if failure == nil || !failure.mayRedial() {
		return resp, failure
	}
	began := time.Now()
	for _, wait := range redials {
		wait = wait*3/4 + rand.N(wait/2) //nolint:gosec // give or take a quarter; jitter is no secret
		if time.Since(began) > maxDialTime || r.isLate(wait) || !pause(ctx, wait) {
			break
		}
		if resp, failure = b.send(ctx, r, with, maxBytes); failure == nil || !failure.mayRedial() {
			break
		}
	}
	return resp, failure
}

// mayRedial tells whether another attempt to connect may fare better. A certificate stays what it is.
func (e *Error) mayRedial() bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](e.Err)
	return e.dial && !certificate
}

// pause waits. It returns false if the context ends before.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// send sends the request once, as far as that is in its power: see delivery for what a transport may do.
func (b *Backend) send(ctx context.Context, r Request, with proof, maxBytes int64) (*Response, *Error) {
	if ctx.Err() != nil {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: context.Cause(ctx)}
	}
	if r.isLate(0) {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: context.DeadlineExceeded}
	}
	if b.direct != nil && r.size(with) <= maxDirectBytes && isPlainAddress(with.fixed.host) {
		return b.sendDirect(ctx, r, with, maxBytes)
	}
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	d, sendCtx, done := watch(ctx, r.Method)
	defer done()
	req, err := b.newRequest(sendCtx, r, with)
	if err != nil {
		return nil, &Error{Backend: b.name, Kind: NotReached, Err: err}
	}
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		return nil, b.failure(ctx, d, err)
	}
	defer func() { _ = resp.Body.Close() }()
	d.got.Store(true) // whatever the transport reported
	if resp.StatusCode < http.StatusOK {
		// Only 101 gets here, which nobody asked for: its body would be the bare connection.
		return nil, b.noAnswer(resp.StatusCode)
	}
	body, err := readBody(resp, r.Method, maxBytes)
	if err != nil {
		return nil, b.bodyFailure(ctx, d, resp.StatusCode, err)
	}
	filterResponse(resp.Header)
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// noAnswer is the failure where the status is that of no answer.
func (b *Backend) noAnswer(status int) *Error {
	err := fmt.Errorf("answered with status %d, which is not an answer", status)
	return &Error{Backend: b.name, Kind: Failed, Status: status, Err: err}
}

// bodyFailure is the failure where the body of an answer is not whole.
func (b *Backend) bodyFailure(ctx context.Context, d *delivery, status int, err error) *Error {
	failure := b.failure(ctx, d, fmt.Errorf("reading the body of a %d answer: %w", status, err))
	failure.Status = status
	return failure
}

// check refuses what cannot be written into the line of a request as it is.
func (r *Request) check() error {
	if err := checkPath(r.Path); err != nil {
		return err
	}
	if i := indexUnsendable(r.Query); i >= 0 {
		return fmt.Errorf("query has an unsendable character at offset %d", i)
	}
	if !isToken(r.Method) {
		return errors.New("method is not valid")
	}
	return nil
}

// isLate tells whether the deadline is over, or will be after a while.
func (r *Request) isLate(after time.Duration) bool {
	return !r.Deadline.IsZero() && time.Until(r.Deadline) <= after
}

// target is the path with the query.
func (r *Request) target() string {
	if r.Query == "" {
		return r.Path
	}
	return r.Path + "?" + r.Query
}

// size is about how large the request is, with the credentials and headers that go with it: a token may be larger than
// all the rest.
func (r *Request) size(with proof) int {
	size := len(r.Path) + len(r.Query) + len(r.Body) + headerSize(r.Header) + headerSize(with.fixed.header)
	for _, field := range r.Set {
		size += fieldSize(field.Name, field.Values)
	}
	return size + fieldSize("Authorization", with.authorization())
}

func headerSize(header http.Header) int {
	size := 0
	for name, values := range header {
		size += fieldSize(name, values)
	}
	return size
}

func fieldSize(name string, values []string) int {
	size := 0
	for _, value := range values {
		size += len(name) + len(value)
	}
	return size
}

func (b *Backend) newRequest(ctx context.Context, r Request, with proof) (*http.Request, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	// The URL is filled in here: parsing one would not keep every path as it is.
	req, err := http.NewRequestWithContext(ctx, r.Method, "/", nil)
	if err != nil {
		return nil, errors.New("method is not valid")
	}
	b.setTarget(req.URL, r.Path, r.Query)
	req.Host = with.fixed.host
	b.fillHeader(ctx, req.Header, r, with)
	if len(r.Body) > 0 {
		// There is no GetBody: with it HTTP/2 would send the body again on some errors after the first sending.
		body := new(bodyReader)
		body.Reset(r.Body)
		req.Body, req.ContentLength = body, int64(len(r.Body))
	}
	return req, nil
}

// fillHeader makes the header of a request out of the platform's, the gateway's and the credentials.
func (b *Backend) fillHeader(ctx context.Context, header http.Header, r Request, with proof) {
	requestHeader(header, r.Header, r.Set, with.fixed.header)
	if b.inject != nil {
		b.inject(ctx, header)
	}
	complete(header, with)
}

// setTarget makes u the address of a request, such that its path and query are written as the bytes that are given.
func (b *Backend) setTarget(u *url.URL, path, query string) {
	path = b.basePath + path
	*u = url.URL{Scheme: b.scheme, Host: b.address, RawQuery: query}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
		if u.EscapedPath() == path {
			return
		}
		u.Path, u.RawPath = "", ""
	}
	// The path holds bytes that net/url would escape, or an escape that it cannot read. An opaque URL keeps them; it is
	// not used for all paths because a plain http proxy needs the parts.
	u.Opaque = path
}

// checkPath refuses paths that cannot be written into a request as they are, or that would end up as something else.
func checkPath(path string) error {
	if path == "" || path[0] != '/' || (len(path) > 1 && path[1] == '/') {
		return errors.New("path must begin with one slash")
	}
	if i := indexUnsendable(path); i >= 0 {
		return fmt.Errorf("path has an unsendable character at offset %d", i)
	}
	for i := range len(path) {
		if path[i] == '?' {
			return errors.New("path must not contain a question mark")
		}
	}
	return nil
}

// indexUnsendable returns the offset of the first byte that would break the line of a request, or -1.
func indexUnsendable(s string) int {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return i
		}
	}
	return -1
}

// bodyReader is a request body of known bytes.
type bodyReader struct{ bytes.Reader }

func (*bodyReader) Close() error { return nil }

// firstReadBytes is what is set aside for a body before any of it has come, however long it claims to be.
const firstReadBytes = 64 << 10

// readBody reads the body of an answer to its end.
func readBody(resp *http.Response, method string, maxBytes int64) ([]byte, error) {
	switch {
	case method == http.MethodHead, resp.StatusCode == http.StatusNoContent,
		resp.StatusCode == http.StatusNotModified, resp.Body == http.NoBody:
		return nil, nil
	case resp.ContentLength > maxBytes:
		return nil, &tooLargeError{maxBytes: maxBytes}
	}
	capacity := int64(1 << 10)
	if resp.ContentLength >= 0 {
		capacity = min(resp.ContentLength+1, firstReadBytes) // one more, to see the end without growing
	}
	body := make([]byte, 0, capacity)
	for {
		n, err := resp.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > maxBytes:
			return nil, &tooLargeError{maxBytes: maxBytes}
		case err == io.EOF: // itself: wrapped, it is a failure
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = append(body, 0)[:len(body)]
		}
	}
}
