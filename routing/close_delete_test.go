package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func deleteInstance(edits ...callEdit) *routing.Call {
	return newCall(routing.KindDelete, onInstance, edits...)
}

// endedDelete is call "t" once it ended as a delete.
var endedDelete = doneAs("t", routing.KindDelete)

// nextLife is the record of an instance that another create claimed after the earlier one was gone.
func nextLife(edits ...edit) *routing.Record {
	life := func(r *routing.Record) { r.Life, r.Calls = "life-c", nil }
	return freshClaim(life, openCreate("c", callEnds), all(edits...))
}

// TestCloseDelete: the rows of the close table whose call is a delete.
func TestCloseDelete(t *testing.T) {
	t.Parallel()
	lost := func(edits ...edit) *routing.Records {
		return &routing.Records{Instance: freshClaim(
			func(r *routing.Record) { r.Calls = nil }, sent, endedDelete, all(edits...))}
	}
	joined := changeInstance(openCreate("c", callEnds), voided("t"))
	var rows []closeRow
	for _, from := range []routing.State{
		routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready,
	} {
		held := both(newInstance(inState(from), openCreate("old", past), openDelete("d")), nil)
		rows = append(rows, closeRow{
			name: "OK, final: " + string(from), call: deleteInstance(), outcome: outcomeDone, held: held, instance: buried,
		}, closeRow{
			name: "accepted: " + string(from), call: deleteInstance(), outcome: outcomeAccepted, held: held,
			instance: all(endedDelete, done("old"), state(routing.Deleting), accepted(routing.KindDelete, "")),
		}, closeRow{
			name: "other: " + string(from), call: deleteInstance(), outcome: outcomeOther, held: held,
			instance: endedDelete,
		})
	}
	testClose(t, rows)
	testClose(t, []closeRow{
		{
			name: "OK, final: doubt cleared", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(inDoubt(past)), nil), instance: buried,
		},
		{
			name: "OK, final: strays stay", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(func(r *routing.Record) {
				r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			}), nil),
			instance: buried,
		},
		{
			name: "OK, not final: a create was open", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(openCreate("c", soon)), nil), instance: endedDelete,
			verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, not final: in doubt", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(inDoubt(soon)), nil), instance: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, not final though all is clear by now", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(openCreate("c", soon)), nil), meanwhile: changeInstance(done("c")),
			instance: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, voided", call: deleteInstance(), outcome: outcomeDone, held: both(newInstance(), nil),
			meanwhile: joined, instance: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, of another life", call: deleteInstance(), outcome: outcomeDone, held: both(newInstance(), nil),
			meanwhile: replaceInstance(nextLife()), instance: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, ended by another delete before a new life", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(), nil), meanwhile: replaceInstance(nextLife(endedDelete)),
			verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, a tombstone", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(inState(routing.Gone)), nil),
		},
		{
			name: "OK, a tombstone that was claimed anew", call: deleteInstance(), outcome: outcomeDone,
			held: both(newInstance(inState(routing.Gone)), nil), meanwhile: replaceInstance(nextLife()),
			instance: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "OK, absent", call: deleteInstance(), outcome: outcomeDone, meanwhile: lose,
			left: lost(state(routing.Gone)),
		},
		{
			name: "OK, absent now", call: deleteInstance(), outcome: outcomeDone, held: both(newInstance(), nil),
			meanwhile: lose, left: lost(state(routing.Gone), func(r *routing.Record) { r.Life = "life-0" }),
		},
		{
			name: "accepted, absent", call: deleteInstance(), outcome: outcomeAccepted,
			left: lost(state(routing.Deleting), accepted(routing.KindDelete, "")),
		},
		{
			name: "accepted, call done", call: deleteInstance(), outcome: outcomeAccepted,
			held: both(newInstance(), nil), meanwhile: changeInstance(done("t")),
		},
		{
			name: "accepted, gone by another delete", call: deleteInstance(), outcome: outcomeAccepted,
			held: both(newInstance(), nil), meanwhile: changeInstance(buried),
		},
		{
			name: "accepted, of another life", call: deleteInstance(), outcome: outcomeAccepted,
			held: both(newInstance(), nil), meanwhile: replaceInstance(nextLife()),
		},
		{
			name: "other, absent", call: deleteInstance(), outcome: outcomeOther, left: &routing.Records{},
		},
		{
			name: "other, gone", call: deleteInstance(), outcome: outcomeOther,
			held: both(newInstance(inState(routing.Gone)), nil),
		},
		{
			name: "other, of another life", call: deleteInstance(), outcome: outcomeOther,
			held: both(newInstance(), nil), meanwhile: replaceInstance(newInstance(openCreate("c", soon))),
		},
	})
}

// TestCloseDeleteOfTombstone goes beyond the table: the backend still had what the record calls gone, and is at it.
func TestCloseDeleteOfTombstone(t *testing.T) {
	t.Parallel()
	testClose(t, []closeRow{{
		name: "accepted", call: deleteInstance(), outcome: outcomeAccepted, held: both(newInstance(neverCreated), nil),
		instance: all(endedDelete, state(routing.Deleting), accepted(routing.KindDelete, ""),
			func(r *routing.Record) { r.NeverCreated = false }),
	}, {
		name: "accepted, claimed anew", call: deleteInstance(), outcome: outcomeAccepted,
		held: both(newInstance(neverCreated), nil), meanwhile: replaceInstance(nextLife()),
	}, {
		name: "accepted, claimed anew and gone", call: deleteInstance(), outcome: outcomeAccepted,
		held: both(newInstance(neverCreated), nil), meanwhile: replaceInstance(nextLife(neverCreated)),
	}})
}
