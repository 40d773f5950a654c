package routing_test

import (
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// history runs calls on one set of records, in the order a test tells.
type history struct {
	t       *testing.T
	records routing.Records
	now     routing.Moment
}

// flight is a call that was begun in a history.
type flight struct {
	call     *routing.Call
	decision routing.Decision
}

func newHistory(t *testing.T, records routing.Records) *history {
	t.Helper()
	return &history{t: t, records: records, now: now}
}

func (h *history) begin(token string, kind routing.Kind, key routing.Key, edits ...callEdit) *flight {
	h.t.Helper()
	call := newCall(kind, key, edits...)
	call.Token, call.Life = token, "life-"+token
	f := &flight{call: call}
	if h.records, f.decision = routing.Begin(h.records, call, testConfig{}, h.now); f.decision.Refusal != "" {
		h.t.Fatalf("%s is refused: %s", token, f.decision.Refusal)
	}
	return f
}

func (h *history) end(f *flight, outcome routing.Outcome) routing.Verdict {
	h.t.Helper()
	var verdict routing.Verdict
	h.records, verdict = routing.Close(h.records, f.call, &f.decision, outcome, h.now)
	return verdict
}

// pass lets time go by.
func (h *history) pass(d time.Duration) { h.now = h.now.Add(d) }

func (h *history) wantState(want routing.State) {
	h.t.Helper()
	if got := h.records.Instance.State; got != want {
		h.t.Errorf("the instance is %s, want %s", got, want)
	}
}

// acceptedAs is a 202 with an operation.
func acceptedAs(operation string) routing.Outcome {
	outcome := outcomeAccepted
	outcome.Operation = operation
	return outcome
}

// TestAsyncLife: an instance is created, updated and deleted by operations that are polled.
func TestAsyncLife(t *testing.T) {
	t.Parallel()
	for name, operations := range map[string]map[string]string{
		"with operations":    {"create": "o1", "update": "o2", "delete": "o3"},
		"without operations": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, routing.Records{})
			poll := func(token, of string, outcome routing.Outcome) {
				h.end(h.begin(token, routing.KindPoll, onInstance, withOperation(operations[of])), outcome)
			}
			h.end(h.begin("create", routing.KindCreate, onInstance), acceptedAs(operations["create"]))
			h.wantState(routing.Creating)
			poll("p1", "create", outcomeOther)
			h.wantState(routing.Creating)
			poll("p2", "create", outcomeSucceeded)
			h.wantState(routing.Ready)

			update := h.begin("update", routing.KindUpdate, onInstance, func(c *routing.Call) { c.Plan = "plan2" })
			h.end(update, acceptedAs(operations["update"]))
			h.wantState(routing.Updating)
			if h.records.Instance.Plan != "plan1" {
				t.Errorf("the plan is %s before the update ended", h.records.Instance.Plan)
			}
			poll("p3", "update", outcomeSucceeded)
			h.wantState(routing.Ready)
			if h.records.Instance.Plan != "plan2" {
				t.Errorf("the plan is %s after the update, want plan2", h.records.Instance.Plan)
			}

			h.end(h.begin("delete", routing.KindDelete, onInstance), acceptedAs(operations["delete"]))
			h.wantState(routing.Deleting)
			poll("p4", "delete", outcomeGone)
			h.wantState(routing.Gone)
			if got := h.records.Instance.Op.Seq; got != 3 {
				t.Errorf("three operations were accepted, %d counted", got)
			}
		})
	}
}

// TestAsyncFailures: an operation that failed leaves the instance reachable.
func TestAsyncFailures(t *testing.T) {
	t.Parallel()
	h := newHistory(t, routing.Records{})
	h.end(h.begin("c", routing.KindCreate, onInstance), acceptedAs("o1"))
	h.end(h.begin("p1", routing.KindPoll, onInstance), outcomeFailedOp)
	h.wantState(routing.Claimed)
	h.end(h.begin("c2", routing.KindCreate, onInstance), outcomeRefused)
	h.wantState(routing.Claimed) // what the failed creation left may be there
	h.end(h.begin("d", routing.KindDelete, onInstance), acceptedAs("o2"))
	h.end(h.begin("p2", routing.KindPoll, onInstance), outcomeFailedOp)
	h.wantState(routing.Ready)
	if verdict := h.end(h.begin("d2", routing.KindDelete, onInstance), outcomeDone); verdict != routing.VerdictRelay {
		t.Errorf("got verdict %q of the last delete", verdict)
	}
	h.wantState(routing.Gone)
}

