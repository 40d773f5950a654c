package routing

// beginBind enters a bind in the binding's record. A binding goes where its instance is; the catalog is not asked.
func beginBind(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	instance := records.Instance
	if instance == nil {
		return bindUnknown(records, call, config, now)
	}
	decision := sendTo(instance, call, config)
	if decision.Contradicts {
		// The tombstone of an instance too: what a platform wants bound at one broker, parameters and all, must not be
		// sent to another, and the instance, had it come back, would still be of its own offering.
		return records, Decision{Refusal: RefusalOtherOffering, Owner: instance.owner()}
	}
	if isNew := records.Binding == nil || !records.Binding.Live(); isNew && !call.sees(instance.Backend, decision.Service) {
		return records, Decision{Refusal: RefusalNotVisible, Owner: instance.owner()}
	}
	decision.parentLife = instance.Life
	binding, ok := claimBinding(records.Binding, call, parent{&decision, instance.Service, instance.Life}, now)
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
	old := records.Binding
	known := old != nil && old.Live()
	if known {
		// The binding's own record is better than any hint: its instance's record was lost or forgotten.
		decision = sendTo(old, call, config)
	}
	switch {
	case decision.Refusal != RefusalNone:
		return records, decision
	case !known && !call.sees(decision.Backend, decision.Service):
		return records, Decision{Refusal: RefusalNotVisible}
	}
	instance := adopt(call, &decision, now)
	if known && old.ParentLife != "" {
		instance.Life = old.ParentLife
	}
	binding, _ := claimBinding(old, call, parent{&decision, instance.Service, instance.Life}, now)
	decision.life, decision.seq, decision.parentLife = binding.Life, binding.Op.Seq, instance.Life
	return Records{Instance: instance, Binding: binding}, decision
}

// parent is what a binding's record takes from its instance.
type parent struct {
	// Decision is that of the bind.
	*Decision
	service ServiceID
	life    string
}

// name notes the ids of the offering and the plan in the record of a binding.
func (p parent) name(binding *Record) {
	binding.name(p.Decision)
	if p.service == "" {
		binding.Service, binding.SpelledService = "", ""
	}
}

// claimBinding makes or joins the record of a binding. It returns false if the id is taken by a binding on another
// backend.
func claimBinding(old *Record, call *Call, of parent, now Moment) (*Record, bool) {
	if old != nil && old.Live() {
		switch {
		case old.Backend != of.Backend:
			return nil, false
		case old.ParentLife == of.life:
			return join(old, call, of.window, now), true
		case old.knows(call.Token):
			return old, true
		}
		return renewBinding(old, call, of, now), true
	}
	record := claim(old, call, of.Decision, now)
	of.name(record)
	record.Binding = call.Key.Binding
	record.ParentLife = of.life
	return record, true
}

// renewBinding gives a new life to a binding of an earlier instance of the same id. The backend may still hold it, or
// be about to make it: what is known of that counts on, and only an unbind ends it.
func renewBinding(old *Record, call *Call, of parent, now Moment) *Record {
	record := join(old, call, of.window, now)
	record.Seen = old.Seen || old.State != Claimed
	record.State = Claimed
	record.clearOp()
	record.Life, record.ParentLife, record.Created = call.Life, of.life, now
	of.name(record)
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
		instance = adopt(call, decision, now)
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
