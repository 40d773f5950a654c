package routing_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// fault is what goes wrong with the next call of a store.
func (w *walk) fault(string) fault {
	if !w.failing.Load() {
		return none
	}
	// The queues of the ledgers call the store too, from goroutines of their own.
	w.faults.Lock()
	defer w.faults.Unlock()
	switch w.faultRand.IntN(12) {
	case 0:
		return before
	case 1:
		return after
	}
	return none
}

// failed tells whether an error is one that the walk's store made up.
func (w *walk) failed(err error) bool {
	return w.failing.Load() && errors.Is(err, routing.ErrUnavailable) && errors.Is(err, errInjected)
}

// sweep has a gateway begin to poll what nobody polls.
func (w *walk) sweep(gateway int) {
	w.t.Helper()
	due := w.dues[gateway]
	found, _, err := due.List(w.t.Context(), 10)
	if err != nil && !w.failed(err) {
		w.fatalf("list: %v", err)
	}
	for _, unpolled := range found {
		entry, err := due.Take(w.t.Context(), unpolled)
		if err != nil && !w.failed(err) {
			w.fatalf("take: %v", err)
		}
		if entry == nil {
			continue
		}
		w.tally.polled++
		w.calls++
		entry.Call.Token = fmt.Sprintf("own%d", w.calls) // for the trail only
		w.note("%s poll %v %s: begun: %s", entry.Call.Token, entry.Call.Key, entry.Call.Operation, w.describe(entry.Call.Key))
		w.flights = append(w.flights, &walkFlight{
			ledger: w.ledgers[gateway], entry: entry, started: time.Now(), due: due,
		})
	}
}

// closeOwn notes the outcome of a poll of the gateway's own.
func (w *walk) closeOwn(f *walkFlight) {
	w.t.Helper()
	_, err := f.due.Close(w.t.Context(), f.entry, *f.outcome)
	if err != nil && !w.failed(err) {
		w.fatalf("close: %v", err)
	}
	w.note("%s: %s noted, %v: %s", f.entry.Call.Token, f.outcome.Class, err, w.describe(f.entry.Call.Key))
}
