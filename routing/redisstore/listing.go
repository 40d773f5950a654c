package redisstore

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// listedBuckets is how many buckets one page looks at, so that it is a bounded piece of work where most are empty.
const listedBuckets = 16

// List implements routing.Store. It goes through the buckets one by one, and through the ids of each in their order,
// which is the same on every server: a listing goes on rightly after a restart or a failover.
func (s *Store) List(ctx context.Context, cursor string, limit int) (page []routing.Listed, next string, err error) {
	err = s.call(ctx, routing.StoreList, func(ctx context.Context) error {
		at, err := parsePosition(cursor)
		if err != nil {
			return err
		}
		limit := max(limit, 1)
		began := time.Now()
		for looked := 0; at.bucket < buckets && looked < listedBuckets && len(page) < limit; looked++ {
			members, err := s.client.ZRangeByLex(ctx, s.layout.bucket(at.bucket).ids(), &redis.ZRangeBy{
				Min: at.after(), Max: "+", Count: int64(limit - len(page)),
			}).Result()
			if err != nil {
				return err
			}
			isLast := len(members) < limit-len(page)
			if page, err = s.appendRecords(ctx, page, at.bucket, members); err != nil {
				return err
			}
			if isLast {
				at = position{bucket: at.bucket + 1}
			} else {
				at.member = members[len(members)-1]
			}
			if time.Since(began) > s.timeout/2 {
				break // the server is far away: what is left of the timeout may not do for the next bucket
			}
		}
		next = at.String()
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// appendRecords reads the records of some members of a bucket. Those that have expired are left out.
func (s *Store) appendRecords(
	ctx context.Context, page []routing.Listed, bucket int, members []string,
) ([]routing.Listed, error) {
	if len(members) == 0 {
		return page, nil
	}
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = s.layout.bucket(bucket).record(member)
	}
	values, err := s.client.MGet(ctx, names...).Result()
	if err != nil {
		return nil, err
	}
	if len(values) != len(members) {
		return nil, unexpected(values)
	}
	for i, member := range members {
		key, err := parseMember(member)
		if err != nil {
			return nil, err
		}
		data, err := parseBytes(values[i])
		if err != nil {
			return nil, err
		}
		if data != nil {
			page = append(page, routing.Listed{Key: key, Data: data})
		}
	}
	return page, nil
}

// position is where a listing goes on: in a bucket, after a member.
type position struct {
	bucket int
	member string
}

// after is the lower end of the members that come next.
func (p position) after() string {
	if p.member == "" {
		return "-"
	}
	return "(" + p.member
}

// String is the position as a cursor.
func (p position) String() string {
	switch {
	case p.bucket == buckets:
		return ""
	case p.member == "":
		return strconv.Itoa(p.bucket)
	}
	return strconv.Itoa(p.bucket) + " " + p.member
}

func parsePosition(cursor string) (position, error) {
	if cursor == "" {
		return position{}, nil
	}
	number, member, _ := strings.Cut(cursor, " ")
	bucket, err := strconv.Atoi(number)
	if err != nil || bucket < 0 || bucket >= buckets {
		return position{}, errors.New("the listing cannot go on from there: its cursor is not one of this store")
	}
	return position{bucket: bucket, member: member}, nil
}

// Unfinished implements routing.Store. Where there are more than limit, it starts at another bucket each time: those
// that stay unfinished for good must not keep all others out.
func (s *Store) Unfinished(ctx context.Context, age time.Duration, limit int) (keys []routing.Key, err error) {
	err = s.call(ctx, routing.UnfinishedName(age), func(ctx context.Context) error {
		now, err := s.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		latest := strconv.FormatInt(now.Add(-age).UnixMilli(), 10)
		first := rand.N(buckets) //nolint:gosec // it need not be a secret
		found := make([]*redis.ZSliceCmd, buckets)
		if err := s.pipeline(ctx, func(pipe redis.Pipeliner) {
			for i := range found {
				name := s.layout.bucket((first + i) % buckets).unfinished()
				found[i] = pipe.ZRangeByScoreWithScores(ctx, name, &redis.ZRangeBy{
					Min: "-inf", Max: latest, Count: int64(max(limit, 1)),
				})
			}
		}); err != nil {
			return err
		}
		var members []redis.Z
		for _, command := range found {
			members = append(members, command.Val()...)
		}
		members = members[:min(len(members), max(limit, 0))]
		slices.SortStableFunc(members, func(a, b redis.Z) int { return cmp.Compare(a.Score, b.Score) })
		for _, member := range members {
			text, _ := member.Member.(string)
			key, err := parseMember(text)
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}
