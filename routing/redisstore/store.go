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
	client redis.UniversalClient
	// cluster and sentinels are set where there are some.
	cluster   *cluster
	sentinels *sentinels
	waiting   waiting
	layout    layout
	timeout   time.Duration
	observe   routing.Observer
	closed    atomic.Bool
	// identity is what each bucket should carry; nil for anything.
	identity atomic.Pointer[string]
	// connected tells whether there ever was a working connection.
	connected atomic.Bool
}

// New checks the configuration and returns a store. It does not connect: the first call does.
func New(config Config) (*Store, error) {
	target, err := config.check()
	if err != nil {
		return nil, fmt.Errorf("configuring the redis store: %w", err)
	}
	s := &Store{layout: config.layout(), timeout: config.timeout(), observe: config.Observe}
	s.waiting = waiting{replicas: config.waitReplicas(), timeout: config.waitTimeout()}
	s.connect(config, target)
	return s, nil
}

// Read implements routing.Store.
func (s *Store) Read(ctx context.Context, key routing.Key) (snapshot routing.Snapshot, err error) {
	err = s.call(ctx, routing.StoreRead, func(ctx context.Context) error {
		expected, keys := s.expected(), s.layout.records(key)
		reply, err := readScript.Run(ctx, s.client, keys.read()).Slice()
		if err != nil {
			return err
		}
		if len(reply) != 5 {
			return unexpected(reply)
		}
		read, err := parseSnapshot(reply[:4])
		if err != nil {
			return err
		}
		if read.Instance == nil && read.Binding == nil {
			if err := checkIdentity(keys.number, expected, reply[4]); err != nil {
				return err
			}
		}
		snapshot = read
		return nil
	})
	return snapshot, err
}

// Swap implements routing.Store. Where replicas must have a write before a call is sent on the strength of it, it
// returns an error if they do not have it in time: such a write may last or be lost.
func (s *Store) Swap(
	ctx context.Context, change routing.Change,
) (snapshot routing.Snapshot, swapped bool, err error) {
	err = s.call(ctx, routing.StoreSwap, func(ctx context.Context) error {
		if err := change.Check(); err != nil {
			return err
		}
		expected, keys := s.expected(), s.layout.records(change.Key)
		reply, err := s.runSwap(ctx, change, keys.swap(), swapArguments(expected, s.layout.changes, keys, change))
		if err != nil {
			return err
		}
		if len(reply) == 2 {
			if err := checkIdentity(keys.number, expected, reply[1]); err != nil {
				return err
			}
			return unexpected(reply)
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
			strconv.FormatUint(old, 10), strconv.FormatUint(old+1, 10), data,
			s.layout.changes, documentMessage(name, old+1)).Slice()
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
	err := s.client.Close()
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.redirected.close())
	}
	if s.sentinels != nil {
		err = errors.Join(err, s.sentinels.close())
	}
	if err != nil {
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
