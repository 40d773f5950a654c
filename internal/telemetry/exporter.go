package telemetry

import (
	"context"
	"errors"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// errAborted is why an export ends that somebody no longer waits for.
var errAborted = errors.New("export of traces given up")

// abortableExporter is an exporter whose exports can be given up. Without it the goroutine of the batch processor stays
// for minutes behind a collector that does not answer, long after the shutdown that it belongs to.
type abortableExporter struct {
	sdktrace.SpanExporter

	once    sync.Once
	aborted chan struct{}
}

func newAbortableExporter(exporter sdktrace.SpanExporter) *abortableExporter {
	return &abortableExporter{SpanExporter: exporter, aborted: make(chan struct{})}
}

// abort ends the export that runs, and those that are begun later.
func (e *abortableExporter) abort() { e.once.Do(func() { close(e.aborted) }) }

// ExportSpans exports a batch of spans, until it is done or given up.
func (e *abortableExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	select {
	case <-e.aborted:
		return errAborted
	default:
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-e.aborted:
			cancel(errAborted)
		case <-ctx.Done():
		}
	}()
	return e.SpanExporter.ExportSpans(ctx, spans)
}
