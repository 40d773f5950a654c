package caddymodule

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// newTokens returns random names for a call and for a life that may begin with it.
func newTokens() (call, life string) {
	var bytes [24]byte
	_, _ = rand.Read(bytes[:]) // it never fails
	both := base64.RawURLEncoding.EncodeToString(bytes[:])
	return both[:16], both[16:]
}

// readIDs reads what the query and the body say about the backend. The bytes of both go on as they came.
func (c *call) readIDs() error {
	var err error
	if c.query, err = osb.ParseQuery(c.r.URL.RawQuery); err != nil {
		return err
	}
	if c.body, err = c.readBody(); err != nil {
		return err
	}
	switch c.path.Operation {
	case osb.Provision, osb.Update, osb.Bind, osb.SetState:
	default:
		return nil
	}
	plain, err := osb.Inflate(encodingOf(c.r.Header), c.body, c.rt.maxRequestBytes)
	if err != nil {
		return err
	}
	c.fields, err = osb.ReadBody(plain)
	return err
}

var errBodyTooLarge = &osb.RequestError{Kind: osb.KindTooLarge, Description: "The request body is too large."}

// readBody reads the whole body, which may not be larger than configured.
func (c *call) readBody() ([]byte, error) {
	if c.r.Body == nil || c.r.ContentLength == 0 {
		return nil, nil
	}
	size := c.r.ContentLength
	if size > c.rt.maxRequestBytes {
		return nil, errBodyTooLarge // a client that waits to be asked for the body is not asked
	}
	limited := http.MaxBytesReader(c.w, c.r.Body, c.rt.maxRequestBytes)
	var body []byte
	var err error
	if size > 0 {
		body = make([]byte, size)
		_, err = io.ReadFull(limited, body)
	} else {
		body, err = io.ReadAll(limited)
	}
	if err == nil {
		return body, nil
	}
	var tooLarge *http.MaxBytesError
	var handler caddyhttp.HandlerError // of Caddy's request_body directive
	if errors.As(err, &tooLarge) || errors.As(err, &handler) && handler.StatusCode == http.StatusRequestEntityTooLarge {
		return nil, errBodyTooLarge
	}
	return nil, &osb.RequestError{Kind: osb.KindBadRequest, Description: "The request body could not be read."}
}

// maxExcessBytes is how much of a body beyond the largest allowed is still read, to be thrown away.
const maxExcessBytes = 256 << 10

// drain reads what a refused call has left of its body, as far as that is not too much. On a connection that is to be
// closed net/http would leave it unread, and the reset which that causes may overtake the answer.
func (c *call) drain() {
	if c.r.Close && c.r.Body != nil && c.r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, c.r.Body, c.rt.maxRequestBytes+maxExcessBytes) // who breaks off gets no answer anyway
	}
}
