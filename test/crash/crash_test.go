package crash_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/crashpoint"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// moment is when the gateway dies.
type moment struct {
	name string
	// column is that of the table which says what the next calls see.
	column string
	// hold keeps the calls at their broker, where the gateway is killed from outside; nil if it dies at a crash point.
	hold func(t *testing.T, b *harness.Broker) *harness.Hold
	// late: the broker begins only when the next calls were made.
	late bool
}

func moments() []moment {
	before := func(t *testing.T, b *harness.Broker) *harness.Hold { return b.HoldBefore(t, "", "/service_instances/") }
	after := func(t *testing.T, b *harness.Broker) *harness.Hold { return b.HoldAfter(t, "", "/service_instances/") }
	all := []moment{
		{name: "sent", column: "done", hold: before},
		{name: "sent-late", column: "late", hold: before, late: true},
		{name: "done", column: "done", hold: after},
	}
	columns := map[string]string{
		crashpoint.Received: "unknown", crashpoint.BeforeBegin: "unknown",
		crashpoint.AfterBegin: "entered", crashpoint.BeforeSend: "entered",
		crashpoint.Answered: "done", crashpoint.BeforeClose: "done",
		crashpoint.AfterClose: "recorded", crashpoint.BeforeAnswer: "recorded",
	}
	for _, point := range crashpoint.Points() {
		all = append(all, moment{name: point, column: columns[point]})
	}
	return all
}

// killed is one call that died, and what is asked next.
type killed struct {
	operation operation
	next      next
	subject   subject
	// replica: the other gateway is asked, before the one that died is started again.
	replica bool
}

func (k killed) String() string { return k.operation.name + ", then " + k.next.name }

// TestCrash kills the gateway at each step of each kind of call and looks at what the next calls see: through the same
// gateway when it runs again and, with Redis, through another one that never stopped.
func TestCrash(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	for _, store := range []string{"file", "redis"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			// Most of the time goes by in waiting for the window, so more of them run at a time than there are processors.
			var all sync.WaitGroup
			defer all.Wait()
			for _, moment := range moments() {
				all.Go(func() {
					t.Run(moment.name, func(t *testing.T) { crash(t, store, moment, table) })
				})
			}
		})
	}
}

