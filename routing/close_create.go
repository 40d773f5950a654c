package routing

// closeCreate also tells whether the claim ended in nothing, so that what was made for this call alone may be erased.
func closeCreate(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) (*Record, bool) {
	if old.ended(call.Token) {
		return old, false
	}
	if outcome.Class == ClassNothing {
		return closeNothing(old, call, decision, outcome, now)
	}
	var record *Record
	if old == nil {
		record = rewrite(call, decision, now)
	} else {
		record = old.clone()
	}
	record.end(call.Token, KindCreate, now)
	if record.Backend != decision.Backend {
		record.addStray(Stray{Backend: decision.Backend, Life: decision.life})
		return record, false
	}
	record.voidDeletes()
	record.revive()
	record.Sent = true
	switch outcome.Class {
	case ClassDone:
		if record.State == Claimed || record.State == Creating || record.State == Deleting {
			record.State = Ready
			record.clearOp()
		}
		record.Seen = true
	case ClassAccepted:
		// A backend may name the operation anew when a create is repeated, and the platform polls by the last name that
		// it was told. So the last name wins: the creation is the same one, whatever a poll says the instance stays
		// reachable, and a poll by an earlier name, or one under way, settles nothing. Where that was the last of the
		// platform's polls, the gateway's own poll settles the record.
		renamed := record.State == Creating && outcome.Operation != "" && outcome.Operation != record.Op.Operation
		if record.State == Claimed || record.State == Deleting || renamed {
			record.accept(Creating, decision.operation(KindCreate, outcome), now)
		}
		record.Seen = true
	case ClassExists:
		if !record.createOpen("") {
			record.Seen = true
		}
	default:
		record.doubt(outcome, decision.window, now)
		if record.State == Deleting {
			// The create may have come after the deletion, which still succeeds.
			record.Op.Voided = true
		}
	}
	return record, false
}

// closeNothing ends a create that surely did nothing. The claim ends with it only if no other create may have done
// something.
func closeNothing(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) (*Record, bool) {
	if old == nil || old.Life != decision.life {
		return old, false
	}
	record := old.clone()
	record.end(call.Token, KindCreate, now)
	record.Sent = record.Sent || outcome.Delivered
	if record.State != Claimed || record.Seen || record.DoubtUntil != 0 || record.createOpen("") {
		return record, false
	}
	record.State = Gone
	record.NeverCreated = true
	return record, true
}

// rewrite makes a record anew whose loss was found out when its call ended.
func rewrite(call *Call, decision *Decision, now Moment) *Record {
	life := decision.life
	if life == "" { // the call was sent without a record
		life = call.Life
	}
	record := &Record{
		Version: RecordVersion, Instance: call.Key.Instance, Binding: call.Key.Binding, Platform: call.Platform,
		Backend: decision.Backend, Life: life, ParentLife: decision.parentLife, State: Claimed, Created: now,
	}
	record.name(decision)
	return record
}

// doubt notes that a create may still take effect.
func (r *Record) doubt(outcome Outcome, window Window, now Moment) {
	until := now
	if !outcome.Settled {
		until = now.Add(window.Settle)
	}
	r.DoubtUntil = max(r.DoubtUntil, until)
}
