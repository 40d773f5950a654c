package routing

func closePoll(old *Record, call *Call, decision *Decision, outcome Outcome, now Moment) *Record {
	if old == nil || !old.polledBy(call, decision) {
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

// polledBy tells whether a poll was about the operation that the record has now.
func (r *Record) polledBy(call *Call, decision *Decision) bool {
	return r.Life == decision.life && r.Op.Seq == decision.seq &&
		(call.Operation == "" || r.Op.Kind == "" || call.Operation == r.Op.Operation)
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
		record.change(old.Op.Plan, Spelling{Plan: old.Op.SpelledPlan})
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
