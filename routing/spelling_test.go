package routing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// testView knows ids by their backend: "a:s1" is the offering s1 of backend a. It shows all offerings but some.
type testView struct{ hidden []routing.ServiceID }

func (testView) OwnService(backend routing.BackendID, id routing.ServiceID) routing.ServiceID {
	return routing.ServiceID(strings.TrimPrefix(string(id), string(backend)+":"))
}

func (testView) OwnPlan(backend routing.BackendID, id routing.PlanID) routing.PlanID {
	return routing.PlanID(strings.TrimPrefix(string(id), string(backend)+":"))
}

func (testView) SameService(backend routing.BackendID, own, spelled routing.ServiceID) bool {
	return spelled == routing.ServiceID(backend)+":"+own
}

func (testView) SamePlan(backend routing.BackendID, own, spelled routing.PlanID) bool {
	return spelled == routing.PlanID(backend)+":"+own
}

// blindView is a testView that has no catalog at hand.
type blindView struct{ testView }

func (blindView) OwnService(_ routing.BackendID, id routing.ServiceID) routing.ServiceID { return id }

func (blindView) OwnPlan(_ routing.BackendID, id routing.PlanID) routing.PlanID { return id }

func (v testView) Visible(_ routing.BackendID, id routing.ServiceID) bool {
	return !slices.Contains(v.hidden, id)
}

// viewed has a call go by the view of a platform that may not see some offerings.
func viewed(hidden ...routing.ServiceID) callEdit {
	return func(c *routing.Call) { c.View = testView{hidden} }
}

// calling has a call name an offering and a plan.
func calling(service routing.ServiceID, plan routing.PlanID) callEdit {
	return func(c *routing.Call) { c.Service, c.Plan, c.Hint.Service = service, plan, service }
}

// spelled has a call name its ids as a platform knows them that sees them mapped.
var spelled = func(c *routing.Call) {
	viewed()(c)
	calling("a:s1", "a:plan1")(c)
}

// blind has a call go by a view without a catalog.
func blind(c *routing.Call) { c.View = blindView{} }

// spelledAs has a record remember how its platform knows the ids.
func spelledAs(service routing.ServiceID, plan routing.PlanID) edit {
	return func(r *routing.Record) { r.SpelledService, r.SpelledPlan = service, plan }
}

func ofPlan(plan routing.PlanID) edit { return func(r *routing.Record) { r.Plan = plan } }

