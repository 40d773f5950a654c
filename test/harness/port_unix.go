//go:build unix

package harness

import (
	"syscall"
	"testing"
)

// reservePort finds a free port of 127.0.0.1 and keeps it from being given to anybody else until the test ends, also
// while nobody listens there: a socket stays bound to it that does not listen. Connections are refused then.
func reservePort(t testing.TB) int {
	t.Helper()
	syscall.ForkLock.RLock()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	// With this option on both sides, others may bind the port too if they ask for it by its number.
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	address, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("reserving a port: the socket is bound to a %T", name)
	}
	return address.Port
}
