//go:build !unix

package backend

import "syscall"

// canBeDirect: this system cannot tell whether an idle connection was closed.
const canBeDirect = false

func isQuiet(syscall.RawConn) bool { return false }
