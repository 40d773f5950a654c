package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// tombstoneTTL is how long a record without strays is kept after its instance or binding is gone. Polls and
	// deletes may be repeated until then.
	tombstoneTTL = 7 * 24 * time.Hour
	// doneCallTTL is how long an ended call is remembered, so that a commit that is repeated does nothing.
	doneCallTTL = time.Hour
	// maxDoneCalls bounds the ended calls of one record: some platforms repeat a PUT every few seconds.
	maxDoneCalls = 32
)

// Moment is a time of the store's clock, in milliseconds since the Unix epoch. 0 means never.
type Moment int64

// At turns a time into a Moment.
func At(t time.Time) Moment { return Moment(t.UnixMilli()) }

// Add returns the moment that comes d later.
func (m Moment) Add(d time.Duration) Moment { return m + Moment(d.Milliseconds()) }

// State is what the gateway believes of an instance or binding.
type State string

// The states. Live means any but gone.
const (
	Claimed  State = "claimed"  // being created, or the outcome is unknown
	Creating State = "creating" // the backend accepted the creation (202)
	Updating State = "updating" // the backend accepted an update (202)
	Deleting State = "deleting" // the backend accepted the deletion (202)
	Ready    State = "ready"
	Gone     State = "gone" // tombstone
)

// Record is what the store remembers of one instance or binding. It never holds credentials, parameters or bodies.
type Record struct {
	Version  int        `json:"v"`
	Instance InstanceID `json:"instance_id"`
	Binding  BindingID  `json:"binding_id,omitempty"`
	Platform PlatformID `json:"platform"`
	Backend  BackendID  `json:"backend"`
	// Service and Plan are the backend's own ids. The plan is advice: no route or refusal depends on it.
	Service ServiceID `json:"service_id,omitempty"`
	Plan    PlanID    `json:"plan_id,omitempty"`
	// SpelledService and SpelledPlan are the same as the platform knows them, where that is not as the backend does: as it
	// named them when it created the instance or last changed the plan.
	SpelledService ServiceID `json:"spelled_service_id,omitempty"`
	SpelledPlan    PlanID    `json:"spelled_plan_id,omitempty"`
	// Life is random and new with each claim on a free id; it tells an instance from an earlier one of the same id.
	Life string `json:"life"`
	// ParentLife is the instance's life when a binding was claimed.
	ParentLife string `json:"parent_life,omitempty"`
	// Rev grows by one with each write.
	Rev   uint64 `json:"rev"`
	State State  `json:"state"`
	// Seen: the backend once confirmed that it holds the instance or binding.
	Seen bool `json:"seen,omitempty"`
	// Sent: a create of this life may have reached the backend.
	Sent bool `json:"sent,omitempty"`
	// Adopting: made by a call on an instance the gateway had not known; a refusal of that call erases the record.
	Adopting bool `json:"adopting,omitempty"`
	// NeverCreated marks a tombstone whose creation ended in nothing.
	NeverCreated bool            `json:"never_created,omitempty"`
	Op           Op              `json:"op"`
	Calls        map[string]Open `json:"calls,omitempty"`
	// DoubtUntil: until then a create whose answer was lost may still take effect at the backend.
	DoubtUntil Moment `json:"doubt_until,omitempty"`
	// Strays are other backends that may hold an instance of this id, after the store lost records.
	Strays  []Stray `json:"strays,omitempty"`
	Created Moment  `json:"created_at"`
	Updated Moment  `json:"updated_at"`

	newerFields //nolint:unused // empty but in test builds

	// unknown are the fields that a newer gateway wrote: they survive rewrites. Nil where there are none.
	unknown *unknown
}