// TestBeginSpelled: records keep the backend's own ids, and remember the others that the platform used.
func TestBeginSpelled(t *testing.T) {
	t.Parallel()
	mapped := spelledAs("a:s1", "a:plan1")
	own := &namedIDs{service: "s1", plan: "plan1"}
	both1 := &namedIDs{"s1", "plan1", routing.Spelling{Service: "a:s1", Plan: "a:plan1"}}
	entered := withCall("t", routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds})
	onA := newInstance(ofPlan("plan1"), mapped)
	testBegin(t, []beginRow{
		{
			name: "create", call: createOnInstance(spelled), backend: "a", named: both1,
			created: &routing.Records{Instance: freshClaim(mapped)},
		},
		{
			name: "create by the own ids", call: createOnInstance(viewed()), backend: "a", named: own,
			created: &routing.Records{Instance: freshClaim()},
		},
		{
			name: "create of what is gone", call: createOnInstance(spelled), held: both(newInstance(inState(routing.Gone)), nil),
			backend: "a", named: both1,
			created: &routing.Records{Instance: freshClaim(mapped, func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 })},
		},
		{
			name: "create of what is gone: its spelling is forgotten", call: createOnInstance(viewed()),
			held: both(newInstance(inState(routing.Gone), mapped), nil), backend: "a", named: own,
			created: &routing.Records{Instance: freshClaim(func(r *routing.Record) { r.Rev, r.Op.Seq = 7, 3 })},
		},
		{
			name: "create of what was created by the own ids", call: createOnInstance(spelled), held: both(newInstance(), nil),
			instance: openCreate("t", callEnds), backend: "a", named: both1,
		},
		{
			name: "create by the own ids of what was created by the others", call: createOnInstance(viewed()),
			held: both(onA, nil), instance: openCreate("t", callEnds), backend: "a", named: own,
		},
		{
			name: "create of another backend's offering", call: createOnInstance(viewed(), calling("b:s1", "b:plan1")),
			held: both(newInstance(), nil), refusal: routing.RefusalTaken,
		},
		{
			name: "update", call: updateInstance(spelled), held: both(newInstance(), nil), backend: "a", named: both1,
		},
		{
			name: "update without ids", call: updateInstance(viewed(), calling("", "")), held: both(onA, nil), backend: "a",
			named: &namedIDs{service: "s1", spelling: routing.Spelling{Service: "a:s1", Plan: "a:plan1"}},
		},
		{
			name: "update of another backend's offering", call: updateInstance(viewed(), calling("b:s1", "")),
			held: both(newInstance(), nil), refusal: routing.RefusalOtherOffering,
		},
		{
			name: "update, adopting", call: updateInstance(spelled), backend: "a", named: both1,
			created: &routing.Records{Instance: adoptingClaim(mapped)},
		},
		{
			name: "update, adopting by the hint's offering", backend: "a",
			call:    updateInstance(spelled, func(c *routing.Call) { c.Service = "" }),
			created: &routing.Records{Instance: adoptingClaim(mapped)}, named: both1,
		},
		{
			name: "GET without ids", call: newCall(routing.KindFetch, onInstance, viewed(), calling("", "")),
			held: both(onA, nil), backend: "a",
			named: &namedIDs{service: "s1", spelling: routing.Spelling{Service: "a:s1", Plan: "a:plan1"}},
		},
		{
			name: "GET by the own ids", call: newCall(routing.KindFetch, onInstance, viewed()), held: both(onA, nil),
			backend: "a", named: own,
		},
		{
			name: "GET by one of the own ids", call: newCall(routing.KindFetch, onInstance, viewed(), calling("s1", "")),
			held: both(onA, nil), backend: "a", named: &namedIDs{service: "s1"},
		},
		{
			name: "GET by hint", call: newCall(routing.KindFetch, onInstance, spelled), backend: "a", named: both1,
		},
		{
			name: "GET of another backend's offering", held: both(onA, nil), backend: "a", contradicts: true,
			call:  newCall(routing.KindFetch, onInstance, viewed(), calling("b:s1", "")),
			named: &namedIDs{service: "s1", spelling: routing.Spelling{Service: "a:s1", Plan: "a:plan1"}},
		},
		{
			name: "delete", call: deleteInstance(spelled), held: both(onA, nil), backend: "a", instance: entered, final: true,
			named: both1,
		},
		{
			name: "delete, although no catalog knows the ids", call: deleteInstance(calling("a:s1", "a:plan1")),
			held: both(onA, nil), backend: "a", instance: entered, final: true, named: both1,
		},
		{
			name: "delete by ids that neither a catalog nor the record knows", held: both(newInstance(), nil), backend: "a",
			call: deleteInstance(calling("a:s1", "a:plan1")), instance: entered, final: true, contradicts: true,
			named: &namedIDs{service: "s1", plan: "a:plan1"},
		},
		{
			name: "delete of what was created by the own ids, the catalog not at hand", backend: "a", named: both1,
			call: deleteInstance(spelled, blind), held: both(newInstance(ofPlan("plan1")), nil), instance: entered, final: true,
		},
		{
			name: "update of what was created by the own ids, the catalog not at hand", backend: "a",
			call: updateInstance(spelled, blind), held: both(newInstance(), nil),
			named: &namedIDs{"s1", "a:plan1", routing.Spelling{Service: "a:s1"}},
		},
		{
			name: "update of another backend's offering, the catalog not at hand", held: both(newInstance(), nil),
			call: updateInstance(blind, calling("b:s1", "")), refusal: routing.RefusalOtherOffering,
		},
		{
			name: "bind", call: bind(spelled), held: both(newInstance(), nil), backend: "a", named: both1,
			created: &routing.Records{Instance: newInstance(), Binding: boundClaim(mapped)},
		},
		{
			name: "bind without ids", call: bind(viewed(), calling("", "")), held: both(onA, nil), backend: "a",
			created: &routing.Records{Instance: onA, Binding: boundClaim(spelledAs("a:s1", ""), ofPlan(""))},
		},
		{
			name: "bind, the instance's offering not known", call: bind(spelled), backend: "a",
			held: both(newInstance(func(r *routing.Record) { r.Service = "" }), nil),
			created: &routing.Records{
				Instance: newInstance(func(r *routing.Record) { r.Service = "" }),
				Binding:  boundClaim(spelledAs("", "a:plan1"), func(r *routing.Record) { r.Service = "" }),
			},
		},
		{
			name: "bind, adopting", call: bind(spelled), backend: "a", named: both1,
			created: &routing.Records{
				Instance: adoptingClaim(mapped), Binding: boundClaim(mapped, func(r *routing.Record) { r.ParentLife = "life-t" }),
			},
		},
		{
			name: "bind to an older parent life", call: bind(spelled), backend: "a",
			held: both(newInstance(), newBinding(func(r *routing.Record) { r.ParentLife = "life-x" })),
			binding: all(state(routing.Claimed), opCleared, openCreate("t", callEnds), mapped, func(r *routing.Record) {
				r.Life, r.ParentLife, r.Plan, r.Created = "life-t", "life-0", "plan1", now
			}),
		},
		{
			name: "GET of a binding that is not recorded", call: newCall(routing.KindFetch, onBinding, viewed(), calling("", "")),
			held: both(onA, nil), backend: "a",
			named: &namedIDs{service: "s1", spelling: routing.Spelling{Service: "a:s1", Plan: "a:plan1"}},
		},
	})
}

