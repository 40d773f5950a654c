//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"os"
	"syscall"
)

// unlock gives up the lock that the database took. Closing the file is not enough while it is mapped into memory.
func unlock(locked *os.File) error {
	return syscall.Flock(int(locked.Fd()), syscall.LOCK_UN)
}
