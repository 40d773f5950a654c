package routing_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	walks       = 250
	stepsOfWalk = 200
	// walkSeedVariable names the environment variable that has a walk repeated.
	walkSeedVariable = "ROUTING_WALK_SEED"

	walkTimeout = 2 * time.Second
	walkSettle  = 3 * time.Second
)

// walkConfig gives calls little time, so that a walk sees much of it pass.
type walkConfig struct{ testConfig }

func (walkConfig) Window(backend routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: walkTimeout, Settle: walkSettle}, backend == "a"
}

// walk is a random walk over what platforms, the gateway, its crashes and an honest backend may do, on one ledger. Time
// is the fake one of a synctest bubble.
type walk struct {
	t       *testing.T
	rand    *rand.Rand
	ledger  *routing.Ledger
	store   routing.Store
	backend *walkBackend
	keys    []routing.Key
	// focus is the key that most happens to.
	focus   routing.Key
	flights []*walkFlight
	// handed are the operations that the platform was told of.
	handed map[routing.Key][]string
	calls  int
	trail  []string
}

// TestRandomWalk walks over two instances, one of which the backend held before there was a gateway, and a binding of
// each. Whatever the backend holds is routable at every step, and at the end a few deletes end every record.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if text := os.Getenv(walkSeedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", walkSeedVariable, seed)
	for i := range uint64(walks) {
		if t.Failed() {
			return
		}
		synctest.Test(t, func(t *testing.T) { newWalk(t, rand.New(rand.NewPCG(seed, i))).run() })
	}
}

func newWalk(t *testing.T, random *rand.Rand) *walk {
	t.Helper()
	store := routing.NewMemoryStore()
	w := &walk{
		t: t, rand: random, store: store, ledger: routing.NewLedger(store, routing.LedgerOptions{}),
		backend: &walkBackend{rand: random, things: make(map[routing.Key]*walkThing)},
		handed:  make(map[routing.Key][]string),
	}
	for _, instance := range []routing.InstanceID{"i", "older"} {
		for _, binding := range []routing.BindingID{"b1", ""} {
			key := routing.Key{Instance: instance, Binding: binding}
			w.keys = append(w.keys, key)
			w.backend.things[key] = &walkThing{holds: instance == "older"}
		}
	}
	w.focus = w.keys[random.IntN(len(w.keys))]
	return w
}

func (w *walk) note(format string, arguments ...any) {
	w.trail = append(w.trail, fmt.Sprintf(format, arguments...))
}

func (w *walk) fatalf(format string, arguments ...any) {
	w.t.Helper()
	w.t.Fatalf(format+" after:\n%s", append(arguments, strings.Join(w.trail, "\n"))...)
}

// pass lets time of the bubble go by.
func pass(d time.Duration) { <-time.After(d) }

func (w *walk) run() {
	for range stepsOfWalk {
		w.step()
		w.judge()
	}
	w.settle()
	for _, key := range w.keys { // bindings come before their instance
		w.end(key)
	}
}

func (w *walk) step() {
	switch n := w.rand.IntN(20); {
	case n < 2:
		w.note("a second passes")
		pass(time.Second)
	case n == 2 && w.rand.IntN(10) == 0:
		w.note("two hours pass")
		pass(2 * time.Hour)
	case n < 5:
		key := w.anyKey()
		if thing := w.backend.things[key]; thing.underWay() != nil {
			succeeds := w.rand.IntN(4) != 0
			w.note("%v: %s ends, %t", key, thing.underWay().id, succeeds)
			w.backend.finish(thing, succeeds)
		}
	case n < 9 && len(w.flights) < 4:
		w.begin(w.anyCall())
	case len(w.flights) > 0:
		w.advance(w.flights[w.rand.IntN(len(w.flights))])
	}
	w.flights = slices.DeleteFunc(w.flights, func(f *walkFlight) bool { return f == nil })
}

func (w *walk) anyKey() routing.Key {
	if i := w.rand.IntN(6 * len(w.keys)); i < len(w.keys) {
		return w.keys[i]
	}
	return w.focus
}

