package routing_test

import (
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// nothingLeft is what a row leaves behind that erases the records.
var nothingLeft = &routing.Records{}

// endedAdopt is call "t" once it ended as an adopting one.
func endedAdopt(r *routing.Record) {
	withCall("t", routing.Open{Kind: "adopt", Until: callEnds, Done: now})(r)
}

// adopted is the record of an instance whose adoption was confirmed.
var adopted = all(endedAdopt, state(routing.Ready), seen, sent, func(r *routing.Record) { r.Adopting = false })

// TestCloseBindAdopting: the rows of a bind on an instance that the gateway had not known.
func TestCloseBindAdopting(t *testing.T) {
	t.Parallel()
	joined := func(change func(*routing.Records)) func(routing.Records) routing.Records {
		return func(records routing.Records) routing.Records {
			records = copied(records)
			change(&records)
			return records
		}
	}
	testClose(t, []closeRow{
		{
			name: "2xx: OK", call: bind(), outcome: outcomeDone, instance: adopted,
			binding: all(endedT, state(routing.Ready), seen, sent),
		},
		{
			name: "2xx: accepted", call: bind(), outcome: outcomeAccepted, instance: adopted,
			binding: all(endedT, state(routing.Creating), seen, sent, accepted(routing.KindCreate, "plan1")),
		},
		{
			name: "exists: the instance is there", call: bind(), outcome: outcomeExists, instance: adopted,
			binding: all(endedT, seen, sent),
		},
		{name: "4xx: both erased", call: bind(), outcome: outcomeRefused, left: nothingLeft},
		{name: "not sent: both erased", call: bind(), outcome: outcomeNothing, left: nothingLeft},
		{
			name: "unknown: both stay", call: bind(), outcome: outcomeUnknown,
			instance: all(endedAdopt, sent, inDoubt(now.Add(settle))),
			binding:  all(endedT, sent, inDoubt(now.Add(settle))),
		},
		{
			name: "4xx: the instance was created meanwhile", call: bind(), outcome: outcomeRefused,
			meanwhile: joined(func(r *routing.Records) {
				r.Instance = edited(r.Instance, state(routing.Ready), seen, openCreate("c", soon), done("c"))
			}),
			instance: endedAdopt,
			binding: all(endedT, sent, state(routing.Gone), func(r *routing.Record) {
				r.NeverCreated = true
			}),
		},
		{
			name: "4xx: a create of the instance is open", call: bind(), outcome: outcomeRefused,
			meanwhile: joined(func(r *routing.Records) { r.Instance = edited(r.Instance, openCreate("c", soon)) }),
			instance:  endedAdopt,
			binding: all(endedT, sent, state(routing.Gone), func(r *routing.Record) {
				r.NeverCreated = true
			}),
		},
		{
			name: "4xx: another bind is open", call: bind(), outcome: outcomeRefused,
			meanwhile: joined(func(r *routing.Records) { r.Binding = edited(r.Binding, openCreate("c", soon)) }),
			left: &routing.Records{Binding: boundClaim(openCreate("c", soon), endedT, sent,
				func(r *routing.Record) { r.ParentLife = "life-t" })},
		},
		{
			name: "4xx: strays of the instance are not forgotten", call: bind(), outcome: outcomeRefused,
			meanwhile: joined(func(r *routing.Records) {
				r.Instance.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			}),
			instance: endedAdopt,
			binding: all(endedT, sent, state(routing.Gone), func(r *routing.Record) {
				r.NeverCreated = true
			}),
		},
		{
			name: "4xx: strays of the binding are not forgotten", call: bind(), outcome: outcomeRefused,
			meanwhile: joined(func(r *routing.Records) {
				r.Binding.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			}),
			left: &routing.Records{Binding: boundClaim(endedT, sent, state(routing.Gone), func(r *routing.Record) {
				r.NeverCreated, r.ParentLife = true, "life-t"
				r.Strays = []routing.Stray{{Backend: "b", Life: "lost"}}
			})},
		},
	})
}

// TestCloseBind: the rows of a bind on an instance with a record.
func TestCloseBind(t *testing.T) {
	t.Parallel()
	live, gone := newInstance(), newInstance(inState(routing.Gone))
	back := all(state(routing.Claimed), seen)
	created := all(endedT, state(routing.Ready), seen, sent)
	buryInstance := func(records routing.Records) routing.Records {
		records.Instance = edited(records.Instance, buried)
		return records
	}
	lostInstance := func(edits ...edit) *routing.Record {
		return adoptingClaim(adopted, func(r *routing.Record) {
			r.Life = "life-0"
			r.Calls = map[string]routing.Open{"t": {Kind: "adopt", Until: callEnds, Done: now}}
		}, all(edits...))
	}
	testClose(t, []closeRow{
		{
			name: "instance live: OK", call: bind(), outcome: outcomeDone, held: both(live, nil), binding: created,
		},
		{
			name: "instance live: nothing", call: bind(), outcome: outcomeRefused, held: both(live, nil),
			binding: all(endedT, sent, state(routing.Gone), func(r *routing.Record) { r.NeverCreated = true }),
		},
		{
			name: "instance live: exists", call: bind(), outcome: outcomeExists, held: both(live, nil),
			binding: all(endedT, sent, seen),
		},
		{
			name: "instance live: unknown", call: bind(), outcome: outcomeUnknown, held: both(live, nil),
			binding: all(endedT, sent, inDoubt(now.Add(settle))),
		},
		{
			name: "instance gone: OK", call: bind(), outcome: outcomeDone, held: both(gone, nil), instance: back,
			binding: created,
		},
		{
			name: "instance gone: accepted", call: bind(), outcome: outcomeAccepted, held: both(gone, nil),
			instance: back,
			binding:  all(endedT, state(routing.Creating), seen, sent, accepted(routing.KindCreate, "plan1")),
		},
		{
			name: "instance gone: nothing", call: bind(), outcome: outcomeRefused, held: both(gone, nil),
			binding: all(endedT, sent, state(routing.Gone), func(r *routing.Record) { r.NeverCreated = true }),
		},
		{
			name: "instance gone: exists", call: bind(), outcome: outcomeExists, held: both(gone, nil),
			binding: all(endedT, sent, seen),
		},
		{
			name: "instance deleted meanwhile: the bind came before", call: bind(), outcome: outcomeDone,
			held: both(live, nil), meanwhile: buryInstance, binding: created,
		},
		{
			name: "both lost: OK", call: bind(), outcome: outcomeDone, held: both(live, nil), meanwhile: lose,
			left: &routing.Records{
				Instance: lostInstance(),
				Binding:  boundClaim(endedT, func(r *routing.Record) { r.Calls = nil }, created, doneAs("t", routing.KindCreate)),
			},
		},
		{
			name: "both lost: nothing", call: bind(), outcome: outcomeNothing, held: both(live, nil), meanwhile: lose,
			left: nothingLeft,
		},
		{
			name: "instance gone, of another backend now", call: bind(), outcome: outcomeDone, held: both(gone, nil),
			meanwhile: func(records routing.Records) routing.Records {
				records.Instance = edited(records.Instance, onBackend("b"))
				return records
			},
			binding: created,
		},
		{
			name: "instance on another backend now: a stray", call: bind(), outcome: outcomeDone,
			held: both(live, nil),
			meanwhile: func(routing.Records) routing.Records {
				return both(newInstance(onBackend("b")), newBinding(onBackend("b")))
			},
			binding: all(endedT, func(r *routing.Record) {
				r.Strays = []routing.Stray{{Backend: "a", Life: "life-t"}}
			}),
		},
	})
}

// TestCloseBindAgain: the outcome of a bind that is noted again, after the instance went away, changes nothing.
func TestCloseBindAgain(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]routing.Records{
		"instance live":   both(newInstance(), nil),
		"instance gone":   both(newInstance(inState(routing.Gone)), nil),
		"instance absent": {},
	} {
		for what, leave := range map[string]func(*routing.Record) *routing.Record{
			"buried": func(r *routing.Record) *routing.Record { return edited(r, buried) },
			"erased": func(*routing.Record) *routing.Record { return nil },
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				call := bind()
				records, decision := routing.Begin(held, call, testConfig{}, now)
				records, _ = routing.Close(records, call, &decision, outcomeDone, now)
				records.Instance = leave(records.Instance)
				again, _ := routing.Close(records, call, &decision, outcomeDone, now)
				wantRecords(t, "noted again", records, again)
			})
		}
	}
}

