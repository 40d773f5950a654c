package harness

import "syscall"

// endWithParent has the kernel end the gateway when the test process dies without cleaning up, as on a panic or a
// timeout.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