// Op is the operation that the backend accepted last and that the platform polls.
type Op struct {
	// Seq grows by one with each accepted operation and is never reset within a record.
	Seq       uint64 `json:"seq,omitempty"`
	Kind      Kind   `json:"kind,omitempty"`
	Operation string `json:"operation,omitempty"`
	Plan      PlanID `json:"plan,omitempty"`
	// SpelledPlan is the plan as the platform knows it, where that is not as the backend does.
	SpelledPlan PlanID `json:"spelled_plan,omitempty"`
	// Trace is the W3C traceparent of the span that began the operation, for links.
	Trace string `json:"trace,omitempty"`
	// Began is when the backend was known to be at it; 0 in what an earlier version wrote.
	Began Moment `json:"began_at,omitempty"`
	// Voided marks a deletion that a create or an update overtook: its success does not end the record.
	Voided bool `json:"voided,omitempty"`
	// PolledAt is when the operation was polled last, as far as that was noted: not every poll is.
	PolledAt Moment `json:"polled_at,omitempty"`
	// Polls is how often the gateway has polled since a platform last did.
	Polls int `json:"polls,omitempty"`
}

// Open is a call that was entered in the record before it was sent.
type Open struct {
	Kind Kind `json:"kind"`
	// Final: no create was open or in doubt when this delete was sent, so its success ends the record.
	Final bool `json:"final,omitempty"`
	// Voided: a create was sent after this delete, so its success does not end the record.
	Voided bool `json:"voided,omitempty"`
	// Until is when a create can no longer take effect at the backend.
	Until Moment `json:"until,omitempty"`
	// Done is when the call ended; 0 while it is open.
	Done Moment `json:"done,omitempty"`
}

// Stray names a backend that may hold an instance it does not own by this record.
type Stray struct {
	Backend BackendID `json:"backend"`
	Life    string    `json:"life"`
}

// Live tells whether the instance or binding may exist.
func (r *Record) Live() bool { return r.State != Gone }

// Unfinished tells whether an operation of the record awaits polls.
func (r *Record) Unfinished() bool {
	return r.State == Creating || r.State == Updating || r.State == Deleting
}

// TTL returns how long the record is kept; 0 means for ever. Only a tombstone without strays ends by itself.
func (r *Record) TTL() time.Duration {
	if r.State == Gone && len(r.Strays) == 0 {
		return tombstoneTTL
	}
	return 0
}

// owner names the record's backend.
func (r *Record) owner() Stray { return Stray{Backend: r.Backend, Life: r.Life} }

// clone returns a deep copy, ready to be changed.
func (r *Record) clone() *Record {
	if r == nil {
		return nil
	}
	c := *r
	c.Calls = maps.Clone(r.Calls)
	c.Strays = slices.Clone(r.Strays)
	return &c
}

// createOpen tells whether a create, an adopting call or an update of what is being deleted, other than `except`, has
// not ended. One whose time is over counts as open: the gateway that sent it may have died, and what the backend made
// of it is not known.
func (r *Record) createOpen(except string) bool {
	for token, call := range r.Calls {
		if token != except && call.Done == 0 && call.Kind != KindDelete {
			return true
		}
	}
	return false
}

// mayStillCreate tells whether a create could take effect at the backend at this moment or later.
func (r *Record) mayStillCreate(now Moment) bool {
	if r.DoubtUntil > now {
		return true
	}
	for _, call := range r.Calls {
		if call.Done == 0 && call.Kind != KindDelete && call.Kind != KindUpdate && call.Until > now {
			return true
		}
	}
	return false
}

// deleteOpen tells whether a delete has not ended.
func (r *Record) deleteOpen() bool {
	for _, call := range r.Calls {
		if call.Done == 0 && call.Kind == KindDelete {
			return true
		}
	}
	return false
}

// voidDeletes marks every open delete as overtaken by a create.
func (r *Record) voidDeletes() {
	for token, call := range r.Calls {
		if call.Kind == KindDelete && call.Done == 0 && !call.Voided {
			call.Voided = true
			r.Calls[token] = call
		}
	}
}

// enter adds an open call.
func (r *Record) enter(token string, call Open) {
	if r.Calls == nil {
		r.Calls = make(map[string]Open, 1)
	}
	r.Calls[token] = call
}

// end marks a call as done; one that the record does not know is remembered as done, so that a repeated commit finds
// it.
func (r *Record) end(token string, kind Kind, now Moment) {
	call := r.Calls[token]
	call.Kind = kind
	call.Done = now
	r.enter(token, call)
}