// TestDeletionOvertaken: a deletion that the backend accepted ends the record only if no create can have come after it:
// the operation still says "succeeded" when the backend holds the instance again. An update that may have come after it
// shows that it failed, and then "succeeded" may be said of the update.
func TestDeletionOvertaken(t *testing.T) {
	t.Parallel()
	pollEnd := func(h *history, want routing.State) {
		h.t.Helper()
		h.pass(timeout + settle)
		h.end(h.begin("poll", routing.KindPoll, onInstance, withOperation("del")), outcomeSucceeded)
		h.wantState(want)
	}
	create := func(h *history, token string) *flight { return h.begin(token, routing.KindCreate, onInstance) }
	remove := func(h *history) *flight { return h.begin("d", routing.KindDelete, onInstance) }
	for name, run := range map[string]func(*history){
		"no create": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			pollEnd(h, routing.Gone)
		},
		"sent while a create was open, whose answer is lost after the 202": func(h *history) {
			c := create(h, "c")
			h.end(remove(h), acceptedAs("del"))
			h.end(c, outcomeUnknown)
			pollEnd(h, routing.Claimed)
		},
		"sent while a create was open, whose answer is lost before the 202": func(h *history) {
			c := create(h, "c")
			d := remove(h)
			h.end(c, outcomeUnknown)
			h.end(d, acceptedAs("del"))
			pollEnd(h, routing.Claimed)
		},
		"sent while a create was open that did nothing": func(h *history) {
			c := create(h, "c")
			h.end(remove(h), acceptedAs("del"))
			h.end(c, outcomeRefused)
			pollEnd(h, routing.Gone)
		},
		"sent while in doubt": func(h *history) {
			h.end(create(h, "c"), outcomeUnknown)
			h.end(remove(h), acceptedAs("del"))
			pollEnd(h, routing.Claimed)
		},
		"a create sent before the 202": func(h *history) {
			d := remove(h)
			c := create(h, "c")
			h.end(d, acceptedAs("del"))
			h.end(c, outcomeUnknown)
			pollEnd(h, routing.Claimed)
		},
		"a create sent after the 202": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), outcomeUnknown)
			pollEnd(h, routing.Claimed)
		},
		"a create sent after the 202, in its time": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			create(h, "c")
			pollEnd(h, routing.Claimed)
		},
		"a create that the backend refused since it is deleting": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), outcomeExists)
			pollEnd(h, routing.Gone)
		},
		"a create that did nothing": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), outcomeRefused)
			pollEnd(h, routing.Gone)
		},
		"a create that succeeded": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), outcomeDone)
			pollEnd(h, routing.Ready)
		},
		"a create that was accepted": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), acceptedAs("cre"))
			pollEnd(h, routing.Creating)
		},
		"a create that failed though it created": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(create(h, "c"), outcomeFailed)
			pollEnd(h, routing.Claimed)
		},
		"an update that was accepted": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(h.begin("u", routing.KindUpdate, onInstance), acceptedAs("upd"))
			pollEnd(h, routing.Claimed)
		},
		"an update that was done": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(h.begin("u", routing.KindUpdate, onInstance), outcomeDone)
			pollEnd(h, routing.Claimed)
		},
		"an update whose answer is lost": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(h.begin("u", routing.KindUpdate, onInstance), outcomeUnknown)
			pollEnd(h, routing.Claimed)
		},
		"an update whose gateway dies": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.begin("u", routing.KindUpdate, onInstance)
			pollEnd(h, routing.Claimed)
		},
		"an update that is accepted after the deletion's last poll": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			u := h.begin("u", routing.KindUpdate, onInstance)
			pollEnd(h, routing.Claimed)
			h.end(u, acceptedAs("upd"))
			h.wantState(routing.Updating)
		},
		"an update that the backend refused since it is deleting": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.end(h.begin("u", routing.KindUpdate, onInstance), outcomeExists)
			pollEnd(h, routing.Gone)
		},
		"a dead gateway's update, and another delete": func(h *history) {
			h.end(remove(h), acceptedAs("del"))
			h.begin("u", routing.KindUpdate, onInstance)
			if verdict := h.end(h.begin("d2", routing.KindDelete, onInstance), outcomeDone); verdict != routing.VerdictRelay {
				h.t.Errorf("got verdict %q, want the answer relayed: an update makes no instance", verdict)
			}
			h.wantState(routing.Gone)
			pollEnd(h, routing.Gone)
		},
		"an earlier create, settled": func(h *history) {
			h.end(create(h, "c"), outcomeUnknown)
			h.pass(settle)
			h.end(remove(h), acceptedAs("del"))
			pollEnd(h, routing.Gone)
		},
		"a dead gateway's create, whose time was over when the delete was sent": func(h *history) {
			create(h, "c")
			h.pass(timeout + settle)
			h.end(remove(h), acceptedAs("del"))
			pollEnd(h, routing.Gone)
		},
		"a dead gateway's create, whose time ended before the 202 came": func(h *history) {
			create(h, "c")
			h.pass(timeout + settle - time.Second)
			d := remove(h)
			h.pass(time.Second)
			h.end(d, acceptedAs("del"))
			pollEnd(h, routing.Claimed)
		},
		"a dead gateway's create, whose time ended after the 202 came": func(h *history) {
			create(h, "c")
			h.end(remove(h), acceptedAs("del"))
			pollEnd(h, routing.Claimed)
		},
		"a dead gateway's create, and another before the 202": func(h *history) {
			create(h, "c")
			h.pass(timeout + settle)
			d := remove(h)
			create(h, "c2")
			h.end(d, acceptedAs("del"))
			pollEnd(h, routing.Claimed)
		},
		"a dead gateway's create, and another after the 202": func(h *history) {
			create(h, "c")
			h.pass(timeout + settle)
			h.end(remove(h), acceptedAs("del"))
			create(h, "c2")
			pollEnd(h, routing.Claimed)
		},
		"an outcome of long ago that was not written before": func(h *history) {
			c := create(h, "c")
			h.pass(timeout + settle)
			h.end(remove(h), acceptedAs("del"))
			h.end(c, outcomeUnknown)
			pollEnd(h, routing.Gone)
		},
		"deleted again once the time of a dead gateway's create was over": func(h *history) {
			create(h, "c")
			h.end(remove(h), acceptedAs("del"))
			h.pass(timeout + settle)
			h.end(h.begin("d2", routing.KindDelete, onInstance), acceptedAs("del"))
			pollEnd(h, routing.Gone)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newHistory(t, both(newInstance(), nil)))
		})
	}
}

