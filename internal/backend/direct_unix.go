//go:build unix

package backend

import (
	"errors"
	"syscall"
)

// canBeDirect: this system can tell whether an idle connection was closed.
const canBeDirect = true

// isQuiet tells whether nothing came on an idle connection, not even its end. A broker that closed it would get nothing
// of a request that is written to it; and what it said without being asked is no answer to the next call.
func isQuiet(raw syscall.RawConn) bool {
	quiet := false
	err := raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
		return true
	})
	return err == nil && quiet
}
