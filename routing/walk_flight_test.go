package routing_test

import (
	"slices"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// walkFlight is one call of a walk.
type walkFlight struct {
	// ledger is that of the gateway which the call came to.
	ledger  replica
	entry   *routing.Entry
	started time.Time
	// due notes the outcome of a poll that is the gateway's own.
	due *routing.Due
	// slow: the backend begins the call, if at all, only after the gateway gave it up.
	slow bool
	// sent: the gateway waits. pending: the backend has the call and has not begun it; it will not after expires.
	sent, pending bool
	expires       time.Time
	// outcome is what the gateway is to note, once it is known; noted counts how often it was.
	outcome *routing.Outcome
	noted   int
}

// advance does one of the things that may happen next to a call.
func (w *walk) advance(f *walkFlight) {
	token := f.entry.Call.Token
	known := f.outcome != nil
	switch n := w.rand.IntN(16); {
	case n == 0:
		w.note("%s: its gateway crashes", token)
		f.outcome, f.noted = &routing.Outcome{}, 2
	case f.pending && (known || !f.slow) && n < 6:
		w.execute(f, n != 1)
	case known && f.noted == 0, known && f.noted == 1 && n < 3:
		w.close(f)
	case known && !f.pending:
		w.drop(f)
	case known:
	case f.sent && (f.slow || n < 8):
		w.note("%s: given up", token)
		f.expires = earlier(f.expires, time.Now().Add(walkSettle))
		outcome := unsaid(f.entry.Call)
		f.outcome = &outcome
	case f.sent:
	case n == 1:
		w.note("%s: cannot be sent", token)
		outcome := unsent(f.entry.Call)
		f.outcome = &outcome
	case time.Since(f.started) < walkTimeout:
		w.note("%s: sent", token)
		f.sent, f.pending = true, true
		f.expires = f.started.Add(walkTimeout + walkSettle)
	}
}

// execute has the backend begin a call, if it still does. The answer may be lost.
func (w *walk) execute(f *walkFlight, answered bool) {
	f.pending = false
	if !time.Now().Before(f.expires) {
		return
	}
	outcome := w.backend.execute(f.entry.Call)
	w.note("%s: done at the backend, %s %s, answered %t", f.entry.Call.Token, outcome.Class, outcome.Operation, answered)
	if answered && f.outcome == nil {
		f.outcome = &outcome
		if outcome.Class == routing.ClassAccepted {
			w.handed[f.entry.Call.Key] = append(w.handed[f.entry.Call.Key], outcome.Operation)
		}
	}
}

func (w *walk) close(f *walkFlight) routing.Verdict {
	w.t.Helper()
	f.noted++
	if f.entry.Cached && f.noted > 1 {
		return routing.VerdictRelay // what only reads is not noted again
	}
	before := w.record(f.entry.Call.Key)
	if f.due != nil {
		w.closeOwn(f)
		return routing.VerdictRelay
	}
	verdict, err := f.ledger.Close(w.t.Context(), f.entry, *f.outcome)
	switch {
	case w.failed(err):
		w.tally.unwritten++
		w.note("%s: %s not noted, %q, the store fails: %s", f.entry.Call.Token, f.outcome.Class, verdict, w.describe(f.entry.Call.Key))
		if verdict == routing.VerdictStale {
			f.noted = 2 // the platform gets a 503
		}
		return verdict
	case err != nil:
		w.fatalf("close: %v", err)
	}
	w.note("%s: %s noted, %q: %s", f.entry.Call.Token, f.outcome.Class, verdict, w.describe(f.entry.Call.Key))
	w.judgeCached(f, before, verdict)
	if verdict == routing.VerdictStale {
		call := *f.entry.Call
		call.Fresh = true
		f.outcome, f.noted, f.sent, f.pending = nil, 0, false, false
		if !w.enter(f, &call) {
			if !w.failing.Load() {
				w.fatalf("%s: refused when it was begun again", call.Token)
			}
			f.outcome, f.noted = &routing.Outcome{}, 2
		}
	}
	return verdict
}

// judgeCached checks what became of an answer that was obtained by a cached record: bad news and ends are relayed only
// if the store held that record at the time.
func (w *walk) judgeCached(f *walkFlight, before *routing.Record, verdict routing.Verdict) {
	w.t.Helper()
	if !f.entry.Cached {
		if verdict == routing.VerdictStale {
			w.fatalf("%s: its record was not cached, and is stale", f.entry.Call.Token)
		}
		return
	}
	news := f.outcome.Class != routing.ClassOther || f.outcome.Failed
	same := before != nil && before.Life == f.entry.Subject().Life && before.Rev == f.entry.Subject().Rev
	// A call on a binding goes by its instance's record too, so that may have changed.
	if news && (!same && verdict == routing.VerdictRelay ||
		same && verdict != routing.VerdictRelay && f.entry.Call.Key.Binding == "") {
		w.fatalf("%s: the verdict is %q, and the record the same: %t", f.entry.Call.Token, verdict, same)
	}
	if !news && verdict != routing.VerdictRelay {
		w.fatalf("%s: the verdict on no news is %q", f.entry.Call.Token, verdict)
	}
}

// message has a gateway hear of changes, or that it does not hear of them.
func (w *walk) message(r replica) {
	switch w.rand.IntN(20) {
	case 0:
		w.note("messages are lost")
		r.store.cut()
	case 1, 2, 3, 4:
		if !r.CacheStatus().Ready {
			r.store.listener.Ready()
		}
	default:
		r.store.deliver(1 + w.rand.IntN(5))
	}
}

// count adds up how often caches were of use.
func (w *walk) count() {
	for _, ledger := range w.ledgers {
		status := ledger.CacheStatus()
		w.tally.hits += status.Hits
		w.tally.outdated += status.Outdated
	}
}

func (w *walk) drop(f *walkFlight) { w.flights[slices.Index(w.flights, f)] = nil }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// unsent is the outcome of a call that was surely not sent, unsaid that of one whose answer was lost.
func unsent(call *routing.Call) routing.Outcome {
	return routing.Classify(call, notSent)
}

func unsaid(call *routing.Call) routing.Outcome {
	return routing.Classify(call, answerLost)
}