// TestCloseSpelled: what outcomes write are the backend's own ids, too.
func TestCloseSpelled(t *testing.T) {
	t.Parallel()
	mapped := spelledAs("a:s1", "a:plan1")
	acceptedOp := func(kind routing.Kind) edit {
		return all(accepted(kind, "plan1"), func(r *routing.Record) { r.Op.SpelledPlan = "a:plan1" })
	}
	lost := func(edits ...edit) *routing.Records {
		return &routing.Records{Instance: freshClaim(mapped, done("t"), seen, sent, func(r *routing.Record) {
			call := r.Calls["t"]
			call.Until = 0
			r.Calls["t"] = call
		}, all(edits...))}
	}
	testClose(t, []closeRow{
		{
			name: "create accepted", call: createOnInstance(spelled), outcome: outcomeAccepted,
			instance: all(state(routing.Creating), done("t"), seen, sent, acceptedOp(routing.KindCreate)),
		},
		{
			name: "create, its record lost", call: createOnInstance(spelled), meanwhile: lose, outcome: outcomeDone,
			left: lost(state(routing.Ready)),
		},
		{
			name: "update done", call: updateInstance(spelled), held: both(newInstance(), nil), outcome: outcomeDone,
			instance: all(ofPlan("plan1"), mapped),
		},
		{
			name: "update by the own ids done", call: updateInstance(viewed()), held: both(newInstance(spelledAs("a:s1", "a:plan0")), nil),
			outcome: outcomeDone, instance: all(ofPlan("plan1"), spelledAs("", "")),
		},
		{
			name: "update that names the plan only done", call: updateInstance(viewed(), calling("", "a:plan1")),
			held: both(newInstance(spelledAs("a:s1", "a:plan0")), nil), outcome: outcomeDone,
			instance: all(ofPlan("plan1"), mapped),
		},
		{
			name: "update without a plan done", call: updateInstance(viewed(), calling("", "")),
			held: both(newInstance(spelledAs("a:s1", "a:plan0")), nil), outcome: outcomeDone,
		},
		{
			name: "update accepted", call: updateInstance(spelled), held: both(newInstance(), nil), outcome: outcomeAccepted,
			instance: all(state(routing.Updating), acceptedOp(routing.KindUpdate)),
		},
		{
			name: "update without a plan accepted", call: updateInstance(viewed(), calling("", "")),
			held: both(newInstance(spelledAs("a:s1", "a:plan0")), nil), outcome: outcomeAccepted,
			instance: all(state(routing.Updating), accepted(routing.KindUpdate, "")),
		},
		{
			name: "poll succeeded", call: pollInstance(viewed()), outcome: outcomeSucceeded,
			held: both(newInstance(inState(routing.Updating), func(r *routing.Record) { r.Op.SpelledPlan = "a:plan-op" }), nil),
			instance: all(state(routing.Ready), opCleared, func(r *routing.Record) {
				r.Plan, r.SpelledPlan = "plan-op", "a:plan-op"
			}),
		},
		{
			name: "poll of an update to a plan by its own id succeeded", call: pollInstance(viewed()), outcome: outcomeSucceeded,
			held:     both(newInstance(inState(routing.Updating), spelledAs("a:s1", "a:plan0")), nil),
			instance: all(state(routing.Ready), opCleared, ofPlan("plan-op"), spelledAs("", "")),
		},
		{
			name: "poll of an operation without a plan succeeded", call: pollInstance(viewed()), outcome: outcomeSucceeded,
			held: both(newInstance(inState(routing.Updating), spelledAs("a:s1", "a:plan0"), func(r *routing.Record) {
				r.Op.Plan = ""
			}), nil),
			instance: all(state(routing.Ready), opCleared),
		},
		{
			name: "bind, the record of the instance lost", call: bind(spelled), held: both(newInstance(mapped), nil),
			outcome:   outcomeDone,
			meanwhile: func(records routing.Records) routing.Records { return both(nil, records.Binding) },
			left: &routing.Records{
				Instance: adoptingClaim(mapped, doneAs("t", "adopt"), seen, sent, state(routing.Ready), func(r *routing.Record) {
					r.Adopting, r.Life = false, "life-0"
				}),
				Binding: boundClaim(mapped, done("t"), seen, sent, state(routing.Ready)),
			},
		},
	})
}

