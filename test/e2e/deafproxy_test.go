package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// deafProxy stands between a gateway and Redis. It passes everything on, but what Redis says to a connection that
// subscribes is lost while the proxy is deaf: nothing tells the gateway so.
type deafProxy struct {
	// Addr is where it listens.
	Addr string
	deaf atomic.Bool

	listener net.Listener
	upstream string
	running  sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]struct{} // nil once it is closed
}

// startDeafProxy starts a proxy in front of an address. It ends with the test.
func startDeafProxy(t *testing.T, upstream string) *deafProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &deafProxy{
		Addr: listener.Addr().String(), listener: listener, upstream: upstream, open: make(map[net.Conn]struct{}),
	}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for connection := range p.open {
			_ = connection.Close()
		}
		p.open = nil
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

func (p *deafProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && p.keep(client) {
			p.running.Go(func() { p.serve(client) })
		}
	}
}

// keep has a connection closed at the end. It returns false if that has come.
func (p *deafProxy) keep(connection net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		_ = connection.Close()
		return false
	}
	p.open[connection] = struct{}{}
	return true
}

func (p *deafProxy) drop(connection net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, connection)
	_ = connection.Close()
}

// serve passes the bytes of one connection on until either side ends it.
func (p *deafProxy) serve(client net.Conn) {
	defer p.drop(client)
	server, err := net.Dial("tcp", p.upstream)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var subscribes atomic.Bool
	p.running.Go(func() {
		defer p.drop(client)
		pass(server, client, func([]byte) bool { return !subscribes.Load() || !p.deaf.Load() })
	})
	pass(client, server, func(sent []byte) bool {
		if bytes.Contains(bytes.ToLower(sent), []byte("subscribe\r\n")) {
			subscribes.Store(true)
		}
		return true
	})
}

// pass hands on what it may.
func pass(from io.Reader, to io.Writer, may func([]byte) bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && may(buffer[:n]) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
