package routing_test

import (
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// beginRow is a row of a begin table.
type beginRow struct {
	name string
	call *routing.Call
	held routing.Records
	// instance and binding are what becomes of the records; nil leaves a record as it is.
	instance, binding edit
	// created replaces the records where there were none.
	created *routing.Records
	backend routing.BackendID
	refusal routing.Refusal
	// final: a delete's success ends the record. contradicts: the record won over the call's service_id.
	final, contradicts bool
	// named are the ids of the decision; nil where they do not matter.
	named *namedIDs
}

// namedIDs are what a decision says of the offering and the plan.
type namedIDs struct {
	service  routing.ServiceID
	plan     routing.PlanID
	spelling routing.Spelling
}

func testBegin(t *testing.T, rows []beginRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			before := copied(row.held)
			after, decision := routing.Begin(row.held, row.call, testConfig{}, now)
			wantRecords(t, "the records given are changed", before, row.held)
			want := both(row.expect(before.Instance, row.instance), row.expect(before.Binding, row.binding))
			if row.created != nil {
				want = *row.created
			}
			wantRecords(t, "the records after", want, after)
			row.judge(t, decision)

			again, second := routing.Begin(after, row.call, testConfig{}, now)
			if again != after {
				t.Error("the same call again changes the records")
			}
			decision.Owner, second.Owner = routing.Stray{}, routing.Stray{} // a repeated begin finds a record to name
			if second != decision {
				t.Errorf("the same call again is decided otherwise: got %+v, want %+v", second, decision)
			}
		})
	}
}

func (row *beginRow) expect(before *routing.Record, change edit) *routing.Record {
	if change == nil {
		return before
	}
	return edited(before, change)
}

func (row *beginRow) judge(t *testing.T, got routing.Decision) {
	t.Helper()
	if got.Refusal != row.refusal || got.Backend != row.backend {
		t.Errorf("got refusal %q and backend %q, want %q and %q", got.Refusal, got.Backend, row.refusal, row.backend)
	}
	if got.Final() != row.final {
		t.Errorf("got final %t, want %t", got.Final(), row.final)
	}
	if got.Contradicts != row.contradicts {
		t.Errorf("got contradicts %t, want %t", got.Contradicts, row.contradicts)
	}
	if named := (namedIDs{got.Service, got.Plan, got.Spelling}); row.named != nil && named != *row.named {
		t.Errorf("got the ids %+v, want %+v", named, *row.named)
	}
}

// closeRow is a row of a close table: the call is begun on some records, others may change them meanwhile, and it ends.
type closeRow struct {
	name string
	call *routing.Call
	// held is what there was when the call began.
	held routing.Records
	// meanwhile changes the records, begun call included, before the outcome is noted; nil changes nothing.
	meanwhile func(routing.Records) routing.Records
	outcome   routing.Outcome
	// instance and binding are what becomes of the records; nil leaves a record as it is.
	instance, binding edit
	// left replaces the records where some were made or erased.
	left    *routing.Records
	verdict routing.Verdict
	// at is when the outcome is noted; default now.
	at routing.Moment
}

func testClose(t *testing.T, rows []closeRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.run(t)
		})
	}
}

func (row *closeRow) run(t *testing.T) {
	t.Helper()
	at := max(row.at, now)
	records, decision := routing.Begin(row.held, row.call, testConfig{}, now)
	if decision.Refusal != routing.RefusalNone {
		t.Fatalf("the call is refused: %s", decision.Refusal)
	}
	if row.meanwhile != nil {
		records = row.meanwhile(copied(records))
	}
	before := copied(records)
	after, verdict := routing.Close(records, row.call, &decision, row.outcome, at)
	wantRecords(t, "the records given are changed", before, records)
	want := before
	if row.instance != nil {
		want.Instance = edited(before.Instance, row.instance)
	}
	if row.binding != nil {
		want.Binding = edited(before.Binding, row.binding)
	}
	if row.left != nil {
		want = *row.left
	}
	wantRecords(t, "the records after", want, after)
	if verdict != row.verdict {
		t.Errorf("got verdict %q, want %q", verdict, row.verdict)
	}

	// An outcome may be noted any number of times.
	again, verdict := routing.Close(after, row.call, &decision, row.outcome, at.Add(time.Second))
	wantRecords(t, "noted a second time", want, again)
	if verdict != row.verdict {
		t.Errorf("noted a second time: got verdict %q, want %q", verdict, row.verdict)
	}
}

// replaceInstance puts another record in the place of the instance's.
func replaceInstance(record *routing.Record) func(routing.Records) routing.Records {
	return func(records routing.Records) routing.Records {
		records.Instance = edited(record)
		return records
	}
}

// changeInstance changes the instance's record as it is after the call was begun.
func changeInstance(edits ...edit) func(routing.Records) routing.Records {
	return func(records routing.Records) routing.Records {
		records.Instance = edited(records.Instance, edits...)
		return records
	}
}

// lose takes all records away.
func lose(routing.Records) routing.Records { return routing.Records{} }
