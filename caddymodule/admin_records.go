package caddymodule

import (
	"cmp"
	"slices"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// recordView is a record as operators see it. It holds no credentials, parameters or bodies, as records do not.
type recordView struct {
	InstanceID routing.InstanceID `json:"instance_id"`
	BindingID  routing.BindingID  `json:"binding_id,omitempty"`
	State      routing.State      `json:"state"`
	// Platform and Backend are the names that the record carries; the others tell whether the configuration knows them.
	Platform           routing.PlatformID `json:"platform"`
	PlatformConfigured bool               `json:"platform_configured"`
	Backend            routing.BackendID  `json:"backend"`
	BackendConfigured  bool               `json:"backend_configured"`
	ServiceID          routing.ServiceID  `json:"service_id,omitempty"`
	PlanID             routing.PlanID     `json:"plan_id,omitempty"`
	// SpelledServiceID and SpelledPlanID are what the platform knows them by, where that is another id.
	SpelledServiceID routing.ServiceID `json:"spelled_service_id,omitempty"`
	SpelledPlanID    routing.PlanID    `json:"spelled_plan_id,omitempty"`
	// Confirmed: the backend once confirmed that it has it.
	Confirmed    bool           `json:"confirmed"`
	Adopting     bool           `json:"adopting,omitempty"`
	NeverCreated bool           `json:"never_created,omitempty"`
	Operation    *operationView `json:"operation,omitempty"`
	Calls        []callView     `json:"calls"`
	DoubtUntil   *time.Time     `json:"doubt_until,omitempty"`
	Strays       []strayView    `json:"strays"`
	Life         string         `json:"life"`
	ParentLife   string         `json:"parent_life,omitempty"`
	Revision     uint64         `json:"revision"`
	CreatedAt    *time.Time     `json:"created_at,omitempty"`
	UpdatedAt    *time.Time     `json:"updated_at,omitempty"`
	// ExpiresAt is when the tombstone goes.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// operationView is the operation that the platform polls.
type operationView struct {
	Kind      routing.Kind   `json:"kind"`
	Operation string         `json:"operation,omitempty"`
	PlanID    routing.PlanID `json:"plan_id,omitempty"`
	// Traceparent is that of the call which began it.
	Traceparent string `json:"traceparent,omitempty"`
	// Overtaken: a create came after the deletion, so its success does not end the record.
	Overtaken bool `json:"overtaken,omitempty"`
}

// callView is a call that was entered in the record.
type callView struct {
	Kind routing.Kind `json:"kind"`
	// Until is when an open create can no longer take effect.
	Until *time.Time `json:"until,omitempty"`
	// EndedAt is when the call ended; absent while it is open.
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

// strayView names another backend that may hold an instance of the id.
type strayView struct {
	Backend routing.BackendID `json:"backend"`
	Life    string            `json:"life"`
}

func (rt *runtime) viewRecord(record *routing.Record) *recordView {
	view := &recordView{
		InstanceID: record.Instance, BindingID: record.Binding, State: record.State, Platform: record.Platform,
		Backend: record.Backend, ServiceID: record.Service, PlanID: record.Plan,
		SpelledServiceID: record.SpelledService, SpelledPlanID: record.SpelledPlan, Confirmed: record.Seen,
		Adopting: record.Adopting, NeverCreated: record.NeverCreated, Calls: viewCalls(record),
		DoubtUntil: viewMoment(record.DoubtUntil), Strays: viewStrays(record.Strays), Life: record.Life,
		ParentLife: record.ParentLife, Revision: record.Rev, CreatedAt: viewMoment(record.Created),
		UpdatedAt: viewMoment(record.Updated),
	}
	_, view.PlatformConfigured = rt.Platform(record.Platform)
	_, view.BackendConfigured = rt.Window(record.Backend)
	if op := record.Op; op.Kind != "" {
		view.Operation = &operationView{
			Kind: op.Kind, Operation: op.Operation, PlanID: op.Plan, Traceparent: op.Trace, Overtaken: op.Voided,
		}
	}
	if ttl := record.TTL(); ttl > 0 {
		view.ExpiresAt = viewMoment(record.Updated.Add(ttl))
	}
	return view
}

// viewCalls lists the calls of a record, those that are open first.
func viewCalls(record *routing.Record) []callView {
	calls := make([]routing.Open, 0, len(record.Calls))
	for _, call := range record.Calls {
		calls = append(calls, call)
	}
	slices.SortFunc(calls, func(a, b routing.Open) int {
		return cmp.Or(cmp.Compare(a.Done, b.Done), cmp.Compare(a.Until, b.Until), cmp.Compare(a.Kind, b.Kind))
	})
	views := make([]callView, len(calls))
	for i, call := range calls {
		views[i] = callView{Kind: call.Kind, Until: viewMoment(call.Until), EndedAt: viewMoment(call.Done)}
	}
	return views
}

func viewStrays(strays []routing.Stray) []strayView {
	views := make([]strayView, len(strays))
	for i, stray := range strays {
		views[i] = strayView(stray)
	}
	return views
}

// viewMoment is nil for never.
func viewMoment(moment routing.Moment) *time.Time {
	if moment == 0 {
		return nil
	}
	at := time.UnixMilli(int64(moment)).UTC()
	return &at
}
