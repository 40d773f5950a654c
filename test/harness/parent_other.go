//go:build !linux

package harness

import "syscall"

// endWithParent is for systems that cannot end a child with its parent.
func endWithParent() *syscall.SysProcAttr {
	return nil
}
