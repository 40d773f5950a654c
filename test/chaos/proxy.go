package chaos

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Trouble is what a link does to connections. What it does to bytes is done for each direction by itself.
type Trouble string

// The troubles of links.
const (
	// Clear: bytes pass.
	Clear Trouble = "clear"
	// SwallowUp, SwallowDown and SwallowBoth lose the bytes to the server, from it, or both, and leave connections open.
	SwallowUp   Trouble = "swallow up"
	SwallowDown Trouble = "swallow down"
	SwallowBoth Trouble = "swallow both"
	// Stall keeps bytes back. They are delivered when the trouble is over, but not after maxStall.
	Stall Trouble = "stall"
	// Refuse is that nobody listens. Connections that are there go on.
	Refuse Trouble = "refuse"
)

// maxStall is the longest that bytes are kept back. Those that are older are thrown away with their connection, since a
// network does not deliver them either.
const maxStall = time.Second

// Link is a TCP proxy that can be in trouble.
type Link struct {
	address string
	target  string
	// rewriteDown changes what the server says, if it is not nil. It sees what arrives at once, which is a whole answer
	// where answers are short.
	rewriteDown *strings.Replacer

	mu sync.Mutex
	// changed is closed when the trouble changes.
	changed chan struct{}
	// listener is nil while connections are refused.
	listener net.Listener
	trouble  Trouble
	pairs    map[*pair]bool
	closed   bool
	running  sync.WaitGroup
}

// pair are the two connections of one that goes through.
type pair struct {
	client, server net.Conn
	// lost tells that bytes are missing: the pair cannot go on when the trouble is over.
	lost bool
}

func (p *pair) close() {
	_ = p.client.Close()
	_ = p.server.Close()
}

// NewLink listens on a port of 127.0.0.1 and leads to target. Nobody else may use the port.
func NewLink(port int, target string) (*Link, error) {
	l := &Link{
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), target: target,
		changed: make(chan struct{}), trouble: Clear, pairs: make(map[*pair]bool),
	}
	return l, l.Set(Clear)
}

// listen has the link listen, or not. It is called with the lock held.
func (l *Link) listen(so bool) error {
	if so == (l.listener != nil) {
		return nil
	}
	if !so {
		err := l.listener.Close()
		l.listener = nil
		return err
	}
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		return err
	}
	l.listener = listener
	l.running.Go(func() { l.accept(listener) })
	return nil
}

// Address is where it listens.
func (l *Link) Address() string { return l.address }

// Listens tells whether somebody listens at the other end.
func (l *Link) Listens() bool {
	connection, err := net.DialTimeout("tcp", l.target, time.Second)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// Set changes the trouble. Connections that lost bytes are closed when it is Clear.
func (l *Link) Set(trouble Trouble) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.listen(trouble != Refuse && !l.closed); err != nil {
		return err
	}
	l.trouble = trouble
	close(l.changed)
	l.changed = make(chan struct{})
	if trouble != Clear {
		return nil
	}
	for p := range l.pairs {
		if p.lost {
			p.close()
		}
	}
	return nil
}

// Cut closes all connections, and returns how many there were.
func (l *Link) Cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.close()
	}
	return len(l.pairs)
}

// Lost tells how many connections have lost bytes and are still open.
func (l *Link) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := 0
	for p := range l.pairs {
		if p.lost {
			lost++
		}
	}
	return lost
}

// Close closes everything and waits until nothing runs any more.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.Set(Clear)
	l.Cut()
	l.running.Wait()
}

func (l *Link) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		l.running.Go(func() { l.connect(client) })
	}
}

// connect makes a pair and lets bytes pass until one side ends.
func (l *Link) connect(client net.Conn) {
	server, err := net.DialTimeout("tcp", l.target, time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	p := &pair{client: client, server: server}
	l.mu.Lock()
	l.pairs[p] = true
	closed := l.closed
	l.mu.Unlock()
	if closed {
		p.close()
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(p, client, server, SwallowUp) })
	both.Go(func() { l.pass(p, server, client, SwallowDown) })
	both.Wait()
	l.mu.Lock()
	delete(l.pairs, p)
	l.mu.Unlock()
}

// pass carries the bytes of one direction. Either end closes both: a half-open connection would be one more fault, which
// swallowing is already.
func (l *Link) pass(p *pair, from, to net.Conn, swallow Trouble) {
	defer p.close()
	buffer := make([]byte, 32<<10)
	for {
		count, err := from.Read(buffer)
		data := buffer[:count]
		if l.rewriteDown != nil && swallow == SwallowDown {
			data = []byte(l.rewriteDown.Replace(string(data)))
		}
		if count > 0 && !l.carry(p, to, data, swallow) {
			return
		}
		if err != nil {
			return
		}
	}
}

// carry writes bytes, or loses them. It returns false when the connection cannot go on.
func (l *Link) carry(p *pair, to net.Conn, data []byte, swallow Trouble) bool {
	deadline := time.NewTimer(maxStall)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		trouble, changed := l.trouble, l.changed
		if trouble == swallow || trouble == SwallowBoth {
			p.lost = true
		}
		lost := p.lost
		l.mu.Unlock()
		switch {
		case lost:
			return true // nothing that follows a gap may arrive
		case trouble != Stall:
			_, err := to.Write(data)
			return err == nil
		}
		select {
		case <-changed:
		case <-deadline.C:
			return false
		}
	}
}
