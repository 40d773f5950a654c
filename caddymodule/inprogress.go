package caddymodule

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// progressInterval is how often the operations in progress are counted, give or take a tenth.
	progressInterval = 10 * time.Second
	// firstProgress is how soon after its start, for the most.
	firstProgress = time.Second
	// progressRecords is how many records are read for one count. Where more operations are in progress, so many show.
	progressRecords = 1000
)

// countProgress keeps the metrics of asynchronous operations, again and again until ctx ends. Each gateway on a store
// counts all that is in it, so each shows the same.
func (rt *runtime) countProgress(ctx context.Context, group *sync.WaitGroup) {
	group.Go(func() {
		wait := rand.N(firstProgress) //nolint:gosec // jitter is no secret
		for {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			rt.noteProgress(ctx)
			wait = progressInterval*9/10 + rand.N(progressInterval/5) //nolint:gosec // jitter is no secret
		}
	})
}

// noteProgress counts once. While the store does not answer, the metrics stay as they are.
func (rt *runtime) noteProgress(ctx context.Context) {
	found, err := rt.ledger.InProgress(telemetry.Untraced(ctx), progressRecords)
	if err != nil || ctx.Err() != nil {
		return
	}
	counted := make(map[telemetry.ProgressLabels]telemetry.InProgress)
	for _, operation := range found {
		labels := telemetry.ProgressLabels{Operation: operationOf(operation.Kind, operation.OnBinding)}
		if b := rt.broker(operation.Backend); b != nil {
			labels.Backend = b.name
		}
		since := time.UnixMilli(int64(operation.Since))
		in := counted[labels]
		if in.Count == 0 || since.Before(in.Oldest) {
			in.Oldest = since
		}
		in.Count++
		counted[labels] = in
	}
	names := make([]string, len(rt.backends))
	for i, b := range rt.backends {
		names[i] = b.name
	}
	rt.metrics.OperationsInProgress(rt.name, names, counted)
}

// operationOf names what a backend is at as spans, metrics and the audit log name the call that began it.
func operationOf(kind routing.Kind, onBinding bool) osb.Operation {
	switch {
	case kind == routing.KindDelete && onBinding:
		return osb.Unbind
	case kind == routing.KindDelete:
		return osb.Deprovision
	case kind == routing.KindUpdate:
		return osb.Update
	case onBinding:
		return osb.Bind
	default:
		return osb.Provision
	}
}
