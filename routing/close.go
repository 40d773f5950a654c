package routing

// Close notes the outcome of a call in the records and says what becomes of the answer. It may be called any number of
// times for a call and in any order with the closes of other calls; records given are never modified.
//
// It implements the second table of the ownership protocol.
func Close(records Records, call *Call, decision *Decision, outcome Outcome, now Moment) (Records, Verdict) {
	switch call.Kind {
	case KindCreate:
		old := records.subject(call)
		subject, erased := closeCreate(old, call, decision, outcome, now)
		if call.onBinding() {
			records.Instance = closeBind(records.Instance, call, decision, outcome, old.ended(call.Token), now)
			if erased && records.Instance == nil && len(subject.Strays) == 0 {
				subject = nil
			}
		}
		return records.with(call, subject), VerdictRelay
	case KindDelete:
		subject, verdict := closeDelete(records.subject(call), call, decision, outcome, now)
		return records.with(call, subject), verdict
	case KindUpdate:
		records.Instance = closeUpdate(records.Instance, call, decision, outcome, now)
	case KindPoll:
		records = records.with(call, closePoll(records.subject(call), call, decision, outcome, now))
	case KindFetch, kindAdopt:
	}
	return records, VerdictRelay
}

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
		if record.State == Claimed || record.State == Deleting {
			record.accept(Creating, Op{
				Kind: KindCreate, Operation: outcome.Operation, Plan: call.Plan, Trace: outcome.Trace,
			})
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
	return &Record{
		Version: RecordVersion, Instance: call.Key.Instance, Binding: call.Key.Binding, Platform: call.Platform,
		Backend: decision.Backend, Service: decision.Service, Plan: call.Plan, Life: life,
		ParentLife: decision.parentLife, State: Claimed, Created: now,
	}
}

// doubt notes that a create may still take effect.
func (r *Record) doubt(outcome Outcome, window Window, now Moment) {
	until := now
	if !outcome.Settled {
		until = now.Add(window.Settle)
	}
	r.DoubtUntil = max(r.DoubtUntil, until)
}

func closeDelete(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) (*Record, Verdict) {
	switch outcome.Class {
	case ClassDone:
		return closeDeleted(old, call, decision, now)
	case ClassAccepted:
		return closeDeleting(old, call, decision, outcome, now), VerdictRelay
	default:
		if old == nil || old.Calls[call.Token].Done != 0 || !old.knows(call.Token) {
			return old, VerdictRelay
		}
		record := old.clone()
		record.end(call.Token, KindDelete, now)
		return record, VerdictRelay
	}
}

// closeDeleted ends the record if nothing can have come after the delete.
func closeDeleted(old *Record, call *Call, decision *Decision, now Moment) (*Record, Verdict) {
	if old == nil {
		record := rewrite(call, decision, now)
		record.State, record.Sent = Gone, true
		record.end(call.Token, KindDelete, now)
		return record, VerdictRelay
	}
	if !old.Live() {
		return old, VerdictRelay
	}
	entry, known := old.Calls[call.Token]
	if entry.Done != 0 {
		return old, VerdictRepeat
	}
	record := old.clone()
	if !known || !entry.Final || entry.Voided {
		record.end(call.Token, KindDelete, now)
		return record, VerdictRepeat
	}
	record.bury(now)
	return record, VerdictRelay
}

// bury turns a record into a tombstone.
func (r *Record) bury(now Moment) {
	r.endAll(now)
	r.State = Gone
	r.Sent = true
	r.Seen, r.Adopting = false, false
	r.DoubtUntil = 0
	r.clearOp()
}

// closeDeleting notes a deletion that the backend accepted.
func closeDeleting(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	op := Op{Kind: KindDelete, Operation: outcome.Operation, Trace: outcome.Trace}
	if old == nil {
		record := rewrite(call, decision, now)
		record.Sent = true
		record.accept(Deleting, op)
		record.end(call.Token, KindDelete, now)
		return record
	}
	entry, known := old.Calls[call.Token]
	switch {
	case entry.Done != 0:
		return old
	case known && old.Live():
		// So does one that was sent while a create was in doubt: by the time that it is polled the doubt may be over, and
		// the create may have come after it.
		op.Voided = entry.Voided || !entry.Final && old.DoubtUntil != 0
	case !old.Live() && decision.tombstone && old.Life == decision.life:
		// The backend still had what the record calls gone.
	default:
		return old
	}
	record := old.clone()
	record.accept(Deleting, op)
	record.NeverCreated = false
	record.end(call.Token, KindDelete, now)
	return record
}

func closeUpdate(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	if old == nil {
		return nil
	}
	if old.Calls[call.Token].Kind == kindAdopt {
		return closeAdopt(old, call, decision, outcome, now)
	}
	if old.Life != decision.life || old.Op.Seq != decision.seq {
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
		record.accept(Updating, Op{
			Kind: KindUpdate, Operation: outcome.Operation, Plan: call.Plan, Trace: outcome.Trace,
		})
		return record
	}
	if call.Plan != "" {
		record.Plan = call.Plan
	}
	if record.State == Claimed {
		record.State = Ready
	}
	return record
}

// closeAdopt ends a call on an instance that the gateway had not known. A refusal erases the record that was made for it.
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
			record.accept(Updating, Op{
				Kind: KindUpdate, Operation: outcome.Operation, Plan: call.Plan, Trace: outcome.Trace,
			})
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

func closePoll(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	if old == nil || old.Life != decision.life || old.Op.Seq != decision.seq {
		return old
	}
	if call.Operation != "" && old.Op.Kind != "" && call.Operation != old.Op.Operation {
		return old
	}
	switch outcome.Class {
	case ClassSucceeded:
		if old.State == Claimed && !decision.claimed {
			return old // what succeeded is an operation that ended meanwhile
		}
		return pollSucceeded(old, now)
	case ClassGone:
		if old.State == Deleting {
			return pollSucceeded(old, now)
		}
	case ClassFailed:
		return pollFailed(old)
	default: // the operation goes on, or nobody knows
	}
	return old
}

func pollSucceeded(old *Record, now Moment) *Record {
	record := old.clone()
	switch old.State {
	case Creating, Updating:
	case Claimed:
		if old.deleteOpen() {
			return old
		}
	case Deleting:
		if old.createOpen("") || old.DoubtUntil > now || old.Op.Voided {
			record.State = Claimed
			record.clearOp()
			return record
		}
		record.bury(now)
		return record
	default:
		return old
	}
	if old.Op.Plan != "" {
		record.Plan = old.Op.Plan
	}
	record.State = Ready
	record.Seen, record.Sent, record.Adopting = true, true, false
	record.clearOp()
	return record
}

func pollFailed(old *Record) *Record {
	record := old.clone()
	switch old.State {
	case Creating:
		record.State = Claimed
	case Updating, Deleting:
		record.State = Ready
	default:
		return old
	}
	record.Seen = true
	record.clearOp()
	return record
}
