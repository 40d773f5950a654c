package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// freshClaim is what a create of a free id writes.
func freshClaim(edits ...edit) *routing.Record {
	record := &routing.Record{
		Version: routing.RecordVersion, Instance: "i", Platform: "p", Backend: "a", Service: "s1", Plan: "plan1",
		Life: "life-t", State: routing.Claimed, Created: now,
		Calls: map[string]routing.Open{"t": {Kind: routing.KindCreate, Until: callEnds}},
	}
	all(edits...)(record)
	return record
}

func offeredBy(backend routing.BackendID) callEdit {
	return func(c *routing.Call) { c.Offer = routing.Offer{Backend: backend} }
}

func ofOffering(service routing.ServiceID) callEdit {
	return func(c *routing.Call) { c.Service = service }
}

// TestBeginCreate: rows of the begin table whose call is a create.
func TestBeginCreate(t *testing.T) {
	t.Parallel()
	create := func(edits ...callEdit) *routing.Call { return newCall(routing.KindCreate, onInstance, edits...) }
	tombstone := func(edits ...edit) *routing.Record {
		return newInstance(inState(routing.Gone), all(edits...))
	}
	// What a tombstone's record is after it was claimed again: of the life before, only ended calls, strays and the
	// operation's number stay.
	reclaimed := func(edits ...edit) *routing.Records {
		return &routing.Records{Instance: freshClaim(
			func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 }, all(edits...))}
	}
	testBegin(t, []beginRow{
		{
			name: "absent", call: create(),
			created: &routing.Records{Instance: freshClaim()}, backend: "a",
		},
		{
			name: "gone, same platform", call: create(offeredBy("b")), held: both(tombstone(), nil),
			created: reclaimed(onBackend("b")), backend: "b",
		},
		{
			name: "gone, same platform: done calls and strays kept, open deletes not",
			call: create(),
			held: both(tombstone(
				withCall("old", routing.Open{Kind: routing.KindCreate, Done: past}), openDelete("d"),
				func(r *routing.Record) { r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}} }), nil),
			created: reclaimed(
				withCall("old", routing.Open{Kind: routing.KindCreate, Done: past}),
				func(r *routing.Record) { r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}} }),
			backend: "a",
		},
		{
			name: "gone, never created, other platform", call: create(),
			held:    both(tombstone(neverCreated, ofPlatform("q"), onBackend("b")), nil),
			created: reclaimed(), backend: "a",
		},
		{
			name: "gone, else", call: create(), held: both(tombstone(ofPlatform("q")), nil),
			refusal: routing.RefusalTaken,
		},
		{
			name: "live, other platform", call: create(), held: both(newInstance(ofPlatform("q")), nil),
			refusal: routing.RefusalTaken,
		},
		{
			name: "live, other platform, claimed only", call: create(),
			held: both(newInstance(claimed, ofPlatform("q")), nil), refusal: routing.RefusalTaken,
		},
		{
			name: "live, other offering", call: create(ofOffering("s2")), held: both(newInstance(), nil),
			refusal: routing.RefusalTaken,
		},
		{
			name: "live, else", call: create(), held: both(newInstance(), nil),
			instance: openCreate("t", callEnds), backend: "a",
		},
		{
			name: "live, else: to the record's backend, not the catalog's", call: create(offeredBy("b")),
			held: both(newInstance(), nil), instance: openCreate("t", callEnds), backend: "a",
		},
		{
			name: "live, else: every open delete voided", call: create(),
			held: both(newInstance(openDelete("d1"), openDelete("d2"), openCreate("c", past),
				withCall("d3", routing.Open{Kind: routing.KindDelete, Final: true, Done: past})), nil),
			instance: all(openCreate("t", callEnds), voided("d1"), voided("d2")), backend: "a",
		},
	})
	for _, state := range []routing.State{routing.Claimed, routing.Creating, routing.Updating, routing.Deleting} {
		testBegin(t, []beginRow{{
			name: "live, else: " + string(state), call: create(), held: both(newInstance(inState(state)), nil),
			instance: openCreate("t", callEnds), backend: "a",
		}})
	}
}

