package chaos_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/chaos"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// echo listens and says all that it hears again. What it heard can be asked for.
type echo struct {
	listener net.Listener
	heard    chan string
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: listener, heard: make(chan string, 16)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { e.serve(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return e
}

func (e *echo) serve(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	buffer := make([]byte, 64)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		e.heard <- string(buffer[:count])
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// startLink returns a link to an echo, and a connection through it that works.
func startLink(t *testing.T) (*chaos.Link, *echo, net.Conn) {
	t.Helper()
	e := startEcho(t)
	link, err := chaos.NewLink(harness.ReservePort(t), e.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	connection := connect(t, link)
	say(t, connection, "hello")
	hear(t, connection, "hello")
	<-e.heard
	return link, e, connection
}

func connect(t *testing.T, link *chaos.Link) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", link.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func set(t *testing.T, link *chaos.Link, trouble chaos.Trouble) {
	t.Helper()
	if err := link.Set(trouble); err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, connection net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, connection net.Conn, want string) {
	t.Helper()
	buffer := make([]byte, len(want))
	if _, err := io.ReadFull(connection, buffer); err != nil || string(buffer) != want {
		t.Fatalf("got %q, %v, want %q", buffer, err, want)
	}
}

// expectEnd waits until the connection is over, and wants nothing more to come of it.
func expectEnd(t *testing.T, connection net.Conn) {
	t.Helper()
	if err := connection.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(connection)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %q, %v, want the end of the connection", rest, err)
	}
}

func TestCutEndsConnections(t *testing.T) {
	t.Parallel()
	link, _, connection := startLink(t)
	if got := link.Cut(); got != 1 {
		t.Errorf("got %d connections cut, want 1", got)
	}
	expectEnd(t, connection)
	again := connect(t, link)
	say(t, again, "again")
	hear(t, again, "again")
}

func TestSwallowedBytesNeverArrive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		trouble chaos.Trouble
		arrives bool
	}{
		{chaos.SwallowUp, false}, {chaos.SwallowBoth, false}, {chaos.SwallowDown, true},
	} {
		t.Run(string(test.trouble), func(t *testing.T) {
			t.Parallel()
			link, e, connection := startLink(t)
			set(t, link, test.trouble)
			say(t, connection, "lost")
			if test.arrives {
				if got := <-e.heard; got != "lost" {
					t.Errorf("the server heard %q, want lost", got)
				}
			}
			harness.Await(t, "the bytes to be lost", func() bool { return link.Lost() == 1 })
			set(t, link, chaos.Clear)
			expectEnd(t, connection)
			again := connect(t, link)
			say(t, again, "again")
			hear(t, again, "again")
			if got := <-e.heard; got != "again" {
				t.Errorf("the server heard %q, want again only", got)
			}
		})
	}
}

func TestStalledBytesArriveLaterOrNever(t *testing.T) {
	t.Parallel()
	link, e, connection := startLink(t)
	set(t, link, chaos.Stall)
	say(t, connection, "late")
	set(t, link, chaos.Clear)
	hear(t, connection, "late")
	<-e.heard
	set(t, link, chaos.Stall)
	say(t, connection, "too late")
	expectEnd(t, connection)
	set(t, link, chaos.Clear)
	again := connect(t, link)
	say(t, again, "again")
	hear(t, again, "again")
	if got := <-e.heard; got != "again" {
		t.Errorf("the server heard %q, want again only", got)
	}
}

func TestRefusedConnectionsEnd(t *testing.T) {
	t.Parallel()
	link, e, old := startLink(t)
	set(t, link, chaos.Refuse)
	if connection, err := net.Dial("tcp", link.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, %v, want a connection that is refused", connection, err)
	}
	say(t, old, "old")
	hear(t, old, "old")
	set(t, link, chaos.Clear)
	again := connect(t, link)
	say(t, again, "again")
	hear(t, again, "again")
	if !link.Listens() {
		t.Error("got nobody listening behind the link")
	}
	_ = e.listener.Close()
	if link.Listens() {
		t.Error("got somebody listening behind the link, who does not")
	}
}