// TestStalePoll: a poll that was sent before the record moved on changes nothing, however late its answer is noted.
func TestStalePoll(t *testing.T) {
	t.Parallel()
	t.Run("of an earlier operation", func(t *testing.T) {
		t.Parallel()
		h := newHistory(t, both(newInstance(), nil))
		h.end(h.begin("d1", routing.KindDelete, onInstance), acceptedAs("o1"))
		late := h.begin("p", routing.KindPoll, onInstance)
		h.end(h.begin("q", routing.KindPoll, onInstance), outcomeFailedOp)
		h.end(h.begin("d2", routing.KindDelete, onInstance), acceptedAs("o2"))
		h.end(late, outcomeSucceeded)
		h.wantState(routing.Deleting)
	})
	t.Run("of an earlier life", func(t *testing.T) {
		t.Parallel()
		h := newHistory(t, both(newInstance(), nil))
		h.end(h.begin("d1", routing.KindDelete, onInstance), acceptedAs("o1"))
		late := h.begin("p", routing.KindPoll, onInstance)
		h.end(h.begin("q", routing.KindPoll, onInstance), outcomeSucceeded)
		h.wantState(routing.Gone)
		h.begin("c", routing.KindCreate, onInstance)
		h.end(late, outcomeSucceeded)
		h.wantState(routing.Claimed)
	})
	t.Run("of an operation that ended", func(t *testing.T) {
		t.Parallel()
		h := newHistory(t, both(newInstance(), nil))
		h.end(h.begin("d1", routing.KindDelete, onInstance), acceptedAs("o1"))
		late := h.begin("p", routing.KindPoll, onInstance)
		c := h.begin("c", routing.KindCreate, onInstance)
		h.end(h.begin("q", routing.KindPoll, onInstance), outcomeSucceeded)
		h.end(c, outcomeUnknown)
		h.wantState(routing.Claimed)
		h.end(late, outcomeSucceeded)
		h.wantState(routing.Claimed) // the deletion succeeded, not the creation
	})
}

// TestRenamedCreation: a backend may name the operation anew when a create is repeated. The platform polls by the last
// name that it was told; polls by another settle nothing, and those under way neither.
func TestRenamedCreation(t *testing.T) {
	t.Parallel()
	accept := func(h *history, token, operation string) {
		h.end(h.begin(token, routing.KindCreate, onInstance), acceptedAs(operation))
	}
	poll := func(h *history, operation string, outcome routing.Outcome) {
		h.end(h.begin("p-"+operation, routing.KindPoll, onInstance, withOperation(operation)), outcome)
	}
	for name, run := range map[string]func(*history){
		"the last name": func(h *history) {
			accept(h, "c1", "o1")
			accept(h, "c2", "o2")
			poll(h, "o1", outcomeFailedOp)
			h.wantState(routing.Creating)
			poll(h, "o2", outcomeSucceeded)
			h.wantState(routing.Ready)
		},
		"a poll of the first that is under way": func(h *history) {
			accept(h, "c1", "o1")
			late := h.begin("p", routing.KindPoll, onInstance, withOperation("o1"))
			accept(h, "c2", "o2")
			h.end(late, outcomeFailedOp)
			h.wantState(routing.Creating)
		},
		"no name any more": func(h *history) {
			accept(h, "c1", "o1")
			accept(h, "c2", "")
			poll(h, "o1", outcomeSucceeded)
			h.wantState(routing.Ready)
		},
		"the same name": func(h *history) {
			accept(h, "c1", "o1")
			late := h.begin("p", routing.KindPoll, onInstance, withOperation("o1"))
			accept(h, "c2", "o1")
			h.end(late, outcomeSucceeded)
			h.wantState(routing.Ready)
		},
		"of an instance that is ready by then": func(h *history) {
			accept(h, "c1", "o1")
			c2 := h.begin("c2", routing.KindCreate, onInstance)
			poll(h, "o1", outcomeSucceeded)
			h.end(c2, acceptedAs("o2"))
			h.wantState(routing.Ready)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newHistory(t, routing.Records{}))
		})
	}
}
