package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/telemetry"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// sweepInterval is how often the gateway looks for operations that nobody polls, give or take a half.
	sweepInterval = 5 * time.Minute
	// firstSweep is how soon after its start, also give or take a half.
	firstSweep = 4 * time.Second
	// sweepRecords is how many records are read before the operations among them are polled.
	sweepRecords = 256
	// sweepPolls is how many backends are polled at a time, each of them for one operation at a time.
	sweepPolls = 4
	// stallTime is how long the operations of a backend are left alone that did not answer.
	stallTime = 2 * sweepInterval
)

// unfinished polls the operations that no platform polls, so that their records come to an end: a platform may accept a
// 202 for a deletion and never ask again. Of several gateways on one store, one polls each operation.
type unfinished struct {
	rt    *runtime
	due   *routing.Due
	slots chan struct{}
}

func newUnfinished(rt *runtime) *unfinished {
	return &unfinished{rt: rt, due: rt.ledger.Due(rt), slots: make(chan struct{}, sweepPolls)}
}

// run sweeps again and again until ctx ends.
func (u *unfinished) run(ctx context.Context, group *sync.WaitGroup) {
	group.Go(func() {
		wait := firstSweep
		for {
			timer := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // jitter is no secret
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			u.sweep(ctx)
			wait = sweepInterval
		}
	})
}

// sweep polls what is due.
func (u *unfinished) sweep(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var found []*routing.Unpolled
		var err error
		if found, more, err = u.due.List(ctx, sweepRecords); err != nil {
			return // the state of the store is logged where it changes
		}
		byBackend := make(map[routing.BackendID][]*routing.Unpolled)
		for _, unpolled := range found {
			byBackend[unpolled.Backend] = append(byBackend[unpolled.Backend], unpolled)
		}
		var polls sync.WaitGroup
		for id, found := range byBackend {
			u.slots <- struct{}{}
			polls.Go(func() {
				defer func() { <-u.slots }()
				u.pollBackend(ctx, id, found)
			})
		}
		polls.Wait()
	}
}

// pollBackend polls operations of one backend, one after the other. If it does not answer, the others are not tried.
func (u *unfinished) pollBackend(ctx context.Context, id routing.BackendID, found []*routing.Unpolled) {
	for _, unpolled := range found {
		if ctx.Err() != nil {
			return
		}
		entry, err := u.due.Take(ctx, unpolled)
		if err != nil {
			return
		}
		if entry == nil {
			continue
		}
		if !u.poll(ctx, entry) {
			u.due.Stall(id, stallTime)
			return
		}
	}
}

// ownPoll is one poll of the gateway's own.
type ownPoll struct {
	*unfinished
	entry     *routing.Entry
	before    *routing.Record
	broker    *broker
	operation osb.Operation
	path      string
	// requestIdentity is what the broker may log of the poll.
	requestIdentity string
}

// poll sends one poll and notes what it says. It returns false if the backend did not answer, or not as one that works.
func (u *unfinished) poll(ctx context.Context, entry *routing.Entry) bool {
	p := &ownPoll{
		unfinished: u, entry: entry, before: entry.Subject(), broker: u.rt.broker(entry.Decision.Backend),
		operation: osb.PollInstance, requestIdentity: osb.NewRequestIdentity(),
	}
	if p.broker == nil || u.rt.caller(entry.Call.Platform) == nil {
		return true // the names were found to stand for others a moment ago
	}
	p.path = "/v2/service_instances/" + url.PathEscape(string(entry.Call.Key.Instance))
	if entry.Call.Key.Binding != "" {
		p.operation = osb.PollBinding
		p.path += "/service_bindings/" + url.PathEscape(string(entry.Call.Key.Binding))
	}
	p.path += "/last_operation"
	return p.run(ctx)
}

func (p *ownPoll) run(ctx context.Context) bool {
	ctx, span := p.rt.tracing.Start(withReplacer(ctx), telemetry.SpanUnpolled, trace.SpanKindInternal, p.attributes()...)
	if p.before.Op.Trace != "" {
		telemetry.AddLink(span, p.before.Op.Trace) //nolint:contextcheck // it is another call's
	}
	response, err := p.send(ctx)
	defer func() { telemetry.EndFailed(span, err) }()
	if ctx.Err() != nil && err != nil {
		return true // the gateway ends, which says nothing of the backend
	}
	answer := routing.Answer{Delivered: true, Trace: telemetry.Traceparent(ctx)}
	if err == nil {
		said := readAnswer(response, p.rt.maxResponseBytes)
		answer.Status, answer.Object, answer.State = response.Status, said.Object, said.State
	}
	outcome := routing.Classify(p.entry.Call, answer)
	after, closeError := p.due.Close(ctx, p.entry, outcome)
	p.tell(answer, after, errors.Join(err, closeError))
	return err == nil && answer.Status < http.StatusInternalServerError && answer.Status != http.StatusUnauthorized
}

// send sends the poll, under the backend's timeout and in its own name: nobody's identity goes with it.
func (p *ownPoll) send(ctx context.Context) (*backend.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, p.broker.timeout)
	defer cancel()
	ctx, span := p.rt.tracing.Start(ctx, telemetry.BackendSpanName(p.operation), trace.SpanKindClient,
		append(telemetry.ClientAttributes(http.MethodGet, p.broker.url, p.path),
			telemetry.KeyBackend.String(p.broker.name))...)
	sending := p.rt.metrics.BackendStarted(telemetry.BackendLabels{
		Gateway: p.rt.name, Backend: p.broker.name, Operation: p.operation,
	})
	start := time.Now()
	platform := p.rt.caller(p.entry.Call.Platform)
	response, err := p.broker.Do(ctx, backend.Request{
		Method: http.MethodGet, Path: p.path, Query: p.query(), Once: true, Set: []backend.Field{
			{Name: osb.HeaderAPIVersion, Values: []string{cmp.Or(platform.defaultVersion, backend.DefaultCatalogVersion)}},
			{Name: osb.HeaderRequestIdentity, Values: []string{p.requestIdentity}},
		},
	})
	status := 0
	if err == nil {
		status = response.Status
	}
	if neverSent(err) {
		sending.Refused()
	} else {
		sending.Done(status, time.Since(start).Seconds(), telemetry.SampledTraceID(span))
	}
	endSending(span, p.operation, status, err)
	return response, err
}

// query is what a platform would send: the operation as the 202 had it, and the offering and plan. While an update goes
// on, the plan is that before it.
func (p *ownPoll) query() string {
	query := make(url.Values)
	for name, value := range map[string]string{
		"operation":  p.entry.Call.Operation,
		"service_id": string(p.entry.Call.Service),
		"plan_id":    string(p.entry.Call.Plan),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return strings.ReplaceAll(query.Encode(), "+", "%20") // which every broker reads as a space
}