// TestBeginNotVisible: what a platform may not see it cannot change to or bind anew. Of what it owns it keeps control.
func TestBeginNotVisible(t *testing.T) {
	t.Parallel()
	hidden := viewed("s1", "")
	adoptedWithout := newInstance(func(r *routing.Record) { r.Service = "" })
	entered := withCall("t", routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds})
	plan := func(plan routing.PlanID) callEdit { return func(c *routing.Call) { c.Plan = plan } }
	rows := []beginRow{
		{
			name: "create of what is there", call: createOnInstance(hidden), held: both(newInstance(), nil),
			instance: openCreate("t", callEnds), backend: "a",
		},
		{
			name: "update to another plan", call: updateInstance(hidden), held: both(newInstance(), nil),
			refusal: routing.RefusalNotVisible,
		},
		{
			name: "update to another plan, by other ids", call: updateInstance(hidden, calling("a:s1", "a:plan1")),
			held: both(newInstance(), nil), refusal: routing.RefusalNotVisible,
		},
		{
			name: "update to another plan of another offering", call: updateInstance(hidden, calling("s2", "plan9")),
			held: both(newInstance(), nil), refusal: routing.RefusalOtherOffering,
		},
		{
			name: "update to a plan where that of the record is not known", call: updateInstance(hidden),
			held: both(newInstance(ofPlan("")), nil), refusal: routing.RefusalNotVisible,
		},
		{
			name: "update to a plan where the offering is not known", call: updateInstance(hidden, calling("", "plan1")),
			held: both(adoptedWithout, nil), refusal: routing.RefusalNotVisible,
		},
		{
			name: "update with the same plan", call: updateInstance(hidden, plan("plan0")), held: both(newInstance(), nil),
			backend: "a",
		},
		{
			name: "update with the same plan by its other id", call: updateInstance(hidden, plan("a:plan0")),
			held: both(newInstance(), nil), backend: "a",
		},
		{
			name: "update without a plan", call: updateInstance(hidden, plan("")), held: both(newInstance(), nil), backend: "a",
		},
		{
			name: "update to another plan of what is seen", call: updateInstance(viewed("s2")), held: both(newInstance(), nil),
			backend: "a",
		},
		{
			name: "update to a plan of an unknown instance", call: updateInstance(hidden), refusal: routing.RefusalNotVisible,
		},
		{
			name: "update without a plan of an unknown instance", call: updateInstance(hidden, plan("")), backend: "a",
			created: &routing.Records{Instance: adoptingClaim(ofPlan(""))},
		},
		{name: "bind", call: bind(hidden), held: both(newInstance(), nil), refusal: routing.RefusalNotVisible},
		{
			name: "bind of what is gone", call: bind(hidden), held: both(newInstance(), newBinding(inState(routing.Gone))),
			refusal: routing.RefusalNotVisible,
		},
		{
			name: "bind to what is gone", call: bind(hidden), held: both(newInstance(inState(routing.Gone)), nil),
			refusal: routing.RefusalNotVisible,
		},
		{
			name: "bind where the offering is not known", call: bind(hidden, calling("", "")), held: both(adoptedWithout, nil),
			refusal: routing.RefusalNotVisible,
		},
		{name: "bind to an unknown instance", call: bind(hidden), refusal: routing.RefusalNotVisible},
		{
			name: "bind again", call: bind(hidden), held: both(newInstance(), newBinding()), binding: openCreate("t", callEnds),
			backend: "a",
		},
		{
			name: "bind again, the instance's record lost", call: bind(hidden), held: both(nil, newBinding()), backend: "a",
			created: &routing.Records{
				Instance: adoptingClaim(func(r *routing.Record) { r.Life = "life-0" }),
				Binding:  newBinding(openCreate("t", callEnds)),
			},
		},
		{
			name: "bind of what is seen", call: bind(viewed("s2")), held: both(newInstance(), nil), backend: "a",
			created: &routing.Records{Instance: newInstance(), Binding: boundClaim()},
		},
		{
			name: "delete", call: deleteInstance(hidden), held: both(newInstance(), nil), backend: "a", instance: entered,
			final: true,
		},
		{
			name: "unbind", call: unbind(hidden), held: both(newInstance(), newBinding()), backend: "a", binding: entered,
			final: true,
		},
		{name: "delete of an unknown instance", call: deleteInstance(hidden), backend: "a"},
	}
	for _, kind := range []routing.Kind{routing.KindPoll, routing.KindFetch} {
		rows = append(rows,
			beginRow{
				name: string(kind), call: newCall(kind, onInstance, hidden), held: both(newInstance(), nil), backend: "a",
			},
			beginRow{
				name: string(kind) + " of a binding", call: newCall(kind, onBinding, hidden), held: both(newInstance(), newBinding()),
				backend: "a",
			},
			beginRow{name: string(kind) + " of an unknown instance", call: newCall(kind, onInstance, hidden), backend: "a"},
		)
	}
	testBegin(t, rows)
}

