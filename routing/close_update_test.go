package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func updateInstance(edits ...callEdit) *routing.Call {
	return newCall(routing.KindUpdate, onInstance, edits...)
}

// TestCloseUpdate: the row of the close table whose call is an update, state by state.
func TestCloseUpdate(t *testing.T) {
	t.Parallel()
	newPlan := func(r *routing.Record) { r.Plan = "plan1" }
	var rows []closeRow
	add := func(name string, outcome routing.Outcome, from routing.State, change edit) {
		rows = append(rows, closeRow{
			name: name + ", " + string(from), call: updateInstance(), outcome: outcome,
			held: both(newInstance(inState(from), openDelete("d")), nil), instance: change,
		})
	}
	add("OK", outcomeDone, routing.Ready, newPlan)
	add("OK", outcomeDone, routing.Updating, newPlan)
	add("OK", outcomeDone, routing.Claimed, all(newPlan, state(routing.Ready)))
	for _, from := range []routing.State{routing.Ready, routing.Updating, routing.Claimed} {
		add("accepted", outcomeAccepted, from, all(state(routing.Updating), accepted(routing.KindUpdate, "plan1")))
		for name, outcome := range map[string]routing.Outcome{
			"nothing": outcomeNothing, "exists": outcomeExists, "unknown": outcomeUnknown, "other": outcomeOther,
		} {
			add(name, outcome, from, nil)
		}
	}
	add("OK", outcomeDone, routing.Creating, nil)
	add("accepted", outcomeAccepted, routing.Creating, nil)
	// The deletion awaits polls, and the last operation is not its own any more.
	voided := all(done("t"), func(r *routing.Record) { r.Op.Voided = true })
	add("OK", outcomeDone, routing.Deleting, all(voided, seen, sent))
	add("accepted", outcomeAccepted, routing.Deleting, all(voided, seen, sent))
	add("unknown", outcomeUnknown, routing.Deleting, voided)
	for name, outcome := range map[string]routing.Outcome{
		"nothing": outcomeNothing, "refused": outcomeRefused, "exists": outcomeExists, "other": outcomeOther,
	} {
		add(name, outcome, routing.Deleting, done("t"))
	}
	testClose(t, rows)

	unseen := both(newInstance(claimed), nil)
	testClose(t, []closeRow{
		{
			name: "OK, claimed: seen", call: updateInstance(), outcome: outcomeDone, held: unseen,
			instance: all(newPlan, state(routing.Ready), seen, sent),
		},
		{
			name: "accepted, claimed: seen", call: updateInstance(), outcome: outcomeAccepted, held: unseen,
			instance: all(state(routing.Updating), seen, sent, accepted(routing.KindUpdate, "plan1")),
		},
		{
			name: "OK without a plan", call: updateInstance(func(c *routing.Call) { c.Plan = "" }),
			outcome: outcomeDone, held: both(newInstance(), nil),
		},
	})
	for name, outcome := range map[string]routing.Outcome{"OK": outcomeDone, "accepted": outcomeAccepted} {
		testClose(t, []closeRow{
			{
				name: name + ", another life", call: updateInstance(), outcome: outcome,
				held:      both(newInstance(), nil),
				meanwhile: changeInstance(func(r *routing.Record) { r.Life = "life-1" }),
			},
			{
				name: name + ", another operation", call: updateInstance(), outcome: outcome,
				held:      both(newInstance(), nil),
				meanwhile: changeInstance(func(r *routing.Record) { r.Op.Seq++ }),
			},
			{
				name: name + ", absent", call: updateInstance(), outcome: outcome,
				held: both(newInstance(), nil), meanwhile: lose, left: &routing.Records{},
			},
			{
				name: name + ", gone meanwhile", call: updateInstance(), outcome: outcome,
				held: both(newInstance(), nil), meanwhile: changeInstance(buried),
			},
		})
	}
}

// TestCloseUpdateOfTombstone goes beyond the table: the backend still has what the record called gone when the update
// was sent.
func TestCloseUpdateOfTombstone(t *testing.T) {
	t.Parallel()
	held := both(newInstance(neverCreated), nil)
	back := all(seen, sent, func(r *routing.Record) { r.NeverCreated = false })
	testClose(t, []closeRow{
		{
			name: "OK", call: updateInstance(), outcome: outcomeDone, held: held,
			instance: all(back, state(routing.Ready), func(r *routing.Record) { r.Plan = "plan1" }),
		},
		{
			name: "accepted", call: updateInstance(), outcome: outcomeAccepted, held: held,
			instance: all(back, state(routing.Updating), accepted(routing.KindUpdate, "plan1")),
		},
		{name: "nothing", call: updateInstance(), outcome: outcomeRefused, held: held},
		{name: "unknown", call: updateInstance(), outcome: outcomeUnknown, held: held},
	})
}
