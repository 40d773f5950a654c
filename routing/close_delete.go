package routing

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
		record.accept(Deleting, op, now)
		record.end(call.Token, KindDelete, now)
		return record
	}
	entry, known := old.Calls[call.Token]
	switch {
	case entry.Done != 0:
		return old
	case known && old.Live():
		// So does one that was sent while a create was in doubt: by the time that it is polled the doubt may be over,
		// and the create may have come after it.
		op.Voided = entry.Voided || !entry.Final && old.DoubtUntil != 0
	case !old.Live() && decision.tombstone && old.Life == decision.life:
		// The backend still had what the record calls gone.
	default:
		return old
	}
	record := old.clone()
	if entry.Final && !entry.Voided {
		record.endOvertaken(now)
	}
	record.accept(Deleting, op, now)
	record.NeverCreated = false
	record.end(call.Token, KindDelete, now)
	return record
}

// endOvertaken ends the creates, and adopting calls, that a deletion came after. It is for the 202 of a delete that was
// final when it was sent and was not voided since: then the time of every create that is still open was over before the
// delete was sent, for one that was begun later would have voided it. So the backend had begun each of them, or never
// will, before it saw the delete; the deletion that it accepted comes after all of them, and its success means that
// nothing is left, just as the 200 of such a delete does. Without this a create whose gateway died, and which nobody
// will ever close, would keep the record for ever.
//
// It must be the moment at which the delete was sent, not that of its 202: a create whose time ended between the two
// may have begun at the backend after the deletion. Then the delete was not final, the create stays open, and the end
// of the deletion leaves a claim. An outcome of an ended create that comes late says nothing any more: it is older than
// the deletion.
func (r *Record) endOvertaken(now Moment) {
	for token, call := range r.Calls {
		if call.Done == 0 && call.Kind != KindDelete {
			call.Done = now
			r.Calls[token] = call
		}
	}
}
