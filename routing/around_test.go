package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// TestServiceContradicts: what becomes of a call whose service_id contradicts the record.
func TestServiceContradicts(t *testing.T) {
	t.Parallel()
	other := ofOffering("s2")
	held := both(newInstance(), newBinding())
	update := newCall(routing.KindUpdate, onInstance, other)
	rows := []beginRow{
		{name: "PUT instance", call: createOnInstance(other), held: held, refusal: routing.RefusalTaken},
		{name: "PATCH", call: update, held: held, refusal: routing.RefusalOtherOffering},
		{name: "bind", call: bind(other), held: held, refusal: routing.RefusalOtherOffering},
		{name: "bind of a new binding", call: bind(other), held: both(newInstance(), nil), refusal: routing.RefusalOtherOffering},
		{
			name: "GET", call: newCall(routing.KindFetch, onInstance, other), held: held, backend: "a", contradicts: true,
		},
		{
			name: "poll", call: newCall(routing.KindPoll, onInstance, other), held: held, backend: "a", contradicts: true,
		},
		{
			name: "DELETE", call: deleteInstance(other), held: held, backend: "a", final: true, contradicts: true,
			instance: withCall("t", routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds}),
		},
		{
			name: "unbind", call: unbind(other), held: held, backend: "a", final: true, contradicts: true,
			binding: withCall("t", routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds}),
		},
		{
			name: "GET binding", call: newCall(routing.KindFetch, onBinding, other), held: held, backend: "a",
			contradicts: true,
		},
		{
			name: "poll of a binding", call: newCall(routing.KindPoll, onBinding, other), held: held, backend: "a",
			contradicts: true,
		},
	}
	unknown := newInstance(func(r *routing.Record) { r.Service = "" })
	rows = append(rows,
		beginRow{
			name: "PUT instance without a service_id", call: createOnInstance(ofOffering("")), held: held,
			instance: openCreate("t", callEnds), backend: "a",
		},
		beginRow{
			name: "PUT instance whose record knows no offering", call: createOnInstance(other), held: both(unknown, nil),
			instance: openCreate("t", callEnds), backend: "a",
		},
		beginRow{name: "PATCH without a service_id", call: updateInstance(ofOffering("")), held: held, backend: "a"},
		beginRow{name: "another plan is no contradiction", call: updateInstance(func(c *routing.Call) {
			c.Plan = "plan9"
		}), held: held, backend: "a"},
	)
	testBegin(t, rows)
}

// TestWhenACallIsJudged: the catalog's refusals count only where a new record would be made.
func TestWhenACallIsJudged(t *testing.T) {
	t.Parallel()
	for _, refusal := range []routing.Refusal{
		routing.RefusalMissingService, routing.RefusalMissingPlan, routing.RefusalUnknownService,
		routing.RefusalUnknownPlan, routing.RefusalIncomplete, routing.RefusalNotVisible, routing.RefusalDraining,
	} {
		refused := createOnInstance(func(c *routing.Call) {
			c.Offer = routing.Offer{Refusal: refusal}
			c.Service, c.Plan = "", ""
		})
		testBegin(t, []beginRow{
			{name: string(refusal) + ": absent", call: refused, refusal: refusal},
			{
				name: string(refusal) + ": gone", call: refused, held: both(newInstance(inState(routing.Gone)), nil),
				refusal: refusal,
			},
			{
				name: string(refusal) + ": live", call: refused, held: both(newInstance(), nil),
				instance: openCreate("t", callEnds), backend: "a",
			},
		})
	}
}

