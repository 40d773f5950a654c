package routing

// beginBind enters a bind in the binding's record. A binding goes where its instance is; the catalog is not asked.
func beginBind(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	instance := records.Instance
	if instance == nil {
		return bindUnknown(records, call, config, now)
	}
	if contradicts(instance, call) {
		// The tombstone of an instance too: what a platform wants bound at one broker, parameters and all, must not be
		// sent to another, and the instance, had it come back, would still be of its own offering.
		return records, Decision{Refusal: RefusalOtherOffering, Owner: instance.owner()}
	}
	decision := sendTo(instance, call, config)
	decision.parentLife = instance.Life
	parent := parent{instance.Backend, instance.Service, instance.Life, decision.window}
	binding, ok := claimBinding(records.Binding, call, parent, now)
	if !ok {
		return records, Decision{Refusal: RefusalTaken, Owner: records.Binding.owner()}
	}
	records.Binding = binding
	decision.life, decision.seq = binding.Life, binding.Op.Seq
	return records, decision
}

// bindUnknown claims the binding of an instance that the gateway does not know, and adopts the instance.
func bindUnknown(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	decision := byHint(call, config)
	if old := records.Binding; old != nil && old.Live() {
		// The binding's own record is better than any hint: its instance's record was lost or forgotten.
		decision = sendTo(old, call, config)
	}
	if decision.Refusal != RefusalNone {
		return records, decision
	}
	instance := adopt(call, decision.Backend, decision.window, now)
	if old := records.Binding; old != nil && old.Live() && old.ParentLife != "" {
		instance.Life = old.ParentLife
	}
	binding, _ := claimBinding(
		records.Binding, call, parent{decision.Backend, instance.Service, instance.Life, decision.window}, now)
	decision.life, decision.seq, decision.parentLife = binding.Life, binding.Op.Seq, instance.Life
	return Records{Instance: instance, Binding: binding}, decision
}

// parent is what a binding's record takes from its instance.
type parent struct {
	backend BackendID
	service ServiceID
	life    string
	window  Window
}

// claimBinding makes or joins the record of a binding. It returns false if the id is taken by a binding on another
// backend.
func claimBinding(old *Record, call *Call, of parent, now Moment) (*Record, bool) {
	if old != nil && old.Live() {
		switch {
		case old.Backend != of.backend:
			return nil, false
		case old.ParentLife == of.life:
			return join(old, call, of.window, now), true
		case old.knows(call.Token):
			return old, true
		}
		return renewBinding(old, call, of, now), true
	}
	record := claim(old, call, of.backend, of.window, now)
	record.Binding = call.Key.Binding
	record.ParentLife = of.life
	record.Service = of.service
	return record, true
}

// renewBinding gives a new life to a binding of an earlier instance of the same id. The backend may still hold it, or
// be about to make it: what is known of that counts on, and only an unbind ends it.
func renewBinding(old *Record, call *Call, of parent, now Moment) *Record {
	record := join(old, call, of.window, now)
	record.Seen = old.Seen || old.State != Claimed
	record.State = Claimed
	record.clearOp()
	record.Life, record.ParentLife = call.Life, of.life
	record.Service, record.Plan, record.Created = of.service, call.Plan, now
	return record
}

// knows tells whether the call was entered.
func (r *Record) knows(token string) bool {
	_, ok := r.Calls[token]
	return ok
}

// closeBind notes the outcome of a bind in the record of the binding's instance. If the binding's record has it
// already, only an adoption may still be open.
func closeBind(
	instance *Record, call *Call, decision *Decision, outcome Outcome, noted bool, now Moment,
) *Record {
	confirmed := outcome.Class == ClassDone || outcome.Class == ClassAccepted || outcome.Class == ClassExists
	switch {
	case noted && (instance == nil || instance.Calls[call.Token].Kind != kindAdopt):
		return instance
	case instance == nil:
		if !confirmed {
			return nil
		}
		// The record was lost while the call ran, and the answer proves that the instance is there.
		instance = adopt(call, decision.Backend, decision.window, now)
		instance.Life = decision.parentLife
		return settleAdopting(instance, call, now)
	case instance.Backend != decision.Backend:
		return instance
	case instance.Calls[call.Token].Kind == kindAdopt:
		return closeAdopt(instance, call, decision, outcome, now)
	case !instance.Live() && decision.tombstone && (outcome.Class == ClassDone || outcome.Class == ClassAccepted):
		instance = instance.clone()
		instance.revive()
		instance.Seen = true
		return instance
	}
	return instance
}
