package routing

import (
	"context"
	"time"
)

// The names by which an Observer hears of the calls of a Store.
const (
	StoreRead         = "read"
	StoreSwap         = "swap"
	StoreReadDocument = "read_document"
	StoreSwapDocument = "swap_document"
	StoreList         = "list"
	StoreUnfinished   = "unfinished"
	StoreInProgress   = "in_progress"
	StoreMark         = "mark"
	StoreUnmarked     = "unmarked"
)

// UnfinishedName is the name of a call of Unfinished: what looks for operations of any age only wants to know what is
// in progress.
func UnfinishedName(age time.Duration) string {
	if age <= 0 {
		return StoreInProgress
	}
	return StoreUnfinished
}

// An Observer is told of each round trip to a store: it is called before one, with the name of the operation, and what
// it returns is called after it, with the error of the call. A swap that found other records than it expected is no
// error. The context it returns is the one that the round trip runs under, so that it may carry a span. It is called by
// many goroutines at once. A nil Observer observes nothing.
type Observer func(ctx context.Context, operation string) (context.Context, func(err error))

// Start calls the observer, if there is one.
func (o Observer) Start(ctx context.Context, operation string) (context.Context, func(err error)) {
	if o == nil {
		return ctx, func(error) {}
	}
	return o(ctx, operation)
}
