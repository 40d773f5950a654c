//go:build unix

package backend

import (
	"errors"
	"syscall"
)

// canBeDirect: this system can tell whether an idle connection was closed.
const canBeDirect = true

// probe looks at an idle connection. It is kept with the connection, so that looking costs no memory.
type probe struct {
	look  func(fd uintptr) bool
	one   [1]byte
	quiet bool
}

// isQuiet tells whether nothing came on an idle connection, not even its end. A broker that closed it would get nothing
// of a request that is written to it; and what it said without being asked is no answer to the next call.
func (p *probe) isQuiet(raw syscall.RawConn) bool {
	if p.look == nil {
		p.look = func(fd uintptr) bool {
			_, err := syscall.Read(int(fd), p.one[:])
			p.quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
			return true
		}
	}
	return raw.Read(p.look) == nil && p.quiet
}