// TestCloseOnBinding: unbinds and polls go by the tables of instances and leave the instance alone.
func TestCloseOnBinding(t *testing.T) {
	t.Parallel()
	poll := newCall(routing.KindPoll, onBinding)
	live := newInstance()
	unrecorded := func(edits ...edit) *routing.Records {
		return &routing.Records{Instance: live, Binding: boundClaim(
			func(r *routing.Record) { r.Calls = nil }, sent, endedDelete, all(edits...))}
	}
	testClose(t, []closeRow{
		{
			name: "unbind: OK, final", call: unbind(), outcome: outcomeDone, held: both(live, newBinding()),
			binding: buried,
		},
		{
			name: "unbind: OK, not final", call: unbind(), outcome: outcomeDone,
			held: both(live, newBinding(openCreate("c", soon))), binding: endedDelete, verdict: routing.VerdictRepeat,
		},
		{
			name: "unbind: accepted", call: unbind(), outcome: outcomeAccepted, held: both(live, newBinding()),
			binding: all(endedDelete, state(routing.Deleting), accepted(routing.KindDelete, "")),
		},
		{
			name: "unbind: other", call: unbind(), outcome: outcomeOther, held: both(live, newBinding()),
			binding: endedDelete,
		},
		{
			name: "unbind of one that is not recorded: OK", call: unbind(), outcome: outcomeDone, held: both(live, nil),
			left: unrecorded(state(routing.Gone)),
		},
		{
			name: "unbind of one that is not recorded: accepted", call: unbind(), outcome: outcomeAccepted,
			held: both(live, nil), left: unrecorded(state(routing.Deleting), accepted(routing.KindDelete, "")),
		},
		{
			name: "unbind of one that is not recorded: other", call: unbind(), outcome: outcomeOther,
			held: both(live, nil),
		},
		{
			name: "poll: succeeded, creating", call: poll, outcome: outcomeSucceeded,
			held:    both(live, newBinding(inState(routing.Creating))),
			binding: all(state(routing.Ready), opPlan, opCleared),
		},
		{
			name: "poll: failed, creating", call: poll, outcome: outcomeFailedOp,
			held:    both(live, newBinding(inState(routing.Creating))),
			binding: all(state(routing.Claimed), opCleared),
		},
		{
			name: "poll: 410, deleting", call: poll, outcome: outcomeGone,
			held: both(live, newBinding(inState(routing.Deleting))), binding: buried,
		},
		{
			name: "poll of one that is not recorded", call: poll, outcome: outcomeGone, held: both(live, nil),
		},
		{
			name: "poll of one that is not recorded: the instance's operation is not meant", call: poll,
			outcome: outcomeSucceeded, held: both(newInstance(inState(routing.Deleting)), nil),
		},
	})
}

