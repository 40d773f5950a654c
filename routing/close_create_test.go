package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var (
	outcomeNothing  = routing.Outcome{Class: routing.ClassNothing}
	outcomeRefused  = routing.Outcome{Class: routing.ClassNothing, Delivered: true}
	outcomeDone     = routing.Outcome{Class: routing.ClassDone, Delivered: true}
	outcomeAccepted = routing.Outcome{Class: routing.ClassAccepted, Delivered: true, Operation: "op-t", Trace: "trace-t"}
	outcomeExists   = routing.Outcome{Class: routing.ClassExists, Delivered: true}
	outcomeUnknown  = routing.Outcome{Class: routing.ClassUnknown, Delivered: true}
	outcomeFailed   = routing.Outcome{Class: routing.ClassUnknown, Delivered: true, Settled: true}
	outcomeOther    = routing.Outcome{Class: routing.ClassOther, Delivered: true}
)

// The changes that rows have in common.
var (
	seen      edit = func(r *routing.Record) { r.Seen = true }
	sent      edit = func(r *routing.Record) { r.Sent = true }
	opCleared edit = func(r *routing.Record) { r.Op = routing.Op{Seq: r.Op.Seq} }
	endedT         = doneAs("t", routing.KindCreate)
)

func state(s routing.State) edit { return func(r *routing.Record) { r.State = s } }

// accepted is the operation of outcomeAccepted.
func accepted(kind routing.Kind, plan routing.PlanID) edit {
	return func(r *routing.Record) {
		r.Op = routing.Op{
			Seq: r.Op.Seq + 1, Kind: kind, Operation: "op-t", Plan: plan, Trace: "trace-t", Began: now,
		}
	}
}

func createOnInstance(edits ...callEdit) *routing.Call {
	return newCall(routing.KindCreate, onInstance, edits...)
}

// buried is a tombstone made by a delete.
func buried(r *routing.Record) {
	r.State, r.Seen, r.Sent, r.DoubtUntil = routing.Gone, false, true, 0
	r.Op = routing.Op{Seq: r.Op.Seq}
	for token, call := range r.Calls {
		if call.Done == 0 {
			done(token)(r)
		}
	}
}

// TestCloseCreateNothing: the rows of a create that ended in nothing.
func TestCloseCreateNothing(t *testing.T) {
	t.Parallel()
	release := all(state(routing.Gone), endedT, func(r *routing.Record) { r.NeverCreated = true })
	testClose(t, []closeRow{
		{
			name: "absent", call: createOnInstance(), meanwhile: lose, outcome: outcomeNothing,
			left: &routing.Records{},
		},
		{
			name: "another life", call: createOnInstance(), outcome: outcomeNothing,
			meanwhile: replaceInstance(newInstance(claimed, openCreate("c", callEnds))),
		},
		{name: "claimed: gone", call: createOnInstance(), outcome: outcomeNothing, instance: release},
		{
			name: "claimed: gone, refused by the backend", call: createOnInstance(), outcome: outcomeRefused,
			instance: all(release, sent),
		},
		{
			name: "claimed: gone, other creates are done", call: createOnInstance(), outcome: outcomeNothing,
			held:     both(newInstance(claimed, withCall("c", routing.Open{Kind: routing.KindCreate, Done: past})), nil),
			instance: release,
		},
		{
			name: "claimed: gone, a delete is open", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, openDelete("d")), nil), instance: release,
		},
		{
			name: "claimed, seen", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, seen), nil), instance: endedT,
		},
		{
			name: "claimed, in doubt", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, inDoubt(soon)), nil), instance: endedT,
		},
		{
			name: "claimed, doubt of the past", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, inDoubt(past)), nil), instance: endedT,
		},
		{
			name: "claimed, another create open", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, openCreate("c", soon)), nil), instance: endedT,
		},
		{
			name: "claimed, another create expired", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(claimed, openCreate("c", past)), nil), instance: endedT,
		},
		{
			name: "else: creating", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(inState(routing.Creating)), nil), instance: endedT,
		},
		{
			name: "else: updating", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(inState(routing.Updating)), nil), instance: endedT,
		},
		{
			name: "else: deleting", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(inState(routing.Deleting)), nil), instance: endedT,
		},
		{
			name: "else: ready", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(), nil), instance: endedT,
		},
		{
			name: "else: gone meanwhile, the call not ended", call: createOnInstance(), outcome: outcomeNothing,
			held: both(newInstance(), nil), meanwhile: changeInstance(state(routing.Gone)), instance: endedT,
		},
	})
}

