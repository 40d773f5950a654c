package routing_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// The tables of the protocol are tested row by row. Platforms "p" and "q" and backends "a" and "b" are configured. All
// calls are made by platform "p" at the moment `now`, on instance "i" and binding "b1".
const (
	now     = routing.Moment(1_700_000_000_000)
	timeout = 55 * time.Second
	settle  = 5 * time.Minute
	hour    = time.Hour
)

var (
	// callEnds is when a create that is begun now can no longer take effect.
	callEnds = now.Add(timeout + settle)
	past     = now.Add(-hour)
	soon     = now.Add(time.Minute)
)

var (
	onInstance = routing.Key{Instance: "i"}
	onBinding  = routing.Key{Instance: "i", Binding: "b1"}
)

// testConfig knows two platforms and two backends.
type testConfig struct{}

func (testConfig) Window(backend routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: timeout, Settle: settle}, backend == "a" || backend == "b"
}

func (testConfig) Platform(platform routing.PlatformID) (routing.PlatformID, bool) {
	return platform, platform == "p" || platform == "q"
}

func (testConfig) Suspect(routing.BackendID) bool { return false }

// edit changes a record or a call.
type (
	edit     = func(*routing.Record)
	callEdit = func(*routing.Call)
)

// newCall returns a call of platform p whose token is "t", and whose offering "s1" is backend a's.
func newCall(kind routing.Kind, key routing.Key, edits ...callEdit) *routing.Call {
	call := &routing.Call{
		Token: "t", Life: "life-t", Kind: kind, Key: key, Platform: "p", Service: "s1", Plan: "plan1",
		Hint: routing.Hint{Backend: "a", Service: "s1"}, Offer: routing.Offer{Backend: "a"},
	}
	for _, edit := range edits {
		edit(call)
	}
	return call
}

// newInstance returns the record of an instance that is ready, has been seen on backend a and belongs to platform p.
func newInstance(edits ...edit) *routing.Record {
	record := &routing.Record{
		Version: routing.RecordVersion, Instance: "i", Platform: "p", Backend: "a", Service: "s1", Plan: "plan0",
		Life: "life-0", Rev: 7, State: routing.Ready, Seen: true, Sent: true, Op: routing.Op{Seq: 3},
		Created: past, Updated: past,
	}
	for _, edit := range edits {
		edit(record)
	}
	return record
}

// newBinding returns the record of a binding of newInstance's.
func newBinding(edits ...edit) *routing.Record {
	binding := func(r *routing.Record) { r.Binding, r.Life, r.ParentLife = "b1", "bound-0", "life-0" }
	return newInstance(slices.Insert(edits, 0, binding)...)
}

// inState puts a record into a state. An operation belongs to the states of a 202.
func inState(state routing.State) edit {
	return func(r *routing.Record) {
		r.State = state
		switch state {
		case routing.Creating:
			r.Op = routing.Op{Seq: r.Op.Seq, Kind: routing.KindCreate, Operation: "op3", Plan: "plan-op"}
		case routing.Updating:
			r.Op = routing.Op{Seq: r.Op.Seq, Kind: routing.KindUpdate, Operation: "op3", Plan: "plan-op"}
		case routing.Deleting:
			r.Op = routing.Op{Seq: r.Op.Seq, Kind: routing.KindDelete, Operation: "op3"}
		case routing.Gone:
			r.Seen = false
		case routing.Claimed, routing.Ready:
		}
	}
}

// claimed is a claim of which nothing is known.
func claimed(r *routing.Record) { r.State, r.Seen, r.Sent = routing.Claimed, false, false }

// neverCreated is the tombstone of a claim that was refused by the backend.
func neverCreated(r *routing.Record) {
	r.State, r.Seen, r.NeverCreated = routing.Gone, false, true
}

// neverSent is the tombstone of a claim whose backend was not reached.
func neverSent(r *routing.Record) {
	neverCreated(r)
	r.Sent = false
}

func ofPlatform(p routing.PlatformID) edit { return func(r *routing.Record) { r.Platform = p } }

func onBackend(b routing.BackendID) edit { return func(r *routing.Record) { r.Backend = b } }

func inDoubt(until routing.Moment) edit { return func(r *routing.Record) { r.DoubtUntil = until } }

// withCall enters a call in a record.
func withCall(token string, call routing.Open) edit {
	return func(r *routing.Record) {
		r.Calls = maps.Clone(r.Calls)
		if r.Calls == nil {
			r.Calls = make(map[string]routing.Open)
		}
		r.Calls[token] = call
	}
}

func openCreate(token string, until routing.Moment) edit {
	return withCall(token, routing.Open{Kind: routing.KindCreate, Until: until})
}

func openDelete(token string) edit {
	return withCall(token, routing.Open{Kind: routing.KindDelete, Final: true, Until: callEnds})
}

// done ends a call of a record now.
func done(token string) edit { return doneAs(token, "") }

// doneAs ends a call of a record now; kind is that of a call the record does not know yet.
func doneAs(token string, kind routing.Kind) edit {
	return func(r *routing.Record) {
		call := r.Calls[token]
		call.Done = now
		if kind != "" {
			call.Kind = kind
		}
		withCall(token, call)(r)
	}
}

// voided marks an open delete as overtaken.
func voided(token string) edit {
	return func(r *routing.Record) {
		call := r.Calls[token]
		call.Voided = true
		withCall(token, call)(r)
	}
}

func all(edits ...edit) edit {
	return func(r *routing.Record) {
		for _, edit := range edits {
			edit(r)
		}
	}
}

// edited returns a changed copy.
func edited(record *routing.Record, edits ...edit) *routing.Record {
	if record == nil {
		return nil
	}
	c := *record
	c.Calls, c.Strays = maps.Clone(record.Calls), slices.Clone(record.Strays)
	all(edits...)(&c)
	return &c
}

// wantRecord compares a record with what it should be. A nil map is an empty one.
func wantRecord(t *testing.T, what string, want, got *routing.Record) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(routing.Record{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// both are the records of an instance and its binding.
func both(instance, binding *routing.Record) routing.Records {
	return routing.Records{Instance: instance, Binding: binding}
}

func wantRecords(t *testing.T, what string, want, got routing.Records) {
	t.Helper()
	wantRecord(t, what+": instance", want.Instance, got.Instance)
	wantRecord(t, what+": binding", want.Binding, got.Binding)
}

func copied(records routing.Records) routing.Records {
	return both(edited(records.Instance), edited(records.Binding))
}
