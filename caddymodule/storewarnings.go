package caddymodule

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// warningsInterval is how often a store is asked whether it may lose records.
	warningsInterval = time.Minute
	// warningsRepeat is how often a warning that lasts is logged.
	warningsRepeat = time.Hour
)

// storeWarnings logs what endangers the records in a store, in the words of the store.
type storeWarnings struct {
	ask    func(ctx context.Context) ([]string, error)
	logger func() *zap.Logger
	// lasting are the warnings of the last look, and when each was logged last.
	lasting map[string]time.Time
	// again asks for a look at once.
	again chan struct{}

	began  sync.Once
	cancel context.CancelFunc
	ended  chan struct{}
}

// newStoreWarnings returns what looks after a store. It does nothing for a store that has nothing to warn of.
func newStoreWarnings(store any, logger func() *zap.Logger) *storeWarnings {
	w := &storeWarnings{
		logger: logger, lasting: make(map[string]time.Time), again: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if warner, ok := store.(interface {
		Warnings(ctx context.Context) ([]string, error)
	}); ok {
		w.ask = warner.Warnings
	}
	return w
}

// begin starts to look, or looks again at once. A gateway that starts calls it.
func (w *storeWarnings) begin() {
	w.began.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel = cancel
		go w.follow(ctx)
	})
	select {
	case w.again <- struct{}{}:
	default:
	}
}

// end stops looking, for good.
func (w *storeWarnings) end() {
	w.began.Do(func() { close(w.ended) })
	if w.cancel != nil {
		w.cancel()
	}
	<-w.ended
}

func (w *storeWarnings) follow(ctx context.Context) {
	defer close(w.ended)
	if w.ask == nil {
		return
	}
	interval := time.NewTicker(warningsInterval)
	defer interval.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.again:
		case <-interval.C:
		}
		w.look(ctx, time.Now())
	}
}

// look asks once, and logs what is new, what lasts for long, and what is over.
func (w *storeWarnings) look(ctx context.Context, now time.Time) {
	warnings, err := w.ask(ctx)
	if err != nil {
		return // The calls fail as well, and that is logged. What was warned of is not over.
	}
	logger := w.logger()
	found := make(map[string]time.Time, len(warnings))
	for _, warning := range warnings {
		logged, lasts := w.lasting[warning]
		if !lasts || now.Sub(logged) >= warningsRepeat {
			logger.Warn("the ownership store may lose records: "+warning, zap.Bool("lasting", lasts))
			logged = now
		}
		found[warning] = logged
	}
	for warning := range w.lasting {
		if _, lasts := found[warning]; !lasts {
			logger.Info("a danger to the ownership store is over", zap.String("was", warning))
		}
	}
	w.lasting = found
}
