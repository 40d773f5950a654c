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