// TestInstanceGoesBindingsStay: when an instance becomes gone its bindings stay, without a time to live, and route by
// themselves.
func TestInstanceGoesBindingsStay(t *testing.T) {
	t.Parallel()
	binding := newBinding(onBackend("b"))
	call := deleteInstance()
	records, decision := routing.Begin(both(newInstance(), nil), call, testConfig{}, now)
	records, _ = routing.Close(records, call, &decision, outcomeDone, now)
	records.Binding = binding // it has a key of its own
	if records.Instance.Live() || records.Instance.TTL() == 0 {
		t.Fatal("the instance is not gone")
	}
	if binding.TTL() != 0 {
		t.Errorf("the binding is kept for %v, want for ever", binding.TTL())
	}
	_, decision = routing.Begin(records, unbind(), testConfig{}, now)
	if decision.Backend != "b" || decision.Refusal != routing.RefusalNone {
		t.Errorf("an unbind goes to %q (%q), want to the binding's backend", decision.Backend, decision.Refusal)
	}
}

// TestUnbindBeforeAdoption: a binding that is being removed although nothing was known of its instance gives an
// instance that is adopted through it a life.
func TestUnbindBeforeAdoption(t *testing.T) {
	t.Parallel()
	call := unbind()
	records, decision := routing.Begin(routing.Records{}, call, testConfig{}, now)
	records, _ = routing.Close(records, call, &decision, outcomeAccepted, now)
	call = bind(func(c *routing.Call) { c.Token, c.Life = "t2", "life-2" })
	records, _ = routing.Begin(records, call, testConfig{}, now)
	if records.Instance.Life == "" || records.Binding.ParentLife != records.Instance.Life {
		t.Errorf("the instance has life %q and its binding is of %q, want one life, not empty",
			records.Instance.Life, records.Binding.ParentLife)
	}
}
