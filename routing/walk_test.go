package routing_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// walk is a random walk over what platforms, the gateway, its crashes and an honest backend may do, on two ledgers that
// cache records and hear of each other's changes late. Time is the fake one of a synctest bubble.
type walk struct {
	t       *testing.T
	rand    *rand.Rand
	ledgers []replica
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
	tally  *walkTally
	// dues find what the gateways poll by themselves, in the order of the ledgers.
	dues []*routing.Due
	// failing: the store fails now and then.
	failing   atomic.Bool
	faults    sync.Mutex
	faultRand *rand.Rand // guarded by faults
}

// walkTally counts over all walks how often caches were of use, and how often their records were outdated when it
// mattered; how often gateways polled by themselves; how many outcomes could not be written at once; and how many calls
// were refused because something new was not offered.
type walkTally struct{ hits, outdated, polled, unwritten, notOffered uint64 }

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
	var tally walkTally
	for i := range uint64(walks) {
		if t.Failed() {
			return
		}
		synctest.Test(t, func(t *testing.T) { newWalk(t, rand.New(rand.NewPCG(seed, i)), &tally).run() })
	}
	t.Logf("%+v", tally)
	if tally.hits == 0 || tally.outdated == 0 || tally.polled == 0 || tally.unwritten == 0 || tally.notOffered == 0 {
		t.Errorf("got %+v, want some of each", tally)
	}
}

func newWalk(t *testing.T, random *rand.Rand, tally *walkTally) *walk {
	t.Helper()
	store := routing.NewMemoryStore()
	w := &walk{
		t: t, rand: random, store: store,
		ledgers: []replica{newReplica(t, store, routing.LedgerOptions{}), newReplica(t, store, routing.LedgerOptions{})},
		backend: &walkBackend{rand: random, things: make(map[routing.Key]*walkThing)},
		handed:  make(map[routing.Key][]string),
		tally:   tally,
	}
	for _, instance := range []routing.InstanceID{"i", "older"} {
		for _, binding := range []routing.BindingID{"b1", ""} {
			key := routing.Key{Instance: instance, Binding: binding}
			w.keys = append(w.keys, key)
			w.backend.things[key] = &walkThing{holds: instance == "older"}
		}
	}
	w.focus = w.keys[random.IntN(len(w.keys))]
	w.failing.Store(random.IntN(2) == 0)
	w.faultRand = rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
	for _, ledger := range w.ledgers {
		w.dues = append(w.dues, ledger.Due(walkConfig{}))
		ledger.store.failWith(w.fault)
	}
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
	defer w.count()
	for range stepsOfWalk {
		w.step()
		w.judge()
	}
	w.failing.Store(false)
	w.settle()
	for _, key := range w.keys { // bindings come before their instance
		w.end(key)
	}
}

func (w *walk) step() {
	switch n := w.rand.IntN(24); {
	case n < 2:
		w.note("a second passes")
		pass(time.Second)
	case n == 2 && w.rand.IntN(5) == 0:
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
	case n < 12:
		w.message(w.ledgers[w.rand.IntN(len(w.ledgers))])
	case n == 23:
		w.sweep(w.rand.IntN(len(w.ledgers)))
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
		routing.KindDelete, routing.KindPoll, routing.KindPoll, routing.KindPoll, routing.KindFetch,
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
		w.view(c)
	})
}

// view has a call name its ids as they were published once or are now, or not at all. Now and then its offering is not
// for the platform any more, or gets no new instances.
func (w *walk) view(c *routing.Call) {
	switch w.rand.IntN(4) {
	case 0:
		spelled(c)
	case 1:
		viewed()(c)
		c.Service, c.Plan = "", ""
	default:
		viewed()(c)
	}
	switch w.rand.IntN(16) {
	case 0:
		viewed("s1")(c)
		c.Offer = routing.Offer{Refusal: routing.RefusalNotVisible}
	case 1:
		c.Offer = routing.Offer{Refusal: routing.RefusalDraining}
	}
}

func (w *walk) begin(call *routing.Call) *walkFlight {
	w.t.Helper()
	f := &walkFlight{
		ledger: w.ledgers[w.rand.IntN(len(w.ledgers))], started: time.Now(), slow: w.rand.IntN(3) == 0,
	}
	if w.rand.IntN(3) == 0 {
		// A GET comes and goes before it, so its record may be cached.
		_, err := f.ledger.Begin(w.t.Context(), w.newCall(routing.KindFetch, call.Key), walkConfig{})
		if err != nil && !w.failed(err) {
			w.fatalf("begin: %v", err)
		}
	}
	if w.rand.IntN(3) == 0 {
		w.message(f.ledger)
	}
	if !w.enter(f, call) {
		return nil
	}
	w.flights = append(w.flights, f)
	return f
}

// enter begins a call of a flight. It returns false if the call is refused as it should be, or if the store fails.
func (w *walk) enter(f *walkFlight, call *routing.Call) bool {
	w.t.Helper()
	entry, err := f.ledger.Begin(w.t.Context(), call, walkConfig{})
	switch {
	case w.failed(err):
		w.note("%s %s %v: not begun, the store fails: %s", call.Token, call.Kind, call.Key, w.describe(call.Key))
		return false
	case err != nil:
		w.fatalf("begin: %v", err)
	}
	f.entry = entry
	w.note("%s %s %v %s: begun, cached %t, %q: %s", call.Token, call.Kind, call.Key, call.Operation, entry.Cached,
		entry.Decision.Refusal, w.describe(call.Key))
	switch refusal := entry.Decision.Refusal; {
	case refusal == routing.RefusalNone:
		return true
	case refusal == routing.RefusalNeverSent && call.Key.Binding == "" && !w.heldByUs(call.Key):
	case refusal == call.Offer.Refusal && w.makesNew(call):
		w.tally.notOffered++
	default:
		w.fatalf("refused: %s", refusal)
	}
	return false
}

// makesNew tells whether a call would make an instance or a binding that is not recorded, or change an instance's plan.
func (w *walk) makesNew(call *routing.Call) bool {
	record := w.record(call.Key)
	switch {
	case call.Kind == routing.KindUpdate && call.Plan != "":
		return record == nil || record.Plan == ""
	case call.Kind == routing.KindCreate:
		return record == nil || !record.Live()
	}
	return false
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

// heldByUs tells whether the backend holds a thing because of a call through the gateway. What it held before is not
// judged.
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
		if record == nil {
			continue
		}
		own := record.Service + "/" + routing.ServiceID(record.Plan) + "/" + routing.ServiceID(record.Op.Plan)
		if strings.Contains(string(own), ":") {
			w.fatalf("the record of %v has ids that are not its backend's: %s", key, encodeRecord(w.t, record))
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
		for _, ledger := range w.ledgers {
			ledger.store.deliver(math.MaxInt)
		}
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
			if class := poll.outcome.Class; class == routing.ClassSucceeded || class == routing.ClassGone {
				// Every create's time was over when the delete was sent, so there is nothing to wait for.
				if record := w.record(key); record.Live() {
					w.fatalf("%v: the deletion succeeded, and the record is %s", key, encodeRecord(w.t, record))
				}
			}
		}
		w.judge()
	}
	w.fatalf("%v: deletes do not end the record, which is %s", key, encodeRecord(w.t, w.record(key)))
}
