package routing

// View is how the platform of a call sees the offerings of the backends. A platform may know offerings and plans by
// other ids than their backend does, and it may have come to know them by others than it would now; and there may be
// offerings that are not for it.
type View interface {
	// OwnService returns the backend's own id of the offering that is, or ever was, published under the given one. An id
	// that stands for no other is returned as it is.
	OwnService(BackendID, ServiceID) ServiceID
	// OwnPlan does the same for a plan.
	OwnPlan(BackendID, PlanID) PlanID
	// SameService tells whether spelled can stand for the offering that the backend itself calls own, whether or not that is
	// known to have been published.
	SameService(backend BackendID, own, spelled ServiceID) bool
	// SamePlan does the same for a plan.
	SamePlan(backend BackendID, own, spelled PlanID) bool
	// Visible tells whether the offering, by the backend's own id, is for the platform. The id is empty where the
	// offering of an instance is not known.
	Visible(BackendID, ServiceID) bool
}

// Spelling has the ids by which a platform knows an offering and its plan. One that is the backend's own is empty.
type Spelling struct {
	Service ServiceID
	Plan    PlanID
}

// ownService returns the backend's own id of an offering. Where the catalog does not know the id, because it is not at hand
// yet or the backend had another name when it was published, it may still be one of the record's: a call must neither
// contradict its record then, nor reach the backend with an id that this does not know.
func (c *Call) ownService(backend BackendID, record *Record, spelled ServiceID) ServiceID {
	if spelled == "" {
		return ""
	}
	if c.View != nil {
		if own := c.View.OwnService(backend, spelled); own != spelled {
			return own
		}
	}
	if record == nil || record.Service == "" || spelled == record.Service {
		return spelled
	}
	if spelled == record.SpelledService || c.View != nil && c.View.SameService(backend, record.Service, spelled) {
		return record.Service
	}
	return spelled
}

// ownPlan returns the backend's own id of a plan.
func (c *Call) ownPlan(backend BackendID, record *Record, spelled PlanID) PlanID {
	if spelled == "" {
		return ""
	}
	if c.View != nil {
		if own := c.View.OwnPlan(backend, spelled); own != spelled {
			return own
		}
	}
	if record == nil || record.Plan == "" || spelled == record.Plan {
		return spelled
	}
	if spelled == record.SpelledPlan || c.View != nil && c.View.SamePlan(backend, record.Plan, spelled) {
		return record.Plan
	}
	return spelled
}

// sees tells whether the call's platform may use an offering for something new.
func (c *Call) sees(backend BackendID, service ServiceID) bool {
	return c.View == nil || c.View.Visible(backend, service)
}

// name notes the ids of the offering and the plan in a decision whose backend is known. Service is the offering as the
// call names it, and record the one that the backend was found by, if it was.
func (d *Decision) name(call *Call, record *Record, service ServiceID) {
	d.Service = call.ownService(d.Backend, record, service)
	d.Plan = call.ownPlan(d.Backend, record, call.Plan)
	if service != d.Service {
		d.Spelling.Service = service
	}
	if call.Plan != d.Plan {
		d.Spelling.Plan = call.Plan
	}
	if record == nil {
		return
	}
	if record.Service != "" { // that of an adopted instance may not be known
		d.Contradicts = d.Service != "" && d.Service != record.Service
		d.Service = record.Service
	}
	unnamed := d.Contradicts || service == "" && call.Plan == ""
	if unnamed || service == "" && d.Spelling.Plan != "" {
		d.Spelling.Service = record.SpelledService
	}
	if unnamed || call.Plan == "" && d.Spelling.Service != "" {
		d.Spelling.Plan = record.SpelledPlan
	}
}

// spelledPlan is the plan of the call as the platform knows it, if that is not the backend's own id.
func (d *Decision) spelledPlan() PlanID {
	if d.Plan == "" {
		return "" // what Spelling has is the record's
	}
	return d.Spelling.Plan
}

// operation is what a 202 says of a create or an update.
func (d *Decision) operation(kind Kind, outcome Outcome) Op {
	return Op{
		Kind: kind, Operation: outcome.Operation, Plan: d.Plan, SpelledPlan: d.spelledPlan(), Trace: outcome.Trace,
	}
}

// name notes the ids of a decision in the record that is made because of it.
func (r *Record) name(d *Decision) {
	r.Service, r.SpelledService = d.Service, d.Spelling.Service
	r.Plan, r.SpelledPlan = d.Plan, d.spelledPlan()
}

// change notes that the platform changed the plan, and how it spelled the new one and, as far as known, the offering: that
// is how it knows them from now on.
func (r *Record) change(plan PlanID, spelling Spelling) {
	r.Plan, r.SpelledPlan = plan, spelling.Plan
	if spelling.Plan == "" || spelling.Service != "" {
		r.SpelledService = spelling.Service
	}
}

// OwnService returns the id of an offering as the backend of the call knows it.
func (e *Entry) OwnService(spelled ServiceID) ServiceID {
	return e.Call.ownService(e.Decision.Backend, e.leading(), spelled)
}

// OwnPlan returns the id of a plan as the backend of the call knows it.
func (e *Entry) OwnPlan(spelled PlanID) PlanID {
	return e.Call.ownPlan(e.Decision.Backend, e.leading(), spelled)
}

// leading is the record that leads to the backend of the call.
func (e *Entry) leading() *Record {
	if subject := e.Subject(); subject != nil {
		return subject
	}
	return e.held.records.Instance
}

// forLater is the entry as it may wait: without the view, which would keep whole catalogs from being let go of, and
// which nobody asks once the call was sent.
func (e *Entry) forLater() *Entry {
	if e.Call.View == nil {
		return e
	}
	entry, call := *e, *e.Call // whoever began the call may still read its entry
	call.View = nil
	entry.Call = &call
	return &entry
}
