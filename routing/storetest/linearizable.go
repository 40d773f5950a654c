package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// linearReplicas are the gateways, and linearClients the calls that each of them has under way.
	linearReplicas = 3
	linearClients  = 3
	linearIDs      = 24
	// callsOnID is how many calls an id gets: fewer than the ended calls that a record remembers.
	callsOnID = 28
	// linearPatience is how long the check of a history may take. It takes milliseconds.
	linearPatience = time.Minute
)

// Linearizable runs calls of several gateways on a few ids at the same time and checks that what they were told could
// have been told one after the other, by one register of who owns what. Open returns so many stores on the same
// records; it may be the same one each time.
func Linearizable(t *testing.T, open func(t *testing.T, replicas int) []routing.Store) {
	t.Helper()
	if complaint := checkLinearizable(t, open(t, linearReplicas)); complaint != "" {
		t.Error(complaint)
	}
}

// linearConfig gives calls so much time that none of it passes.
type linearConfig struct{}

func (linearConfig) Window(routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: time.Hour, Settle: time.Hour}, true
}

func (linearConfig) Platform(id routing.PlatformID) (routing.PlatformID, bool) { return id, true }
func (linearConfig) Suspect(routing.BackendID) bool                            { return false }

// linear is one run: its ids, what their brokers hold, and what was told.
type linear struct {
	t     *testing.T
	start time.Time

	mu      sync.Mutex
	calls   map[routing.InstanceID]int8
	holds   map[routing.InstanceID]routing.BackendID
	history []porcupine.Operation
	// trouble is what went wrong beside the order of events; nothing goes on after it.
	trouble []string
}

func (l *linear) fail(format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = append(l.trouble, fmt.Sprintf(format, arguments...))
}

// checkLinearizable returns what is wrong with the stores, and an empty text if nothing is.
func checkLinearizable(t *testing.T, stores []routing.Store) string {
	t.Helper()
	l := &linear{
		t: t, start: time.Now(),
		calls: make(map[routing.InstanceID]int8), holds: make(map[routing.InstanceID]routing.BackendID),
	}
	var clients sync.WaitGroup
	for r, store := range stores {
		ledger := routing.NewLedger(store, routing.LedgerOptions{})
		for c := range linearClients {
			clients.Go(func() { l.client(ledger, r*linearClients+c) })
		}
	}
	clients.Wait()
	events := 0
	for id := range l.calls {
		history := slices.DeleteFunc(slices.Clone(l.history), func(o porcupine.Operation) bool {
			return o.Input.(event).instance != id
		})
		events += len(history)
		if result := porcupine.CheckOperationsTimeout(registerModel, history, linearPatience); result != porcupine.Ok {
			return fmt.Sprintf("the history of id %s is %s:\n%s", id, result, describe(history))
		}
	}
	if len(l.trouble) > 0 {
		return strings.Join(l.trouble, "\n")
	}
	t.Logf("%d events on %d ids in any order that one register could have", events, len(l.calls))
	return ""
}

func describe(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var text strings.Builder
	for _, o := range history {
		fmt.Fprintf(&text, "%12d to %12d, client %d: %s -> %+v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return text.String()
}

// client makes calls until all ids had theirs.
func (l *linear) client(ledger *routing.Ledger, number int) {
	for {
		id, call, ok := l.next()
		if !ok {
			return
		}
		kind := [...]routing.Kind{
			routing.KindCreate, routing.KindCreate, routing.KindCreate, routing.KindDelete, routing.KindDelete, routing.KindFetch,
		}[rand.N(6)]
		backend := [...]routing.BackendID{"a", "b"}[rand.N(2)]
		l.run(ledger, number, event{instance: id, call: call, kind: kind, backend: backend})
	}
}

// next picks an id that has not had all of its calls. Few are under way at a time, so that calls meet.
func (l *linear) next() (routing.InstanceID, int8, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []routing.InstanceID
	for n := 0; n < linearIDs && len(ids) < 2; n++ {
		if id := routing.InstanceID(strconv.Itoa(n)); l.calls[id] < callsOnID {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || len(l.trouble) > 0 {
		return "", 0, false
	}
	id := ids[rand.N(len(ids))]
	call := l.calls[id]
	l.calls[id]++
	return id, call, true
}

// run is one call from begin to close.
func (l *linear) run(ledger *routing.Ledger, client int, e event) {
	service := routing.ServiceID("offering-of-" + e.backend)
	call := &routing.Call{
		Token: strconv.Itoa(int(e.call)), Life: strconv.Itoa(int(e.call)), Kind: e.kind,
		Key: routing.Key{Instance: e.instance}, Platform: "p", Service: service, Fresh: true,
		Hint: routing.Hint{Backend: e.backend, Service: service}, Offer: routing.Offer{Backend: e.backend},
	}
	called := time.Since(l.start)
	entry, err := ledger.Begin(l.t.Context(), call, linearConfig{})
	if err != nil {
		l.fail("begin of %s: %v", e, err)
		return
	}
	told := reply{refusal: entry.Decision.Refusal}
	if told.refusal == routing.RefusalNone {
		told.backend, told.final = entry.Decision.Backend, entry.Decision.Final()
		if record := entry.Subject(); record != nil {
			life, _ := strconv.Atoi(record.Life)
			told.live, told.life = record.Live(), int8(life)
		}
	}
	l.note(client, called, e, told)
	if told.refusal != routing.RefusalNone || e.kind == routing.KindFetch || rand.N(20) == 0 {
		return // the last one is a gateway that died
	}
	outcome := l.execute(e.instance, e.kind, told.backend)
	for range 1 + rand.N(5)/4 { // an outcome may be noted twice
		called = time.Since(l.start)
		verdict, err := ledger.Close(l.t.Context(), entry, outcome)
		closed := event{
			instance: e.instance, call: e.call, kind: e.kind, closes: true, backend: told.backend, life: told.life,
			outcome: outcome,
		}
		if err != nil {
			l.fail("close of %s: %v", closed, err)
			return
		}
		l.note(client, called, closed, reply{verdict: verdict})
	}
}

func (l *linear) note(client int, called time.Duration, input event, output reply) {
	returned := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, porcupine.Operation{
		ClientId: client, Call: int64(called), Input: input, Output: output, Return: int64(returned),
	})
}

// execute is an honest broker, on each of the two backends.
func (l *linear) execute(id routing.InstanceID, kind routing.Kind, backend routing.BackendID) routing.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.holds[id] == backend
	if kind == routing.KindDelete {
		if rand.N(4) == 0 {
			return routing.Outcome{Class: routing.ClassOther, Delivered: true}
		}
		if held {
			delete(l.holds, id)
		}
		return routing.Outcome{Class: routing.ClassDone, Delivered: true}
	}
	switch n := rand.N(8); {
	case n == 0:
		return routing.Outcome{Class: routing.ClassNothing} // it could not be sent
	case held && n < 5:
		return routing.Outcome{Class: routing.ClassExists, Delivered: true}
	case !held && n < 3:
		return routing.Outcome{Class: routing.ClassNothing, Delivered: true}
	case n == 5:
		return routing.Outcome{Class: routing.ClassUnknown, Delivered: true, Settled: true}
	}
	if other := l.holds[id]; other != "" && !held {
		l.trouble = append(l.trouble, fmt.Sprintf("backends %s and %s hold id %s", other, backend, id))
	}
	l.holds[id] = backend
	if rand.N(4) == 0 {
		return routing.Outcome{Class: routing.ClassUnknown, Delivered: true, Settled: rand.N(2) == 0}
	}
	return routing.Outcome{Class: routing.ClassDone, Delivered: true}
}
