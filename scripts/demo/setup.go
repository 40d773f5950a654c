//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// port is a port with the variable of the Makefile that sets it.
type port struct {
	variable string
	number   int
}

// checkPorts tells in one line which port cannot be had, before anything is started.
func checkPorts(ports []port) error {
	owner := make(map[int]string, len(ports))
	for _, p := range ports {
		if p.number < 1 || p.number > 65535 {
			return fmt.Errorf("%s=%d is no port", p.variable, p.number)
		}
		if other, given := owner[p.number]; given {
			return fmt.Errorf("%s and %s are both %d", other, p.variable, p.number)
		}
		owner[p.number] = p.variable
		// A client that asks for localhost may try either address.
		for _, host := range []string{"127.0.0.1", "::1"} {
			if err := checkAddress(net.JoinHostPort(host, strconv.Itoa(p.number))); err != nil {
				return fmt.Errorf("port %d is not free (%w); choose another one: make run %s=%d",
					p.number, err, p.variable, suggestion(p.number))
			}
		}
	}
	return nil
}

// checkAddress reports why nobody can listen on the address. A machine without the address is no reason.
func checkAddress(address string) error {
	listener, err := net.Listen("tcp", address) //nolint:noctx // It is over at once.
	if err == nil {
		return listener.Close()
	}
	var cause syscall.Errno
	if errors.As(err, &cause) && (errors.Is(cause, syscall.EADDRINUSE) || errors.Is(cause, syscall.EACCES)) {
		return cause
	}
	return nil
}

// suggestion is a port that is unlikely to be taken for the same reason.
func suggestion(number int) int {
	if number < 10000 {
		return number + 10000
	}
	return number - 1000
}

// lockFile is held by the demo that uses the folder. It stays when the folder is emptied.
const lockFile = "lock"

// beginAnew empties the folder, unless another demo runs in it. The folder is this one's until the function that it
// returns is called.
func beginAnew(directory string) (unlock func(), err error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for data and logs: %w", err)
	}
	path := filepath.Join(directory, lockFile)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading the folder for data and logs: %w", err)
	}
	if _, err := os.Lstat(path); err != nil && len(entries) > 0 {
		// Emptying a folder of somebody else's for a slip of the pen would be unforgivable.
		return nil, fmt.Errorf("%s holds files that are not from make run; choose another RUN_DIR", directory)
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the folder for data and logs: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another make run uses %s; stop it, or choose another RUN_DIR", directory)
	}
	for _, entry := range entries {
		if entry.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(directory, entry.Name())); err != nil {
			_ = lock.Close()
			return nil, fmt.Errorf("emptying the folder for data and logs: %w", err)
		}
	}
	return func() { _ = lock.Close() }, nil
}