// TestCloseCreateFirst: what happens first at the end of a create, whatever else its outcome says.
func TestCloseCreateFirst(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]routing.Outcome{
		"nothing": outcomeNothing, "OK": outcomeDone, "accepted": outcomeAccepted, "exists": outcomeExists,
		"unknown": outcomeUnknown,
	} {
		rows := []closeRow{
			{
				name: name + ": call already done", call: createOnInstance(), outcome: outcome,
				held: both(newInstance(), nil), meanwhile: changeInstance(done("t"), openDelete("d")),
			},
			{
				name: name + ": call already done, gone", call: createOnInstance(), outcome: outcome,
				held: both(newInstance(), nil), meanwhile: changeInstance(buried),
			},
		}
		if outcome.Class != routing.ClassNothing {
			stray := func(r *routing.Record) { r.Strays = []routing.Stray{{Backend: "a", Life: "life-t"}} }
			rows = append(rows,
				closeRow{
					name: name + ": another backend", call: createOnInstance(), outcome: outcome,
					meanwhile: replaceInstance(newInstance(onBackend("b"), openDelete("d"))),
					instance:  all(endedT, stray),
				},
				closeRow{
					name: name + ": another backend, gone", call: createOnInstance(), outcome: outcome,
					meanwhile: replaceInstance(newInstance(onBackend("b"), inState(routing.Gone))),
					instance:  all(endedT, stray),
				},
			)
		}
		testClose(t, rows)
	}
	lost := freshClaim(func(r *routing.Record) { r.Calls = nil }, endedT, sent)
	testClose(t, []closeRow{
		{
			name: "absent: OK", call: createOnInstance(), meanwhile: lose, outcome: outcomeDone,
			left: &routing.Records{Instance: edited(lost, state(routing.Ready), seen)},
		},
		{
			name: "absent: accepted", call: createOnInstance(), meanwhile: lose, outcome: outcomeAccepted,
			left: &routing.Records{
				Instance: edited(lost, state(routing.Creating), seen, accepted(routing.KindCreate, "plan1")),
			},
		},
		{
			name: "absent: exists", call: createOnInstance(), meanwhile: lose, outcome: outcomeExists,
			left: &routing.Records{Instance: edited(lost, seen)},
		},
		{
			name: "absent: unknown", call: createOnInstance(), meanwhile: lose, outcome: outcomeUnknown,
			left: &routing.Records{Instance: edited(lost, inDoubt(now.Add(settle)))},
		},
		{
			name: "absent: a joined life is written anew", call: createOnInstance(), meanwhile: lose, outcome: outcomeDone,
			held: both(newInstance(), nil),
			left: &routing.Records{Instance: edited(lost, state(routing.Ready), seen,
				func(r *routing.Record) { r.Life = "life-0" })},
		},
	})
}

// TestCloseCreateTombstone: a create that may have done something brings a tombstone of its backend back.
func TestCloseCreateTombstone(t *testing.T) {
	t.Parallel()
	gone := replaceInstance(newInstance(inState(routing.Gone), func(r *routing.Record) { r.NeverCreated = true }))
	back := all(endedT, sent, func(r *routing.Record) { r.NeverCreated = false })
	testClose(t, []closeRow{
		{
			name: "gone: OK", call: createOnInstance(), meanwhile: gone, outcome: outcomeDone,
			instance: all(back, state(routing.Ready), seen),
		},
		{
			name: "gone: accepted", call: createOnInstance(), meanwhile: gone, outcome: outcomeAccepted,
			instance: all(back, state(routing.Creating), seen, accepted(routing.KindCreate, "plan1")),
		},
		{
			name: "gone: exists", call: createOnInstance(), meanwhile: gone, outcome: outcomeExists,
			instance: all(back, state(routing.Claimed), seen),
		},
		{
			name: "gone: unknown", call: createOnInstance(), meanwhile: gone, outcome: outcomeUnknown,
			instance: all(back, state(routing.Claimed), inDoubt(now.Add(settle))),
		},
	})
}

