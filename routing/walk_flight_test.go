package routing_test

import (
	"slices"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// walkFlight is one call of a walk.
type walkFlight struct {
	entry   *routing.Entry
	started time.Time
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
	verdict, err := w.ledger.Close(w.t.Context(), f.entry, *f.outcome)
	if err != nil {
		w.fatalf("close: %v", err)
	}
	w.note("%s: %s noted, %q: %s", f.entry.Call.Token, f.outcome.Class, verdict, w.describe(f.entry.Call.Key))
	return verdict
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