func crash(t *testing.T, store string, moment moment, table table) {
	all := killedCalls(store)
	w := newWorld(t, store, moment.name, len(all))
	calls := make([]harness.Request, len(all))
	for n, k := range all {
		w.prepare(t, k.subject, k.operation.before(k.subject))
		calls[n] = k.operation.call(k.subject)
	}

	w.arm(t)
	var hold *harness.Hold
	if moment.hold != nil {
		hold = moment.hold(t, w.brokers[alpha]).Only(len(all))
	}
	sent := time.Now()
	ended := w.sendAll(t, calls)
	if hold != nil {
		hold.Await(t, len(all))
		w.gateway.Kill(t)
	}
	<-ended
	w.gateway.AwaitEnd(t)
	if hold != nil && !moment.late {
		hold.Release()
		hold.AwaitDone(t, len(all))
	}

	// First the gateway that did not die, while the other is away.
	slices.SortStableFunc(all, func(a, b killed) int { return boolOrder(b.replica) - boolOrder(a.replica) })
	restarted := false
	for _, k := range all {
		asked := w.replica
		if !k.replica {
			if asked = w.gateway; !restarted {
				w.gateway.RestartWith(t)
				restarted = true
			}
		}
		w.checkReachable(t, asked, k, subject.get)
		_, got := w.ask(t, asked, k.next.call(k.operation, k.subject))
		table.check(t, moment, k, got, time.Since(sent) > brokerTimeout+brokerSettle)
		w.checkReachable(t, asked, k, subject.get, subject.poll)
	}
	if moment.late {
		hold.Release()
		hold.AwaitDone(t, len(all))
		for _, k := range all {
			w.checkReachable(t, w.gateway, k, subject.get, subject.poll)
		}
	}
	w.endAll(t, w.gateway, all)
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// killedCalls are the calls that die together.
func killedCalls(store string) []killed {
	var all []killed
	for _, operation := range operations() {
		for _, next := range nexts() {
			for _, replica := range []bool{false, true} {
				if replica && store != "redis" {
					continue
				}
				s := subject{instance: newID(), plan: operation.plan}
				if operation.onBinding {
					s.binding = newID()
				}
				all = append(all, killed{operation, next, s, replica})
			}
		}
	}
	return all
}

// checkReachable wants that what a broker holds is reached by its path alone. A poll takes what runs at the broker a step
// further.
func (w *world) checkReachable(t *testing.T, g *harness.Gateway, k killed, calls ...func(subject) harness.Request) {
	t.Helper()
	for broker := range w.brokers {
		for _, s := range slices.Compact([]subject{k.subject, k.subject.of()}) {
			if !w.holds(broker, s) {
				continue
			}
			for _, call := range calls {
				r := call(s)
				if answer, got := w.ask(t, g, r); got.broker != broker {
					t.Errorf("%s: %s %s, which %s holds: got %s %s", k, r.Method, r.Target, broker, got, answer.Body)
				}
			}
		}
	}
}

// endAll deletes as a platform does, until it is told that nothing is left. That must be so then, and the ids must be free.
func (w *world) endAll(t *testing.T, g *harness.Gateway, all []killed) {
	t.Helper()
	left := make(map[subject]killed)
	for _, k := range all {
		if w.holds(alpha, k.subject.of()) && w.holds(beta, k.subject.of()) {
			t.Errorf("%s: both brokers hold %s", k, k.subject.instance)
		}
		left[k.subject] = k
	}
	awaitSlowly(t, "everything to be deleted", func() bool {
		for s, k := range left {
			if !w.deleted(t, g, k, s) {
				continue
			}
			delete(left, s)
			if s.binding != "" { // next the instance
				left[s.of()] = k
			}
		}
		return len(left) == 0
	})
	for _, k := range all {
		s := subject{instance: k.subject.instance, plan: small}
		if answer, got := w.ask(t, g, s.put(beta)); got != (outcome{http.StatusCreated, beta}) {
			t.Errorf("%s: creating the deleted instance elsewhere: got %s %s, want 201 at beta", k, got, answer.Body)
		}
	}
}

// deleted sends a DELETE. If that is refused for now, it polls once, which takes what runs at the broker a step further.
func (w *world) deleted(t *testing.T, g *harness.Gateway, k killed, s subject) bool {
	t.Helper()
	owner := alpha
	if w.holds(beta, s.of()) {
		owner = beta
	}
	answer, got := w.ask(t, g, s.delete(owner))
	switch {
	case answer.Status == http.StatusOK, answer.Status == http.StatusGone:
		if w.holds(owner, s) {
			t.Errorf("%s: the platform was told that %s is gone, and %s has it", k, s.path(), owner)
		}
		return true
	case answer.Status == http.StatusAccepted:
	case answer.Status == http.StatusUnprocessableEntity && errorCode(answer) == "ConcurrencyError":
	default:
		t.Fatalf("%s: DELETE %s: got %s %s, want 200, 202, 410 or ConcurrencyError", k, s.path(), got, answer.Body)
	}
	if answer, got := w.ask(t, g, s.poll()); got.broker != owner {
		t.Errorf("%s: poll of %s: got %s %s, want it at %s", k, s.path(), got, answer.Body, owner)
	}
	return false
}

func errorCode(answer harness.Response) string {
	var body struct{ Error string }
	_ = json.Unmarshal([]byte(answer.Body), &body) // another body has no code
	return body.Error
}

// TestProductionBuildHasNoCrashPoints gives a gateway without the tag an environment that kills one that has it.
func TestProductionBuildHasNoCrashPoints(t *testing.T) {
	t.Parallel()
	broker := harness.StartBroker(t, brokerOptions(alpha))
	for _, point := range crashpoint.Points() {
		if os.Getenv("OSB_CRASH_AT") != "" {
			t.Fatal("OSB_CRASH_AT is set for the test itself")
		}
		g := harness.Start(t, harness.Options{
			Block:       "store memory\n" + harness.Platform("cf", "") + broker.Backend(alpha, ""),
			Environment: []string{"OSB_CRASH_AT=" + point},
		})
		s := subject{instance: newID(), plan: small}
		if answer := g.Do(t, s.put(alpha)); answer.Status != http.StatusCreated {
			t.Errorf("with %s: got %d %s, want 201", point, answer.Status, answer.Body)
		}
	}
}
