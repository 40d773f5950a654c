package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// errClosed is the cause of the errors of a closed store.
var errClosed = errors.New("the store is closed")

// Store is a routing.Store on a Redis server.
type Store struct {
	client  redis.UniversalClient
	layout  layout
	timeout time.Duration
	observe routing.Observer
	closed  atomic.Bool
	// connected tells whether there ever was a working connection.
	connected atomic.Bool
}

// New checks the configuration and returns a store. It does not connect: the first call does.
func New(config Config) (*Store, error) {
	options, err := config.options()
	if err != nil {
		return nil, fmt.Errorf("configuring the redis store: %w", err)
	}
	s := &Store{layout: config.layout(), timeout: config.timeout(), observe: config.Observe}
	options.OnConnect = s.onConnect
	s.client = redis.NewClient(options)
	return s, nil
}

// onConnect is called on each new connection, after it was authenticated.
func (s *Store) onConnect(ctx context.Context, connection *redis.Conn) error {
	s.connected.Store(true)
	return refuseReplica(ctx, connection)
}

// Read implements routing.Store.
func (s *Store) Read(ctx context.Context, key routing.Key) (snapshot routing.Snapshot, err error) {
	err = s.call(ctx, routing.StoreRead, func(ctx context.Context) error {
		reply, err := readScript.Run(ctx, s.client, s.layout.records(key).read()).Slice()
		if err != nil {
			return err
		}
		if len(reply) != 4 {
			return unexpected(reply)
		}
		snapshot, err = parseSnapshot(reply)
		return err
	})
	return snapshot, err
}

// Swap implements routing.Store. It does nothing about BeforeSend: a single server has a write when it acknowledges it.
// Where replicas must have it too, such a change is to be followed by WAIT on the same connection and in the same round
// trip, for WAIT is not allowed inside a script.
func (s *Store) Swap(
	ctx context.Context, change routing.Change,
) (snapshot routing.Snapshot, swapped bool, err error) {
	err = s.call(ctx, routing.StoreSwap, func(ctx context.Context) error {
		if err := change.Check(); err != nil {
			return err
		}
		keys := s.layout.records(change.Key)
		reply, err := swapScript.Run(ctx, s.client, keys.swap(), swapArguments(keys, change)...).Slice()
		if err != nil {
			return err
		}
		if len(reply) != 3 && len(reply) != 5 {
			return unexpected(reply)
		}
		if swapped = reply[0] == int64(1); !swapped {
			if len(reply) != 5 {
				return unexpected(reply)
			}
			snapshot, err = parseSnapshot(reply[1:])
			return err
		}
		now, err := parseTime(reply[1], reply[2])
		snapshot = change.After(now)
		return err
	})
	if err != nil {
		return routing.Snapshot{}, false, err
	}
	return snapshot, swapped, nil
}

// ReadDocument implements routing.Store.
func (s *Store) ReadDocument(ctx context.Context, name string) (document routing.Document, err error) {
	err = s.call(ctx, routing.StoreReadDocument, func(ctx context.Context) error {
		fields, err := s.client.HMGet(ctx, s.layout.document(name), "version", "data").Result()
		if err != nil {
			return err
		}
		if len(fields) != 2 {
			return unexpected(fields)
		}
		document, err = parseDocument(fields[0], fields[1])
		return err
	})
	return document, err
}

// SwapDocument implements routing.Store.
func (s *Store) SwapDocument(
	ctx context.Context, name string, old uint64, data []byte,
) (document routing.Document, swapped bool, err error) {
	err = s.call(ctx, routing.StoreSwapDocument, func(ctx context.Context) error {
		reply, err := swapDocumentScript.Run(ctx, s.client, []string{s.layout.document(name)},
			strconv.FormatUint(old, 10), strconv.FormatUint(old+1, 10), data).Slice()
		if err != nil {
			return err
		}
		switch {
		case len(reply) == 1 && reply[0] == int64(1):
			swapped = true
			document = routing.Document{Version: old + 1, Data: append([]byte{}, data...)}
			return nil
		case len(reply) == 3 && reply[0] == int64(0):
			document, err = parseDocument(reply[1], reply[2])
			return err
		}
		return unexpected(reply)
	})
	if err != nil {
		return routing.Document{}, false, err
	}
	return document, swapped, nil
}

// Close implements routing.Store. It ends calls that are under way.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("closing the redis store: %w", err)
	}
	return nil
}

// call runs one round trip under the store's timeout and has it observed.
func (s *Store) call(ctx context.Context, operation string, trip func(ctx context.Context) error) (err error) {
	ctx, done := s.observe.Start(ctx, operation)
	defer func() { done(err) }()

	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.closed.Load() {
		return s.unavailable(errClosed)
	}
	// The client looks at the deadline of a context only, not at whether it was cancelled.
	if err := ctx.Err(); err != nil {
		return s.unavailable(err)
	}
	if err := trip(ctx); err != nil {
		return s.unavailable(err)
	}
	return nil
}

// Interface guard.
var _ routing.Store = (*Store)(nil)
