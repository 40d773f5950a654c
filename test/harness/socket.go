package harness

import (
	"net"
	"os"
	"testing"
)

// listen returns a listening socket as a file, to be handed to a process.
func listen(t testing.TB, port int) *os.File {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatalf("listening for the gateway: %v", err)
	}
	defer func() { _ = listener.Close() }()
	socket, err := listener.File()
	if err != nil {
		t.Fatalf("listening for the gateway: %v", err)
	}
	return socket
}