// TestUnknownInstances: calls on instances without a record, under forward and under reject.
func TestUnknownInstances(t *testing.T) {
	t.Parallel()
	ambiguous := func(c *routing.Call) { c.Hint = routing.Hint{Refusal: routing.RefusalAmbiguous} }
	incomplete := func(c *routing.Call) { c.Hint = routing.Hint{Refusal: routing.RefusalIncomplete} }
	old := func(c *routing.Call) { c.Hint = routing.Hint{Backend: "old"} }
	for name, kind := range map[string]struct {
		kind routing.Kind
		key  routing.Key
		// written is what the call writes before it is sent.
		written *routing.Records
		final   bool
	}{
		"GET":               {kind: routing.KindFetch, key: onInstance},
		"poll":              {kind: routing.KindPoll, key: onInstance},
		"PATCH":             {kind: routing.KindUpdate, key: onInstance, written: &routing.Records{Instance: adoptingClaim()}},
		"DELETE":            {kind: routing.KindDelete, key: onInstance},
		"GET binding":       {kind: routing.KindFetch, key: onBinding},
		"poll of a binding": {kind: routing.KindPoll, key: onBinding},
		"unbind":            {kind: routing.KindDelete, key: onBinding},
		"bind": {kind: routing.KindCreate, key: onBinding, written: &routing.Records{
			Instance: adoptingClaim(), Binding: boundClaim(func(r *routing.Record) { r.ParentLife = "life-t" }),
		}},
	} {
		call := func(edits ...callEdit) *routing.Call { return newCall(kind.kind, kind.key, edits...) }
		testBegin(t, []beginRow{
			{name: name + ": forward, hint", call: call(), created: kind.written, backend: "a"},
			{name: name + ": forward, no hint", call: call(noHint), refusal: routing.RefusalNoHint},
			{name: name + ": forward, two backends", call: call(ambiguous), refusal: routing.RefusalAmbiguous},
			{name: name + ": forward, incomplete catalogs", call: call(incomplete), refusal: routing.RefusalIncomplete},
			{
				name: name + ": forward, the hint's backend is not configured", call: call(old),
				refusal: routing.RefusalNotConfigured,
			},
			{name: name + ": reject", call: call(reject), refusal: routing.RefusalUnknown},
			{name: name + ": reject, no hint", call: call(reject, noHint), refusal: routing.RefusalUnknown},
		})
	}
	testBegin(t, []beginRow{{
		name: "PUT instance: reject is about what was not made", call: createOnInstance(reject),
		created: &routing.Records{Instance: freshClaim()}, backend: "a",
	}})
}

// TestRejectedTombstone: under reject the tombstone of an instance that was never made leads nowhere, for the backend
// may have refused because the id is somebody else's there.
func TestRejectedTombstone(t *testing.T) {
	t.Parallel()
	for name, tombstone := range map[string]*routing.Record{
		"never sent": newInstance(neverSent), "refused": newInstance(neverCreated),
	} {
		held := both(tombstone, nil)
		for _, kind := range []routing.Kind{routing.KindFetch, routing.KindPoll, routing.KindUpdate} {
			testBegin(t, []beginRow{{
				name: name + ": " + string(kind), call: newCall(kind, onInstance, reject), held: held,
				refusal: routing.RefusalUnknown,
			}})
		}
		testBegin(t, []beginRow{
			{name: name + ": bind", call: bind(reject), held: held, refusal: routing.RefusalUnknown},
			{name: name + ": unbind", call: unbind(reject), held: held, refusal: routing.RefusalUnknown},
			{name: name + ": delete", call: deleteInstance(reject), held: held, refusal: routing.RefusalNeverSent},
			{
				name: name + ": create", call: createOnInstance(reject), held: held, backend: "a",
				created: &routing.Records{Instance: freshClaim(func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 })},
			},
		})
	}
}

