package caddymodule

import "errors"

// errTooEarly is why a call is refused that may be another one's copy.
var errTooEarly = errors.New("the call came in early data, which anybody on the way can send again")

const headerEarlyData = "Early-Data"

// checkEarlyData refuses calls that change something and came before the handshake of TLS was over, as HTTP/3 allows it to
// clients that were here before, and Caddy by default. Whoever sees such a call pass can send it once more, without any
// key: a create after its delete, say. A proxy in front says by a header that it was so (RFC 8470). The client sends the
// call again by itself when the handshake is over.
func (c *call) checkEarlyData() error {
	if !c.path.Operation.Mutating() {
		return nil
	}
	if c.r.TLS != nil && !c.r.TLS.HandshakeComplete || len(c.r.Header[headerEarlyData]) > 0 {
		return errTooEarly
	}
	return nil
}
