package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// The store's timeout is a minute here: an error that is a refused connection did not wait for it, nor did it try again
// for long.
func TestServerThatIsDown(t *testing.T) {
	t.Parallel()
	// Nobody listens there, and unlike a port that was free a moment ago no other test does by chance.
	const address = "127.0.0.1:1"
	store := open(t, redisstore.Config{Addresses: []string{address}, Password: secret, Timeout: patience})
	for range 100 {
		_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		wantError(t, err, "the server cannot be reached")
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("got %v, want the refused connection as its cause", err)
		}
	}
	storetest.WantUnavailable(t.Context(), t, store)
	if !logged("failed to dial") {
		t.Error("the failures of the client are not routed to the logger")
	}
}

// The deadline of the context counts where it is shorter than the timeout, which is so long here that a test that waits
// for it does not end.
func TestServerThatHangs(t *testing.T) {
	t.Parallel()
	address := serve(t, func(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) })
	tests := []struct {
		name              string
		timeout, deadline time.Duration
	}{
		{"timeout of the store", 20 * time.Millisecond, 24 * time.Hour},
		{"deadline of the context", 24 * time.Hour, 20 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, redisstore.Config{Addresses: []string{address}, Timeout: test.timeout})
			ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
			defer cancel()
			_, err := store.Read(ctx, routing.Key{Instance: "i"})
			wantError(t, err, "did not answer in time")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want it to match context.DeadlineExceeded", err)
			}
		})
	}
}

// An established connection on which nothing comes back any more.
func TestServerThatStopsAnswering(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: 24 * time.Hour})
	wantInstance(t, store, "i", "")
	if err := server.Client().ClientPause(t.Context(), time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := store.Read(ctx, routing.Key{Instance: "i"})
	wantError(t, err, "did not answer in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want it to match context.DeadlineExceeded", err)
	}
}

// A connection that is cut after the server carried a change out, and before it could say so: the change happened once,
// and the caller is told that it may have.
func TestCutConnectionIsNotSentTwice(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := newProxy(t, server.Addr)
	store := open(t, redisstore.Config{Addresses: []string{proxy.address}, Timeout: patience})
	key := routing.Key{Instance: "i"}
	held := swap(t, store, routing.Change{Key: key, Instance: write("before")})
	document, _, err := store.SwapDocument(t.Context(), "d", 0, []byte("before"))
	if err != nil {
		t.Fatal(err)
	}

	scripts := calls(t, server.Client(), "evalsha")
	proxy.swallow.Store(true)
	_, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Old: held, Instance: write("after")})
	if swapped {
		t.Error("the change is reported as made, though no answer came")
	}
	wantError(t, err, "may have been carried out")
	if got := calls(t, server.Client(), "evalsha") - scripts; got != 1 {
		t.Errorf("the change was sent %d times, want once", got)
	}
	wantInstance(t, store, "i", "after")

	scripts = calls(t, server.Client(), "evalsha")
	proxy.swallow.Store(true)
	_, swapped, err = store.SwapDocument(t.Context(), "d", document.Version, []byte("after"))
	if swapped {
		t.Error("the document is reported as written, though no answer came")
	}
	wantError(t, err, "may have been carried out")
	if got := calls(t, server.Client(), "evalsha") - scripts; got != 1 {
		t.Errorf("the document was sent %d times, want once", got)
	}

	written, err := store.ReadDocument(t.Context(), "d")
	if err != nil || written.Version != document.Version+1 || string(written.Data) != "after" {
		t.Errorf("got version %d, %q, %v, want version %d, written once",
			written.Version, written.Data, err, document.Version+1)
	}

	// Neither is what could not be read taken for absent.
	proxy.swallow.Store(true)
	snapshot, err := store.Read(t.Context(), key)
	wantError(t, err, "may have been carried out")
	if snapshot.Instance != nil || !snapshot.Now.IsZero() {
		t.Errorf("Read returns %q beside its error", snapshot)
	}
	proxy.swallow.Store(true)
	_, err = store.ReadDocument(t.Context(), "d")
	wantError(t, err, "may have been carried out")
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	address := serve(t, func(connection net.Conn) {
		_, _ = io.ReadFull(connection, make([]byte, 1))
		reached <- struct{}{}
		_, _ = io.Copy(io.Discard, connection)
	})
	store, err := redisstore.New(redisstore.Config{Addresses: []string{address}, Timeout: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		failed <- err
	}()
	<-reached
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("got %v, want an error that matches ErrUnavailable", err)
	}
}

// serve answers each connection to a port with handle, until the test ends.
func serve(t *testing.T, handle func(connection net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		close(done)
		_ = listener.Close()
	})
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				<-done
				_ = connection.Close()
			}()
			go func() {
				handle(connection)
				_ = connection.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// proxy passes connections on, and can keep the answers to itself.
type proxy struct {
	address string
	// swallow has the next answer thrown away and its connection cut. The connections after that are passed on again.
	swallow atomic.Bool
	// only, where set, limits that to answers to a command that holds it.
	only string
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{}
	p.address = serve(t, func(client net.Conn) {
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		var meant atomic.Bool
		go func() {
			defer func() { _ = server.Close() }()
			command := make([]byte, 4096)
			for {
				n, err := client.Read(command)
				if err != nil {
					return
				}
				meant.Store(bytes.Contains(command[:n], []byte(p.only)))
				if _, err := server.Write(command[:n]); err != nil {
					return
				}
			}
		}()
		answer := make([]byte, 4096)
		for {
			n, err := server.Read(answer)
			if err != nil || meant.Load() && p.swallow.CompareAndSwap(true, false) {
				return
			}
			if _, err := client.Write(answer[:n]); err != nil {
				return
			}
		}
	})
	return p
}