// TestAdopting: the claim of an instance that the gateway had not known is erased by a 4xx and else kept.
func TestAdopting(t *testing.T) {
	t.Parallel()
	with := changeInstance
	update := updateInstance()
	testClose(t, []closeRow{
		{name: "4xx: erased", call: update, outcome: outcomeRefused, left: nothingLeft},
		{name: "not sent: erased", call: update, outcome: outcomeNothing, left: nothingLeft},
		{name: "OK", call: update, outcome: outcomeDone, instance: adopted},
		{
			name: "accepted", call: update, outcome: outcomeAccepted,
			instance: all(adopted, state(routing.Updating), accepted(routing.KindUpdate, "plan1")),
		},
		{name: "busy: it is there", call: update, outcome: outcomeExists, instance: adopted},
		{
			name: "unknown", call: update, outcome: outcomeUnknown,
			instance: all(endedAdopt, sent, inDoubt(now.Add(settle))),
		},
		{
			name: "4xx: a create is open", call: update, outcome: outcomeRefused,
			meanwhile: with(openCreate("c", past)), instance: endedAdopt,
		},
		{
			name: "4xx: a delete is open", call: update, outcome: outcomeRefused,
			meanwhile: with(openDelete("d")), instance: endedAdopt,
		},
		{
			name: "4xx: in doubt", call: update, outcome: outcomeRefused, meanwhile: with(inDoubt(past)),
			instance: endedAdopt,
		},
		{name: "4xx: seen", call: update, outcome: outcomeRefused, meanwhile: with(seen), instance: endedAdopt},
		{
			name: "4xx: ready by another call", call: update, outcome: outcomeRefused,
			meanwhile: with(state(routing.Ready), seen), instance: endedAdopt,
		},
		{
			name: "4xx: strays are not forgotten", call: update, outcome: outcomeRefused,
			meanwhile: with(func(r *routing.Record) { r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}} }),
			instance:  endedAdopt,
		},
		{
			name: "OK: deleted meanwhile", call: update, outcome: outcomeDone,
			meanwhile: with(func(r *routing.Record) { r.Adopting = false }, buried),
		},
		{name: "OK: lost meanwhile", call: update, outcome: outcomeDone, meanwhile: lose, left: nothingLeft},
	})
}

// TestForeignPlatform: no call reaches what is recorded for another platform.
func TestForeignPlatform(t *testing.T) {
	t.Parallel()
	foreign := ofPlatform("q")
	for name, held := range map[string]routing.Records{
		"live": both(newInstance(foreign), newBinding(foreign)),
		"gone": both(newInstance(foreign, inState(routing.Gone)), newBinding(foreign, inState(routing.Gone))),
		"never created": both(
			newInstance(foreign, neverSent), newBinding(foreign, neverSent)),
	} {
		for _, kind := range []routing.Kind{
			routing.KindFetch, routing.KindPoll, routing.KindUpdate, routing.KindDelete,
		} {
			testBegin(t, []beginRow{{
				name: name + ": " + string(kind), call: newCall(kind, onInstance),
				held: both(held.Instance, nil), refusal: routing.RefusalForeign,
			}})
			if kind != routing.KindUpdate {
				testBegin(t, []beginRow{{
					name: name + ": " + string(kind) + " on binding", call: newCall(kind, onBinding), held: held,
					refusal: routing.RefusalForeign,
				}})
			}
		}
		testBegin(t, []beginRow{{name: name + ": bind", call: bind(), held: held, refusal: routing.RefusalForeign}})
	}
}

// TestNotConfigured: a record of a platform or backend that is not configured is refused to everyone.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]edit{
		"backend": onBackend("old"), "platform": ofPlatform("old"),
		"backend, gone":           all(onBackend("old"), inState(routing.Gone)),
		"platform, gone":          all(ofPlatform("old"), inState(routing.Gone)),
		"platform, never created": all(ofPlatform("old"), neverSent),
		"backend, own platform's": all(onBackend("old"), neverSent),
	} {
		for _, kind := range []routing.Kind{
			routing.KindCreate, routing.KindFetch, routing.KindPoll, routing.KindUpdate, routing.KindDelete,
		} {
			rows := []beginRow{{
				name: name + ": " + string(kind), call: newCall(kind, onInstance), held: both(newInstance(lost), nil),
				refusal: routing.RefusalNotConfigured,
			}}
			if kind != routing.KindUpdate {
				rows = append(rows, beginRow{
					name: name + " of the instance: " + string(kind) + " on binding", call: newCall(kind, onBinding),
					held: both(newInstance(lost), nil), refusal: routing.RefusalNotConfigured,
				}, beginRow{
					name: name + " of the binding: " + string(kind) + " on binding", call: newCall(kind, onBinding),
					held: both(newInstance(), newBinding(lost)), refusal: routing.RefusalNotConfigured,
				})
			}
			testBegin(t, rows)
		}
	}
	testBegin(t, []beginRow{{
		name: "the catalog's backend", call: createOnInstance(offeredBy("old")), refusal: routing.RefusalNotConfigured,
	}})
}
