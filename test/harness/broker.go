package harness

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// BrokerPassword is the password that sample brokers want of the gateway.
const BrokerPassword = "broker-password-marked"

// Broker is a sample broker that listens.
type Broker struct {
	*samplebroker.Broker
	URL string

	address string
	mu      sync.Mutex
	server  *http.Server // nil while the broker is down
	holds   []*Hold
}

// StartBroker starts a sample broker, with the credentials gateway and BrokerPassword where the options have none. It ends
// with the test.
func StartBroker(t testing.TB, options samplebroker.Options) *Broker {
	t.Helper()
	if options.User == "" {
		options.User, options.Password = "gateway", BrokerPassword
	}
	broker, err := samplebroker.New(options)
	if err != nil {
		t.Fatalf("making a sample broker: %v", err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", reservePort(t))
	b := &Broker{Broker: broker, URL: "http://" + address, address: address}
	b.Up(t)
	t.Cleanup(func() {
		broker.Close()
		b.Down(t)
	})
	return b
}

// Up has the broker listen again after Down. It holds what it held.
func (b *Broker) Up(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return
	}
	listener, err := net.Listen("tcp", b.address)
	if err != nil {
		t.Fatalf("a sample broker cannot listen: %v", err)
	}
	server := &http.Server{Handler: b}
	b.server = server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("a sample broker does not listen any more: %v", err)
		}
	}()
}

// Down cuts all connections to the broker and has it refuse new ones.
func (b *Broker) Down(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return
	}
	if err := b.server.Close(); err != nil {
		t.Errorf("a sample broker cannot be closed: %v", err)
	}
	b.server = nil
}

// Backend is the backend block for the broker, with more lines inside.
func (b *Broker) Backend(name, lines string) string {
	return fmt.Sprintf("backend %s %s {\n\tbasic_auth gateway %s\n\t%s\n}\n", name, b.URL, BrokerPassword, lines)
}

// Platform is a platform block with the credentials of this package.
func Platform(name, lines string) string {
	return fmt.Sprintf("platform %s {\n\tbasic_auth %s %s\n\t%s\n}\n", name, User, PasswordHash, lines)
}