// TestCloseCreate: the rows of the other classes of a create, state by state. Open deletes are voided in each.
func TestCloseCreate(t *testing.T) {
	t.Parallel()
	var rows []closeRow
	add := func(name string, outcome routing.Outcome, from routing.State, change edit) {
		rows = append(rows, closeRow{
			name: name + ", " + string(from), call: createOnInstance(), outcome: outcome,
			held:      both(newInstance(inState(from)), nil),
			meanwhile: changeInstance(openDelete("d")),
			instance:  all(endedT, voided("d"), change),
		})
	}
	nothing := all()
	for _, from := range []routing.State{routing.Claimed, routing.Creating, routing.Deleting} {
		add("OK", outcomeDone, from, all(state(routing.Ready), seen, opCleared))
	}
	for _, from := range []routing.State{routing.Updating, routing.Ready} {
		add("OK", outcomeDone, from, nothing)
	}
	for _, from := range []routing.State{routing.Claimed, routing.Creating, routing.Deleting} {
		add("accepted", outcomeAccepted, from,
			all(state(routing.Creating), seen, accepted(routing.KindCreate, "plan1")))
	}
	for _, from := range []routing.State{routing.Updating, routing.Ready} {
		add("accepted", outcomeAccepted, from, nothing)
	}
	add("accepted with the name that is known", acceptedAs("op3"), routing.Creating, nothing)
	add("accepted without a name", acceptedAs(""), routing.Creating, nothing)
	for _, from := range []routing.State{
		routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready,
	} {
		add("exists", outcomeExists, from, seen)
		if from != routing.Deleting { // TestDeletionOvertaken
			add("unknown", outcomeUnknown, from, inDoubt(now.Add(settle)))
		}
	}
	testClose(t, rows)

	unseen := func(edits ...edit) routing.Records { return both(newInstance(claimed, all(edits...)), nil) }
	testClose(t, []closeRow{
		{
			name: "OK: a claim is seen", call: createOnInstance(), outcome: outcomeDone, held: unseen(),
			instance: all(endedT, sent, seen, state(routing.Ready)),
		},
		{
			name: "exists: not seen while another create is open", call: createOnInstance(), outcome: outcomeExists,
			held: unseen(openCreate("c", soon)), instance: all(endedT, sent),
		},
		{
			name: "exists: not seen while another create is open, expired", call: createOnInstance(),
			outcome: outcomeExists, held: unseen(openCreate("c", past)), instance: all(endedT, sent),
		},
		{
			name: "exists: seen, other creates are done", call: createOnInstance(), outcome: outcomeExists,
			held:     unseen(withCall("c", routing.Open{Kind: routing.KindCreate, Done: past})),
			instance: all(endedT, sent, seen),
		},
		{
			name: "unknown: an earlier doubt ends later", call: createOnInstance(), outcome: outcomeUnknown,
			held: unseen(inDoubt(now.Add(hour))), instance: all(endedT, sent),
		},
		{
			name: "unknown: an earlier doubt ends earlier", call: createOnInstance(), outcome: outcomeUnknown,
			held: unseen(inDoubt(soon)), instance: all(endedT, sent, inDoubt(now.Add(settle))),
		},
		{
			name: "unknown: doubt runs from when the gateway gave up", call: createOnInstance(),
			outcome: outcomeUnknown, at: now.Add(timeout), held: unseen(),
			instance: all(sent, inDoubt(now.Add(timeout+settle)), withCall("t", routing.Open{
				Kind: routing.KindCreate, Until: callEnds, Done: now.Add(timeout),
			})),
		},
		{
			name: "unknown: nothing to settle after 500 or 501", call: createOnInstance(), outcome: outcomeFailed,
			held: unseen(), instance: all(endedT, sent, inDoubt(now)),
		},
	})
}