// endAll marks every call as done.
func (r *Record) endAll(now Moment) {
	for token, call := range r.Calls {
		if call.Done == 0 {
			call.Done = now
			r.Calls[token] = call
		}
	}
}

// ended tells whether the call is known to be done.
func (r *Record) ended(token string) bool {
	return r != nil && r.Calls[token].Done != 0
}

// prune forgets calls that ended long ago. Open deletes whose gateway died are forgotten too: without the entry their
// success no longer ends the record, which is the safe side.
func (r *Record) prune(now Moment) {
	horizon := now.Add(-doneCallTTL)
	maps.DeleteFunc(r.Calls, func(_ string, call Open) bool {
		if call.Done != 0 {
			return call.Done < horizon
		}
		return call.Kind == KindDelete && call.Until < horizon
	})
	if excess := r.doneCalls() - maxDoneCalls; excess > 0 {
		r.forgetOldest(excess)
	}
}

func (r *Record) doneCalls() int {
	count := 0
	for _, call := range r.Calls {
		if call.Done != 0 {
			count++
		}
	}
	return count
}

func (r *Record) forgetOldest(count int) {
	done := make([]string, 0, len(r.Calls))
	for token, call := range r.Calls {
		if call.Done != 0 {
			done = append(done, token)
		}
	}
	slices.SortFunc(done, func(a, b string) int {
		if d := r.Calls[a].Done - r.Calls[b].Done; d != 0 {
			return int(d)
		}
		return strings.Compare(a, b) // any order will do
	})
	for _, token := range done[:count] {
		delete(r.Calls, token)
	}
}

// revive turns a tombstone into a claim again, because the backend may hold the instance after all.
func (r *Record) revive() {
	if r.State == Gone {
		r.State = Claimed
		r.NeverCreated = false
	}
}

// accept notes an operation that the backend accepted with a 202.
func (r *Record) accept(state State, op Op, now Moment) {
	op.Seq, op.Began = r.Op.Seq+1, now
	r.State = state
	r.Op = op
}

// clearOp forgets the operation but not its number.
func (r *Record) clearOp() { r.Op = Op{Seq: r.Op.Seq} }

// addStray notes that another backend may hold the instance.
func (r *Record) addStray(s Stray) {
	if !slices.Contains(r.Strays, s) {
		r.Strays = append(r.Strays, s)
	}
}

// ErrNewerRecord is matched when a record has a newer schema version than RecordVersion.
var ErrNewerRecord = errors.New("record has a newer version than this gateway understands")

// recordFields has Record's fields but not its methods.
type recordFields Record

// Encode returns the record as it is kept in a store, with the fields that a newer gateway wrote into what it was
// decoded from.
func (r *Record) Encode() ([]byte, error) {
	data, err := json.Marshal((*recordFields)(r))
	if err != nil {
		return nil, fmt.Errorf("encoding record: %w", err)
	}
	if r.unknown == nil {
		return data, nil
	}
	if data, err = r.unknown.addTo(r, data); err != nil {
		return nil, fmt.Errorf("encoding record: %w", err)
	}
	return data, nil
}

// DecodeRecord reads a record from a store; nil data gives a nil record. The error matches ErrNewerRecord where that is
// the reason.
func DecodeRecord(data []byte) (*Record, error) {
	if data == nil {
		return nil, nil
	}
	record, known := decodeKnown(data)
	var err error
	if !known {
		record = new(Record)
		err = json.Unmarshal(data, (*recordFields)(record))
	}
	if err != nil {
		// A newer gateway may have given a field another type: then the version is the better reason.
		var version struct {
			V int `json:"v"`
		}
		if json.Unmarshal(data, &version) == nil && version.V > RecordVersion {
			record.Version = version.V
		}
	}
	switch {
	case record.Version > RecordVersion:
		return nil, fmt.Errorf("%w: version %d, understood up to %d", ErrNewerRecord, record.Version, RecordVersion)
	case err != nil:
		return nil, fmt.Errorf("decoding record: %w", err)
	}
	if !known {
		if record.unknown, err = findUnknown(data, record); err != nil {
			return nil, fmt.Errorf("decoding record: %w", err)
		}
	}
	return record, nil
}