// anyCall is what a platform may ask next.
func (w *walk) anyCall() *routing.Call {
	key := w.anyKey()
	kinds := []routing.Kind{
		routing.KindCreate, routing.KindCreate, routing.KindCreate, routing.KindDelete, routing.KindDelete,
		routing.KindDelete, routing.KindPoll, routing.KindPoll, routing.KindPoll,
	}
	if key.Binding == "" {
		kinds = append(kinds, routing.KindUpdate)
	}
	call := w.newCall(kinds[w.rand.IntN(len(kinds))], key)
	if handed := w.handed[key]; call.Kind == routing.KindPoll && len(handed) > 0 {
		switch w.rand.IntN(4) {
		case 0: // without a name
		case 1:
			call.Operation = handed[w.rand.IntN(len(handed))]
		default:
			call.Operation = handed[len(handed)-1]
		}
	}
	return call
}

func (w *walk) newCall(kind routing.Kind, key routing.Key) *routing.Call {
	w.calls++
	return newCall(kind, key, func(c *routing.Call) {
		c.Token = fmt.Sprintf("t%d", w.calls)
		c.Life = "life-" + c.Token
	})
}

func (w *walk) begin(call *routing.Call) *walkFlight {
	w.t.Helper()
	started := time.Now()
	entry, err := w.ledger.Begin(w.t.Context(), call, walkConfig{})
	if err != nil {
		w.fatalf("begin: %v", err)
	}
	w.note("%s %s %v %s: begun, %q: %s", call.Token, call.Kind, call.Key, call.Operation, entry.Decision.Refusal,
		w.describe(call.Key))
	switch refusal := entry.Decision.Refusal; {
	case refusal == routing.RefusalNone:
	case refusal == routing.RefusalNeverSent && call.Key.Binding == "" && !w.heldByUs(call.Key):
		return nil
	default:
		w.fatalf("refused: %s", refusal)
	}
	f := &walkFlight{entry: entry, started: started, slow: w.rand.IntN(3) == 0}
	w.flights = append(w.flights, f)
	return f
}

// record reads what the store holds of a key.
func (w *walk) record(key routing.Key) *routing.Record {
	w.t.Helper()
	snapshot, err := w.store.Read(w.t.Context(), key)
	if err != nil {
		w.fatalf("read: %v", err)
	}
	if key.Binding != "" {
		return decodeRecord(w.t, snapshot.Binding)
	}
	return decodeRecord(w.t, snapshot.Instance)
}

// describe says in short what is recorded of a key.
func (w *walk) describe(key routing.Key) string {
	record := w.record(key)
	if record == nil {
		return "no record"
	}
	return fmt.Sprintf("%s %q, seen %t, doubt %t", record.State, record.Op.Operation, record.Seen,
		record.DoubtUntil > routing.At(time.Now()))
}

// heldByUs tells whether the backend holds a thing because of a call through the gateway. What it held before is not judged.
func (w *walk) heldByUs(key routing.Key) bool {
	thing := w.backend.things[key]
	return thing.ours && thing.mayHold()
}

// judge: what the backend holds because of a call through the gateway is routable.
func (w *walk) judge() {
	w.t.Helper()
	for _, key := range w.keys {
		record := w.record(key)
		if w.heldByUs(key) && (record == nil || !record.Live() || record.Backend != "a") {
			w.fatalf("the backend holds %v and no live record leads there", key)
		}
	}
}

// settle ends what is under way: calls whose outcome is not known crash.
func (w *walk) settle() {
	for _, f := range w.flights {
		if f.outcome != nil && f.noted < 2 {
			w.close(f)
		}
	}
	w.flights = nil
	w.judge()
	for _, key := range w.keys {
		if thing := w.backend.things[key]; thing.underWay() != nil {
			w.backend.finish(thing, true)
		}
	}
	w.note("an hour passes")
	pass(time.Hour)
	w.judge()
}

// end has the platform delete until the thing is gone, which it is after few deletes.
func (w *walk) end(key routing.Key) {
	w.t.Helper()
	thing := w.backend.things[key]
	for range 20 {
		record := w.record(key)
		if (!thing.holds || !thing.ours) && (record == nil || !record.Live()) {
			return
		}
		f := w.begin(w.newCall(routing.KindDelete, key))
		if f == nil {
			continue
		}
		f.pending, f.expires = true, time.Now().Add(walkTimeout)
		w.execute(f, true)
		w.close(f)
		if f.outcome.Class == routing.ClassAccepted {
			w.backend.finish(thing, true)
			poll := w.begin(w.newCall(routing.KindPoll, key))
			poll.entry.Call.Operation = f.outcome.Operation
			poll.pending, poll.expires = true, time.Now().Add(walkTimeout)
			w.execute(poll, true)
			w.close(poll)
		}
		w.judge()
	}
	w.fatalf("%v: deletes do not end the record, which is %s", key, encodeRecord(w.t, w.record(key)))
}
