package routing

func closeUpdate(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	if old == nil {
		return nil
	}
	if old.Calls[call.Token].Kind == kindAdopt {
		return closeAdopt(old, call, decision, outcome, now)
	}
	entered := old.knows(call.Token)
	if entered {
		if old.ended(call.Token) {
			return old
		}
		old = old.clone()
		old.end(call.Token, KindUpdate, now)
	}
	if old.Life != decision.life || old.Op.Seq != decision.seq {
		return old
	}
	if entered && old.State == Deleting {
		old.overtakenByUpdate(outcome)
		return old
	}
	if outcome.Class != ClassDone && outcome.Class != ClassAccepted {
		return old
	}
	switch old.State {
	case Ready, Updating, Claimed:
	case Gone:
		if !decision.tombstone {
			return old
		}
		// The backend still had what the record called gone.
	default:
		return old
	}
	record := old.clone()
	record.revive()
	record.Seen, record.Sent, record.Adopting = true, true, false
	if outcome.Class == ClassAccepted {
		record.accept(Updating, decision.operation(KindUpdate, outcome), now)
		return record
	}
	if decision.Plan != "" {
		record.change(decision.Plan, decision.Spelling)
	}
	if record.State == Claimed {
		record.State = Ready
	}
	return record
}

// overtakenByUpdate notes what an update that was sent while a deletion awaited polls says about the deletion: unless
// the backend refused the update, a poll's success no longer means that the instance is gone.
func (r *Record) overtakenByUpdate(outcome Outcome) {
	confirmed := outcome.Class == ClassDone || outcome.Class == ClassAccepted
	if confirmed {
		r.Seen, r.Sent = true, true
	}
	r.Op.Voided = r.Op.Voided || confirmed || outcome.Class == ClassUnknown
}

// closeAdopt ends a call on an instance that the gateway had not known. A refusal erases the record that was made for
// it.
func closeAdopt(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	if old.ended(call.Token) {
		return old
	}
	switch outcome.Class {
	case ClassNothing:
		if old.State == Claimed && old.Adopting && !old.Seen && old.DoubtUntil == 0 && !old.createOpen(call.Token) &&
			!old.deleteOpen() && len(old.Strays) == 0 {
			return nil
		}
		record := old.clone()
		record.end(call.Token, kindAdopt, now)
		return record
	case ClassUnknown:
		record := old.clone()
		record.end(call.Token, kindAdopt, now)
		record.Sent = true
		record.doubt(outcome, decision.window, now)
		return record
	case ClassAccepted:
		record := settleAdopting(old, call, now)
		if !call.onBinding() && record.State == Ready {
			record.accept(Updating, decision.operation(KindUpdate, outcome), now)
		}
		return record
	default:
		return settleAdopting(old, call, now)
	}
}

// settleAdopting notes that an adopted instance is there.
func settleAdopting(old *Record, call *Call, now Moment) *Record {
	record := old.clone()
	record.end(call.Token, kindAdopt, now)
	record.Seen, record.Sent, record.Adopting = true, true, false
	record.revive()
	if record.State == Claimed {
		record.State = Ready
	}
	return record
}