// TestEntryOwnIDs: an entry tells what the backend calls any id that the platform may use.
func TestEntryOwnIDs(t *testing.T) {
	t.Parallel()
	ledger := routing.NewLedger(routing.NewMemoryStore(), routing.LedgerOptions{})
	create := begin(t, ledger, createOnInstance(spelled))
	closeEntry(t, ledger, create, outcomeDone)
	bound := begin(t, ledger, bind(spelled, named("bind")))
	closeEntry(t, ledger, bound, outcomeDone)
	for what, call := range map[string]*routing.Call{
		"instance": newCall(routing.KindFetch, onInstance), "binding": newCall(routing.KindFetch, onBinding),
		"binding that is not recorded": newCall(routing.KindFetch, routing.Key{Instance: "i", Binding: "b2"}),
		"seen by a view":               newCall(routing.KindFetch, onInstance, viewed()),
	} {
		entry := begin(t, ledger, call)
		for spelled, want := range map[routing.ServiceID]routing.ServiceID{"": "", "s1": "s1", "a:s1": "s1", "b:s1": "b:s1"} {
			if got := entry.OwnService(spelled); got != want {
				t.Errorf("%s: the offering %q is %q, want %q", what, spelled, got, want)
			}
		}
		for spelled, want := range map[routing.PlanID]routing.PlanID{"": "", "plan1": "plan1", "a:plan1": "plan1", "b:plan1": "b:plan1"} {
			if got := entry.OwnPlan(spelled); got != want {
				t.Errorf("%s: the plan %q is %q, want %q", what, spelled, got, want)
			}
		}
	}
}

// TestNotOfferedByGuess: a create is not refused because its id was guessed to be free, nor a bind because the binding
// was.
func TestNotOfferedByGuess(t *testing.T) {
	t.Parallel()
	store := routing.NewMemoryStore()
	ledger := routing.NewLedger(store, routing.LedgerOptions{})
	closeEntry(t, ledger, begin(t, ledger, createOnInstance()), outcomeDone)
	closeEntry(t, ledger, begin(t, ledger, bind(named("bind"))), outcomeDone)
	for _, refusal := range []routing.Refusal{routing.RefusalDraining, routing.RefusalNotVisible} {
		other := routing.NewLedger(store, routing.LedgerOptions{})
		begin(t, other, newCall(routing.KindFetch, routing.Key{Instance: "j"})) // from now on it knows the store's clock
		again := begin(t, other, createOnInstance(viewed("s1"), named(string(refusal)), func(c *routing.Call) {
			c.Offer = routing.Offer{Refusal: refusal}
		}))
		if again.Decision.Refusal != routing.RefusalNone || again.Decision.Backend != "a" {
			t.Errorf("a create of what is there: got %+v", again.Decision)
		}
		bound := begin(t, other, bind(viewed("s1"), named("bind "+string(refusal))))
		if bound.Decision.Refusal != routing.RefusalNone {
			t.Errorf("a bind of what is there: got %+v", bound.Decision)
		}
	}
}
