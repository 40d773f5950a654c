package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func bind(edits ...callEdit) *routing.Call { return newCall(routing.KindCreate, onBinding, edits...) }

func unbind(edits ...callEdit) *routing.Call { return newCall(routing.KindDelete, onBinding, edits...) }

// boundClaim is what a bind of a free id on newInstance writes.
func boundClaim(edits ...edit) *routing.Record {
	return freshClaim(func(r *routing.Record) { r.Binding, r.ParentLife = "b1", "life-0" }, all(edits...))
}

// adoptingClaim is what is written of an instance that the gateway had not known.
func adoptingClaim(edits ...edit) *routing.Record {
	return freshClaim(func(r *routing.Record) { r.Adopting = true },
		withCall("t", routing.Open{Kind: "adopt", Until: callEnds}), all(edits...))
}

func reject(c *routing.Call) { c.RejectUnknown = true }

func noHint(c *routing.Call) { c.Hint = routing.Hint{Refusal: routing.RefusalNoHint} }

// TestBeginBind: rows of the bindings table, and of the begin table where they say nothing else.
func TestBeginBind(t *testing.T) {
	t.Parallel()
	after := func(instance *routing.Record, edits ...edit) *routing.Records {
		return &routing.Records{Instance: instance, Binding: boundClaim(edits...)}
	}
	var rows []beginRow
	for _, from := range []routing.State{
		routing.Claimed, routing.Creating, routing.Updating, routing.Deleting, routing.Ready,
	} {
		live := newInstance(inState(from))
		rows = append(rows, beginRow{
			name: "instance live: " + string(from), call: bind(), held: both(live, nil), created: after(live), backend: "a",
		})
	}
	testBegin(t, rows)

	elsewhere := newInstance(onBackend("b"), func(r *routing.Record) { r.Service = "s9" })
	gone := newInstance(inState(routing.Gone))
	testBegin(t, []beginRow{
		{
			name: "instance live: the catalog is not asked; backend, platform and life are copied",
			call: bind(ofOffering(""), func(c *routing.Call) { c.Offer = routing.Offer{}; c.Hint.Backend = "a" }),
			held: both(elsewhere, nil), backend: "b",
			created: after(elsewhere, onBackend("b"), func(r *routing.Record) { r.Service = "s9" }),
		},
		{
			name: "instance live, rejecting platform: the instance is known", call: bind(reject),
			held: both(newInstance(), nil), created: after(newInstance()), backend: "a",
		},
		{
			name: "instance of another platform", call: bind(), held: both(newInstance(ofPlatform("q")), nil),
			refusal: routing.RefusalForeign,
		},
		{
			name: "instance absent, hint allowed", call: bind(), backend: "a",
			created: &routing.Records{
				Instance: adoptingClaim(), Binding: boundClaim(func(r *routing.Record) { r.ParentLife = "life-t" }),
			},
		},
		{
			name: "instance absent, the hint's offering", call: bind(ofOffering("")), backend: "a",
			created: &routing.Records{
				Instance: adoptingClaim(), Binding: boundClaim(func(r *routing.Record) { r.ParentLife = "life-t" }),
			},
		},
		{name: "instance absent, rejected", call: bind(reject), refusal: routing.RefusalUnknown},
		{name: "instance absent, no hint", call: bind(noHint), refusal: routing.RefusalNoHint},
		{
			name: "instance absent, binding live: to the binding's backend", call: bind(noHint),
			held: both(nil, newBinding(onBackend("b"), openDelete("d"))), backend: "b",
			created: &routing.Records{
				Instance: adoptingClaim(onBackend("b"), func(r *routing.Record) { r.Life = "life-0" }),
				Binding:  newBinding(onBackend("b"), openDelete("d"), voided("d"), openCreate("t", callEnds)),
			},
		},
		{
			name: "binding live: call open, every open delete voided", call: bind(),
			held:    both(newInstance(), newBinding(openDelete("d"))),
			binding: all(openCreate("t", callEnds), voided("d")), backend: "a",
		},
		{
			name: "binding gone: claimed anew", call: bind(),
			held:    both(newInstance(), newBinding(inState(routing.Gone), openDelete("d"))),
			created: after(newInstance(), func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 }), backend: "a",
		},
		{
			name: "binding gone on another backend: claimed anew", call: bind(),
			held:    both(newInstance(), newBinding(inState(routing.Gone), onBackend("b"))),
			created: after(newInstance(), func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 }), backend: "a",
		},
		{
			name: "binding of an older parent life, other backend", call: bind(),
			held: both(newInstance(), newBinding(onBackend("b"), func(r *routing.Record) { r.ParentLife = "life-x" })),

			refusal: routing.RefusalTaken,
		},
		{
			name: "binding of another platform", call: bind(),
			held: both(newInstance(), newBinding(ofPlatform("q"))), refusal: routing.RefusalTaken,
		},
		{
			name: "binding of another platform, gone", call: bind(),
			held: both(newInstance(), newBinding(ofPlatform("q"), inState(routing.Gone))), refusal: routing.RefusalTaken,
		},
		{
			name: "binding of another platform, never created", call: bind(),
			held:    both(newInstance(), newBinding(ofPlatform("q"), neverCreated)),
			created: after(newInstance(), func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 }), backend: "a",
		},
		{
			name: "instance gone: sent to its backend", call: bind(), held: both(gone, nil), created: after(gone),
			backend: "a",
		},
		{
			name: "instance gone, of another offering", call: bind(func(c *routing.Call) { c.Service = "s2" }),
			held: both(gone, nil), refusal: routing.RefusalOtherOffering,
		},
		{
			name: "instance gone, its offering not known", call: bind(),
			held: both(newInstance(inState(routing.Gone), func(r *routing.Record) { r.Service = "" }), nil),
			created: after(newInstance(inState(routing.Gone), func(r *routing.Record) { r.Service = "" }),
				func(r *routing.Record) { r.Service = "" }), backend: "a",
		},
		{
			name: "instance gone, never created", call: bind(), held: both(newInstance(neverSent), nil),
			created: after(newInstance(neverSent)), backend: "a",
		},
	})
}

