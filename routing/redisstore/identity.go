package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Expect implements routing.Store.
func (s *Store) Expect(identity string) { s.identity.Store(&identity) }

// expected is the identity that each bucket should carry; empty for any.
func (s *Store) expected() string {
	if identity := s.identity.Load(); identity != nil {
		return *identity
	}
	return ""
}

// Mark implements routing.Store. The parts of the store are its buckets: in a cluster any of them may be lost alone.
func (s *Store) Mark(ctx context.Context, identity string, replace bool) error {
	return s.call(ctx, routing.StoreMark, func(ctx context.Context) error {
		return s.pipeline(ctx, func(pipe redis.Pipeliner) {
			for number := range buckets {
				key := s.layout.bucket(number).identity()
				if replace {
					pipe.Set(ctx, key, identity, 0)
				} else {
					// Not SETNX, which is another permission.
					pipe.SetArgs(ctx, key, identity, redis.SetArgs{Mode: string(redis.NX)})
				}
			}
		})
	})
}

// Unmarked implements routing.Store.
func (s *Store) Unmarked(ctx context.Context, identity string) (unmarked, parts int, err error) {
	err = s.call(ctx, routing.StoreUnmarked, func(ctx context.Context) error {
		found := make([]*redis.StringCmd, buckets)
		if err := s.pipeline(ctx, func(pipe redis.Pipeliner) {
			for number := range found {
				found[number] = pipe.Get(ctx, s.layout.bucket(number).identity())
			}
		}); err != nil {
			return err
		}
		parts = len(found)
		for _, get := range found {
			if get.Err() != nil || get.Val() != identity {
				unmarked++
			}
		}
		return nil
	})
	return unmarked, parts, err
}

// pipeline sends commands in one round trip to each server that has keys of them. It returns the first error; what is
// absent is none.
func (s *Store) pipeline(ctx context.Context, queue func(pipe redis.Pipeliner)) error {
	commands, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		queue(pipe)
		return nil
	})
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
