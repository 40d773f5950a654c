package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var (
	outcomeSucceeded = routing.Outcome{Class: routing.ClassSucceeded, Delivered: true}
	outcomeFailedOp  = routing.Outcome{Class: routing.ClassFailed, Delivered: true}
	outcomeGone      = routing.Outcome{Class: routing.ClassGone, Delivered: true}
)

func pollInstance(edits ...callEdit) *routing.Call {
	return newCall(routing.KindPoll, onInstance, edits...)
}

// withOperation makes a poll name the operation it is about.
func withOperation(operation string) callEdit {
	return func(c *routing.Call) { c.Operation = operation }
}

// opPlan is the plan of the operation that ended.
func opPlan(r *routing.Record) { r.Plan = "plan-op" }

// TestClosePoll: the rows of the close table whose call is a poll, state by state.
func TestClosePoll(t *testing.T) {
	t.Parallel()
	states := []routing.State{
		routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready, routing.Gone,
	}
	changes := map[string]map[routing.State]edit{
		"succeeded": {
			routing.Creating: all(state(routing.Ready), opPlan, opCleared),
			routing.Updating: all(state(routing.Ready), opPlan, opCleared),
			routing.Claimed:  state(routing.Ready),
			routing.Deleting: buried,
		},
		"failed": {
			routing.Creating: all(state(routing.Claimed), seen, opCleared),
			routing.Updating: all(state(routing.Ready), opCleared),
			routing.Deleting: all(state(routing.Ready), opCleared),
		},
		"410":   {routing.Deleting: buried},
		"other": {},
	}
	outcomes := map[string]routing.Outcome{
		"succeeded": outcomeSucceeded, "failed": outcomeFailedOp, "410": outcomeGone, "other": outcomeOther,
	}
	for name, outcome := range outcomes {
		var rows []closeRow
		for _, from := range states {
			change := changes[name][from]
			held := both(newInstance(inState(from)), nil)
			rows = append(rows, closeRow{
				name: name + ", " + string(from), call: pollInstance(), outcome: outcome, held: held, instance: change,
			}, closeRow{
				name: name + ", " + string(from) + ", another life", call: pollInstance(), outcome: outcome, held: held,
				meanwhile: changeInstance(func(r *routing.Record) { r.Life = "life-1" }),
			}, closeRow{
				name: name + ", " + string(from) + ", another operation", call: pollInstance(), outcome: outcome,
				held: held, meanwhile: changeInstance(func(r *routing.Record) { r.Op.Seq++ }),
			}, closeRow{
				name: name + ", " + string(from) + ", absent", call: pollInstance(), outcome: outcome, held: held,
				meanwhile: lose, left: &routing.Records{},
			})
			if from == routing.Creating || from == routing.Updating || from == routing.Deleting {
				rows = append(rows, closeRow{
					name: name + ", " + string(from) + ", operation equal", call: pollInstance(withOperation("op3")),
					outcome: outcome, held: held, instance: change,
				}, closeRow{
					name: name + ", " + string(from) + ", operation not equal",
					call: pollInstance(withOperation("op2")), outcome: outcome, held: held,
				})
			}
		}
		testClose(t, rows)
	}
}

// TestClosePollElse: what else decides about the end of an operation.
func TestClosePollElse(t *testing.T) {
	t.Parallel()
	creating, deleting := inState(routing.Creating), inState(routing.Deleting)
	unseen := func(r *routing.Record) { r.Seen, r.Sent, r.Adopting = false, false, true }
	known := func(r *routing.Record) { r.Seen, r.Sent, r.Adopting = true, true, false }
	backToClaim := all(state(routing.Claimed), opCleared)
	testClose(t, []closeRow{
		{
			name: "succeeded, claimed, no delete open: seen", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(claimed, unseen), nil), instance: all(state(routing.Ready), known),
		},
		{
			name: "succeeded, claimed, a delete open", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(claimed, openDelete("d")), nil),
		},
		{
			name: "succeeded, claimed, a delete done", call: pollInstance(), outcome: outcomeSucceeded,
			held:     both(newInstance(claimed, openDelete("d"), done("d")), nil),
			instance: all(state(routing.Ready), known),
		},
		{
			name: "succeeded, creating, a delete open", call: pollInstance(), outcome: outcomeSucceeded,
			held:     both(newInstance(creating, openDelete("d")), nil),
			instance: all(state(routing.Ready), opPlan, opCleared),
		},
		{
			name: "failed, creating: the backend has seen it", call: pollInstance(), outcome: outcomeFailedOp,
			held:     both(newInstance(creating, func(r *routing.Record) { r.Seen = false }), nil),
			instance: all(backToClaim, seen),
		},
		{
			name: "succeeded, deleting, a create open", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(deleting, openCreate("c", soon)), nil), instance: backToClaim,
		},
		{
			name: "410, deleting, a create open", call: pollInstance(), outcome: outcomeGone,
			held: both(newInstance(deleting, openCreate("c", soon)), nil), instance: backToClaim,
		},
		{
			name: "succeeded, deleting, a create done", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(deleting, openCreate("c", soon), done("c")), nil), instance: buried,
		},
		{
			name: "succeeded, deleting, in doubt", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(deleting, inDoubt(soon)), nil), instance: backToClaim,
		},
		{
			name: "410, deleting, in doubt", call: pollInstance(), outcome: outcomeGone,
			held: both(newInstance(deleting, inDoubt(soon)), nil), instance: backToClaim,
		},
		{
			name: "succeeded, deleting, the doubt is over", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(deleting, inDoubt(now)), nil), instance: buried,
		},
		{
			name: "succeeded, deleting: all calls done, strays stay", call: pollInstance(), outcome: outcomeSucceeded,
			held: both(newInstance(deleting, openDelete("d"), func(r *routing.Record) {
				r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			}), nil),
			instance: buried,
		},
		{
			name: "a poll sent without a record", call: pollInstance(), outcome: outcomeSucceeded,
			meanwhile: replaceInstance(newInstance(creating, func(r *routing.Record) { r.Op.Seq = 0 })),
		},
	})
}