// TestBeginBindOlderParentLife: a binding of an older parent life gets a new one on the same backend. What its backend
// may hold of the earlier life is still held.
func TestBeginBindOlderParentLife(t *testing.T) {
	t.Parallel()
	older := func(r *routing.Record) { r.ParentLife = "life-x" }
	renewed := all(state(routing.Claimed), opCleared, openCreate("t", callEnds), func(r *routing.Record) {
		r.Life, r.ParentLife, r.Plan, r.Created = "life-t", "life-0", "plan1", now
	})
	testBegin(t, []beginRow{
		{
			name: "ready", call: bind(), held: both(newInstance(), newBinding(older)), binding: renewed, backend: "a",
		},
		{
			name: "a bind open and in doubt", call: bind(),
			held:    both(newInstance(), newBinding(older, claimed, openCreate("c", soon), inDoubt(soon), openDelete("d"))),
			binding: all(renewed, voided("d")), backend: "a",
		},
		{
			name: "deleting: the backend had it", call: bind(),
			held: both(newInstance(), newBinding(older, claimed, inState(routing.Deleting))), binding: all(renewed, seen),
			backend: "a",
		},
	})
}

// TestBeginOnBinding: the row of the bindings table for calls on bindings that exist or not.
func TestBeginOnBinding(t *testing.T) {
	t.Parallel()
	entered := withCall("t", routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds})
	for _, kind := range []routing.Kind{routing.KindDelete, routing.KindFetch, routing.KindPoll} {
		on := func(edits ...callEdit) *routing.Call { return newCall(kind, onBinding, edits...) }
		final := kind == routing.KindDelete
		var change edit
		if final {
			change = entered
		}
		testBegin(t, []beginRow{
			{
				name: string(kind) + ": recorded", call: on(), held: both(newInstance(), newBinding(onBackend("b"))),
				binding: change, backend: "b", final: final,
			},
			{
				name: string(kind) + ": recorded, instance gone", call: on(),
				held: both(newInstance(inState(routing.Gone)), newBinding(onBackend("b"))), binding: change,
				backend: "b", final: final,
			},
			{
				name: string(kind) + ": recorded, instance absent", call: on(noHint, reject),
				held: both(nil, newBinding(onBackend("b"))), binding: change, backend: "b", final: final,
			},
			{
				name: string(kind) + ": recorded, tombstone", call: on(),
				held: both(newInstance(), newBinding(onBackend("b"), inState(routing.Gone))), backend: "b",
			},
			{
				name: string(kind) + ": recorded, never sent: no 410 of our own", call: on(),
				held: both(newInstance(), newBinding(onBackend("b"), neverSent)), backend: "b",
			},
			{
				name: string(kind) + ": not recorded", call: on(noHint), held: both(newInstance(onBackend("b")), nil),
				backend: "b",
			},
			{
				name: string(kind) + ": not recorded, instance gone", call: on(noHint),
				held: both(newInstance(onBackend("b"), neverSent), nil), backend: "b",
			},
			{name: string(kind) + ": neither recorded, hint allowed", call: on(), backend: "a"},
			{name: string(kind) + ": neither recorded, no hint", call: on(noHint), refusal: routing.RefusalNoHint},
			{name: string(kind) + ": neither recorded, rejected", call: on(reject), refusal: routing.RefusalUnknown},
			{
				name: string(kind) + ": another platform's", call: on(),
				held: both(newInstance(), newBinding(ofPlatform("q"))), refusal: routing.RefusalForeign,
			},
			{
				name: string(kind) + ": another platform's instance", call: on(),
				held: both(newInstance(ofPlatform("q")), newBinding()), refusal: routing.RefusalForeign,
			},
		})
	}
}
