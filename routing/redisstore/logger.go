package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// SetLogger has log called with what the Redis client reports on its own, such as failed connections, which otherwise
// goes to standard error; nil drops it. The client has one logger for the whole process, so this reaches other users of
// it too: it is for a program to call, not for a library, and New does not. What fails a call is in its error anyway.
func SetLogger(log func(ctx context.Context, message string)) {
	redis.SetLogger(logger{log: log})
}

// logger is a logger in the shape that the client wants.
type logger struct {
	log func(ctx context.Context, message string)
}

func (l logger) Printf(ctx context.Context, format string, values ...any) {
	if l.log != nil {
		l.log(ctx, fmt.Sprintf(format, values...))
	}
}
