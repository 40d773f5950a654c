package telemetry

import (
	"context"
	"strconv"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// What becomes of a span that has ended, as the label result.
const (
	spansExported = "exported" // the collector took it
	spansFailed   = "failed"   // it was sent and not taken, or it was given up
	spansDropped  = "dropped"  // there was no room for it, or it ended after the shutdown
)

// TracingOption changes what NewTracing makes.
type TracingOption func(*tracingOptions)

type tracingOptions struct {
	count func(result string, spans int)
}

// CountSpans has what becomes of the spans counted.
func CountSpans(m *Metrics) TracingOption {
	return func(o *tracingOptions) {
		m.expectSpans()
		o.count = m.countSpans
	}
}

// waitingSpans is the queue in front of an exporter, as far as counting goes. The batch processor drops what does not
// fit and tells nobody. So that every drop is known, no more spans are let in than it has room for.
type waitingSpans struct {
	room    int64
	waiting atomic.Int64
	closed  atomic.Bool
	count   func(result string, spans int)
}

func newWaitingSpans(o tracingOptions) *waitingSpans {
	w := &waitingSpans{room: queueRoom(), count: o.count}
	if w.count == nil {
		w.count = func(string, int) {}
	}
	return w
}

// queueRoom is how many spans may wait for their export, read as the SDK reads it.
func queueRoom() int64 {
	if room, err := strconv.Atoi(variable(envQueueSize)); err == nil && room > 0 {
		return int64(room)
	}
	return sdktrace.DefaultMaxQueueSize
}

// enter tells whether there is room for one more.
func (w *waitingSpans) enter() bool {
	if w.closed.Load() {
		return false
	}
	if w.waiting.Add(1) > w.room {
		w.waiting.Add(-1)
		return false
	}
	return true
}

// countingProcessor hands on the spans that there is room for.
type countingProcessor struct {
	sdktrace.SpanProcessor

	spans *waitingSpans
}

// OnEnd hands an ended span on, or counts it as dropped. Those that are not sampled are nobody's loss.
func (p countingProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	switch {
	case !span.SpanContext().IsSampled():
	case p.spans.enter():
		p.SpanProcessor.OnEnd(span)
	default:
		p.spans.count(spansDropped, 1)
	}
}

// Shutdown exports what waits. Spans that end later are dropped.
func (p countingProcessor) Shutdown(ctx context.Context) error {
	p.spans.closed.Store(true)
	return p.SpanProcessor.Shutdown(ctx)
}

// countingExporter counts what becomes of the spans that left the queue.
type countingExporter struct {
	sdktrace.SpanExporter

	spans *waitingSpans
}

// ExportSpans exports a batch.
func (e countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.spans.waiting.Add(-int64(len(spans)))
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.spans.count(spansFailed, len(spans))
		return err
	}
	e.spans.count(spansExported, len(spans))
	return nil
}
