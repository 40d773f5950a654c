//go:build !unix

package backend

import "syscall"

// canBeDirect: this system cannot tell whether an idle connection was closed.
const canBeDirect = false

// probe looks at an idle connection.
type probe struct{}

func (*probe) isQuiet(syscall.RawConn) bool { return false }