// TestBeginDelete: rows of the begin table whose call is a delete.
func TestBeginDelete(t *testing.T) {
	t.Parallel()
	remove := func(edits ...callEdit) *routing.Call { return newCall(routing.KindDelete, onInstance, edits...) }
	entered := func(final bool) edit {
		return withCall("t", routing.Open{Kind: routing.KindDelete, Final: final, Until: callEnds})
	}
	testBegin(t, []beginRow{
		{
			name: "live, own platform", call: remove(), held: both(newInstance(), nil),
			instance: entered(true), backend: "a", final: true,
		},
		{
			name: "live: not final, a create is open", call: remove(),
			held: both(newInstance(openCreate("c", soon)), nil), instance: entered(false), backend: "a",
		},
		{
			name: "live: final, the open create's time is over", call: remove(),
			held:     both(newInstance(openCreate("c", now)), nil),
			instance: entered(true), backend: "a", final: true,
		},
		{
			name: "live: final, the create is done", call: remove(),
			held: both(newInstance(withCall("c", routing.Open{
				Kind: routing.KindCreate, Until: soon, Done: past,
			})), nil),
			instance: entered(true), backend: "a", final: true,
		},
		{
			name: "live: not final, in doubt", call: remove(),
			held: both(newInstance(inDoubt(soon)), nil), instance: entered(false), backend: "a",
		},
		{
			name: "live: final, the doubt is over", call: remove(),
			held: both(newInstance(inDoubt(now)), nil), instance: entered(true), backend: "a", final: true,
		},
		{
			name: "live: other deletes do not matter", call: remove(),
			held: both(newInstance(openDelete("d")), nil), instance: entered(true), backend: "a", final: true,
		},
		{
			name: "live, other platform", call: remove(), held: both(newInstance(ofPlatform("q")), nil),
			refusal: routing.RefusalForeign,
		},
		{
			name: "gone, own platform", call: remove(), held: both(newInstance(inState(routing.Gone)), nil),
			backend: "a",
		},
		{
			name: "gone, other platform", call: remove(),
			held: both(newInstance(inState(routing.Gone), ofPlatform("q")), nil), refusal: routing.RefusalForeign,
		},
		{
			name: "gone, never created but sent", call: remove(), held: both(newInstance(neverCreated), nil),
			backend: "a",
		},
		{
			name: "gone and never sent", call: remove(), held: both(newInstance(neverSent), nil),
			refusal: routing.RefusalNeverSent,
		},
		{
			name: "gone and never sent, but with strays", call: remove(),
			held: both(newInstance(neverSent, func(r *routing.Record) {
				r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			}), nil),
			backend: "a",
		},
		{name: "absent, hint allowed", call: remove(), backend: "a"},
		{
			name: "absent, hint not allowed", call: remove(func(c *routing.Call) { c.RejectUnknown = true }),
			refusal: routing.RefusalUnknown,
		},
	})
}

// TestBeginElse: the row of the begin table for calls that enter nothing.
func TestBeginElse(t *testing.T) {
	t.Parallel()
	for _, kind := range []routing.Kind{routing.KindUpdate, routing.KindPoll, routing.KindFetch} {
		var rows []beginRow
		for _, state := range []routing.State{
			routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready,
		} {
			row := beginRow{
				name: string(kind) + ", live, own platform: " + string(state), call: newCall(kind, onInstance),
				held: both(newInstance(inState(state)), nil), backend: "a",
			}
			if kind == routing.KindUpdate && state == routing.Deleting {
				row.instance = withCall("t", routing.Open{Kind: routing.KindUpdate, Until: callEnds})
			}
			rows = append(rows, row)
		}
		rows = append(rows, beginRow{
			name: string(kind) + ", live, other platform", call: newCall(kind, onInstance),
			held: both(newInstance(ofPlatform("q")), nil), refusal: routing.RefusalForeign,
		})
		testBegin(t, rows)
	}
}
