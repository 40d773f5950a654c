package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Bindings implements routing.BindingLister. The ids of a bucket are kept in order, so those of the bindings of one
// instance stand together.
func (s *Store) Bindings(
	ctx context.Context, instance routing.InstanceID, limit int,
) (page []routing.Listed, more bool, err error) {
	err = s.call(ctx, routing.StoreList, func(ctx context.Context) error {
		number := int(bucket(instance))
		prefix := bindingMember + escape(string(instance))
		members, err := s.client.ZRangeByLex(ctx, s.layout.bucket(number).ids(), &redis.ZRangeBy{
			// A semicolon comes right after the colon that ends the instance.
			Min: "[" + prefix + ":", Max: "(" + prefix + ";", Count: int64(max(limit, 0)) + 1,
		}).Result()
		if err != nil {
			return err
		}
		if more = len(members) > limit; more {
			members = members[:max(limit, 0)]
		}
		page, err = s.appendRecords(ctx, nil, number, members)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return page, more, nil
}

// Interface guard.
var _ routing.BindingLister = (*Store)(nil)
