//go:build !unix

package harness

import (
	"net"
	"testing"
)

// reservePort finds a free port of 127.0.0.1. It cannot keep others from it here.
func reservePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("reserving a port: got %v", listener.Addr())
	}
	return address.Port
}
