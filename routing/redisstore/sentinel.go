package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchInterval is how often the sentinels are asked whether the master is still the same.
const watchInterval = time.Second

// sentinels know which server is the master. They are asked all at once and the majority is believed: one that hangs is
// not waited for, and one that is cut off from the others does not mislead.
type sentinels struct {
	name     string
	clients  []*redis.Client
	dial     dial
	patience time.Duration

	mu sync.Mutex
	// connections are the open ones to servers.
	connections map[*masterConnection]struct{}
	watching    bool
	closed      chan struct{}
	isClosed    bool
}

// sentinelError is an error of the way to the master, before any server was asked. It says what to do.
type sentinelError struct {
	advice string
	cause  error
}

func (e *sentinelError) Error() string {
	if e.cause == nil {
		return e.advice
	}
	return e.advice + ": " + e.cause.Error()
}

func (e *sentinelError) Unwrap() error { return e.cause }

func newSentinels(config Config, addresses []string, options redis.Options) *sentinels {
	s := &sentinels{
		name: config.SentinelMaster, dial: options.Dialer,
		// Part of a call that has to connect: the master is dialled in what remains.
		patience:    options.DialTimeout / 3,
		connections: map[*masterConnection]struct{}{}, closed: make(chan struct{}),
	}
	options.Username, options.Password, options.DB = config.SentinelUsername, config.SentinelPassword, 0
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = s.patience, s.patience, s.patience
	options.OnConnect = nil
	for _, address := range addresses {
		own := options
		own.Addr = address
		s.clients = append(s.clients, redis.NewClient(&own))
	}
	return s
}

// dialMaster connects to the present master.
func (s *sentinels) dialMaster(ctx context.Context, network, _ string) (net.Conn, error) {
	s.watch() //nolint:contextcheck // what it starts outlives the call
	address, err := s.master(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	connection := &masterConnection{Conn: plain, address: address, owner: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections[connection] = struct{}{}
	if checkable, ok := plain.(syscall.Conn); ok {
		return checkedConnection{connection, checkable}, nil
	}
	return connection, nil
}

// master asks the sentinels.
func (s *sentinels) master(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	type answer struct {
		address string
		err     error
	}
	answers := make(chan answer, len(s.clients))
	for _, client := range s.clients {
		go func() {
			question := redis.NewStringSliceCmd(ctx, "sentinel", "get-master-addr-by-name", s.name)
			err := client.Process(ctx, question)
			if err == nil && len(question.Val()) != 2 {
				err = errors.New("the answer of the sentinel is malformed")
			}
			if err != nil {
				answers <- answer{err: err}
				return
			}
			answers <- answer{address: net.JoinHostPort(question.Val()[0], question.Val()[1])}
		}()
	}
	votes := map[string]int{}
	var failures []error
	for range s.clients {
		answer := <-answers
		if answer.err != nil {
			failures = append(failures, answer.err)
			continue
		}
		votes[answer.address]++
		if votes[answer.address] > len(s.clients)/2 {
			return answer.address, nil
		}
	}
	if len(votes) == 0 {
		return "", s.noAnswer(failures)
	}
	// The others do not answer. Who is the master of those that do counts, as long as they agree.
	if len(votes) > 1 {
		return "", &sentinelError{advice: "the sentinels name different masters; a failover may be under way"}
	}
	for address := range votes {
		return address, nil
	}
	return "", nil
}

// noAnswer makes one error of those of all sentinels.
func (s *sentinels) noAnswer(failures []error) error {
	cause := errors.Join(failures...)
	for _, failure := range failures {
		if errors.Is(failure, redis.Nil) {
			return &sentinelError{advice: fmt.Sprintf(
				"the sentinels know no master of the name %q; correct sentinel_master", s.name)}
		}
	}
	for _, failure := range failures {
		answer, ok := errors.AsType[redis.Error](failure)
		if !ok {
			continue
		}
		text := answer.Error()
		switch known := answerAdvice(text); known {
		case wrongCredentials, wantsPassword, wantsNoPassword:
			return &sentinelError{advice: "the sentinels refuse the credentials; " +
				"correct sentinel_username and sentinel_password", cause: failure}
		case lacksPermission:
			return &sentinelError{advice: "the user at the sentinels lacks a permission; " +
				"allow it SENTINEL GET-MASTER-ADDR-BY-NAME", cause: failure}
		}
		return &sentinelError{advice: "the sentinels do not name the master; are these sentinels?", cause: failure}
	}
	return &sentinelError{
		advice: fmt.Sprintf("none of the %d sentinels can be reached", len(s.clients)), cause: cause,
	}
}

// watch starts to look after the connections, once.
func (s *sentinels) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watching || s.isClosed {
		return
	}
	s.watching = true
	go func() {
		look := time.NewTicker(watchInterval)
		defer look.Stop()
		for {
			select {
			case <-s.closed:
				return
			case <-look.C:
				s.dropOthers()
			}
		}
	}()
}

// dropOthers closes the connections to a server that is not the master any more. It may not know that yet, and would
// answer from the past.
func (s *sentinels) dropOthers() {
	s.mu.Lock()
	open := len(s.connections)
	s.mu.Unlock()
	if open == 0 {
		return
	}
	master, err := s.master(context.Background())
	if err != nil {
		// As long as nobody names another master, the one that answers is good.
		return
	}
	s.mu.Lock()
	others := slices.Collect(func(yield func(*masterConnection) bool) {
		for connection := range s.connections {
			if connection.address != master && !yield(connection) {
				return
			}
		}
	})
	s.mu.Unlock()
	for _, connection := range others {
		_ = connection.Close()
	}
}

func (s *sentinels) close() error {
	s.mu.Lock()
	if !s.isClosed {
		s.isClosed = true
		close(s.closed)
	}
	s.mu.Unlock()
	failures := make([]error, 0, len(s.clients))
	for _, client := range s.clients {
		failures = append(failures, client.Close())
	}
	return errors.Join(failures...)
}

// masterConnection is a connection to a server that was the master when it was made.
type masterConnection struct {
	net.Conn
	address string
	owner   *sentinels
}

// Close implements net.Conn.
func (c *masterConnection) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.connections, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// checkedConnection is one that the client can see to be closed while it is idle. One with TLS is none.
type checkedConnection struct {
	*masterConnection
	raw
}

type raw = syscall.Conn
