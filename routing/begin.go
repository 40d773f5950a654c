package routing

import "maps"

// Begin enters a call in the records and decides where it goes, before anything is sent. It returns the records as they
// must be written before the call is sent; those that did not change are returned as they were, and records given are
// never modified. The same call again gives the same decision.
//
// It implements the first table of the ownership protocol.
func Begin(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	if decision := refuseByRecord(records, call, config); decision.Refusal != RefusalNone {
		return records, decision
	}
	if refusal := refuseNeverCreated(records, call); refusal != RefusalNone {
		return records, Decision{Refusal: refusal, Owner: records.Instance.owner()}
	}
	next, decision := begin(records, call, config, now)
	if (call.Kind == KindDelete || call.Kind == KindPoll) && decision.Refusal == RefusalNone && config.Suspect(decision.Backend) {
		// The word of another broker, that nothing of the name exists, would end the record.
		return records, Decision{Refusal: RefusalSuspect, Owner: Stray{Backend: decision.Backend, Life: decision.Owner.Life}}
	}
	return next, decision
}

func begin(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	switch {
	case call.Kind == KindCreate && call.onBinding():
		return beginBind(records, call, config, now)
	case call.Kind == KindCreate:
		return beginCreate(records, call, config, now)
	case call.Kind == KindDelete:
		return beginDelete(records, call, config, now)
	case call.Kind == KindUpdate:
		return beginUpdate(records, call, config, now)
	default:
		return records, routeOnly(records, call, config)
	}
}

// refuseByRecord finds what a record of another platform, or of one that is not configured, forbids.
func refuseByRecord(records Records, call *Call, config Config) Decision {
	for _, record := range []*Record{records.Instance, records.Binding} {
		if record == nil {
			continue
		}
		owner := record.owner()
		platform, known := config.Platform(record.Platform)
		if _, ok := config.Window(record.Backend); !ok || !known {
			return Decision{Refusal: RefusalNotConfigured, Owner: owner, OwnerPlatform: record.Platform}
		}
		if platform == call.Platform {
			continue
		}
		if call.Kind != KindCreate || record != records.subject(call) {
			return Decision{Refusal: RefusalForeign, Owner: owner}
		}
		if record.Live() || !record.NeverCreated {
			return Decision{Refusal: RefusalTaken, Owner: owner}
		}
	}
	return Decision{}
}

// refuseNeverCreated keeps a platform that may only reach what it made from an id that it asked for and did not get:
// its tombstone leads to the backend, which may have refused because the id is somebody else's there.
func refuseNeverCreated(records Records, call *Call) Refusal {
	tombstone := records.Instance
	if !call.RejectUnknown || tombstone == nil || tombstone.Live() || !tombstone.NeverCreated ||
		len(tombstone.Strays) > 0 || records.Binding != nil {
		return RefusalNone
	}
	switch {
	case call.onBinding(), call.Kind != KindCreate && call.Kind != KindDelete:
		return RefusalUnknown
	case call.Kind == KindDelete:
		return RefusalNeverSent
	}
	return RefusalNone
}

func beginCreate(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	old := records.Instance
	if old == nil || !old.Live() {
		return claimInstance(records, call, config, now)
	}
	decision := sendTo(old, call, config)
	if decision.Contradicts {
		return records, Decision{Refusal: RefusalTaken, Owner: old.owner()}
	}
	records.Instance = join(old, call, decision.window, now)
	return records, decision
}

// claimInstance makes the record of a new instance, or turns a tombstone into one.
func claimInstance(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	if call.Offer.Backend == "" {
		return records, Decision{Refusal: call.Offer.Refusal}
	}
	window, ok := config.Window(call.Offer.Backend)
	if !ok {
		return records, Decision{Refusal: RefusalNotConfigured, Owner: Stray{Backend: call.Offer.Backend}}
	}
	decision := Decision{Backend: call.Offer.Backend, window: window}
	decision.name(call, nil, call.Service)
	records.Instance = claim(records.Instance, call, &decision, now)
	decision.life, decision.seq = records.Instance.Life, records.Instance.Op.Seq
	return records, decision
}

// claim makes a record for a free id. What an earlier record knows of ended calls and strays is kept.
func claim(old *Record, call *Call, decision *Decision, now Moment) *Record {
	record := &Record{
		Version: RecordVersion, Instance: call.Key.Instance, Platform: call.Platform, Backend: decision.Backend,
		Life: call.Life, State: Claimed, Created: now,
	}
	record.name(decision)
	if old != nil {
		kept := old.clone()
		// A delete that is still open must not end the new life: only ended calls are kept.
		maps.DeleteFunc(kept.Calls, func(_ string, call Open) bool { return call.Done == 0 })
		record.Calls, record.Strays, record.Op, record.Rev = kept.Calls, kept.Strays, Op{Seq: kept.Op.Seq}, kept.Rev
		record.unknown = kept.unknown
	}
	record.enter(call.Token, Open{Kind: KindCreate, Until: decision.window.until(now)})
	return record
}

// join enters a create in a live record. Deletes under way can no longer end it.
func join(old *Record, call *Call, window Window, now Moment) *Record {
	if _, entered := old.Calls[call.Token]; entered {
		return old
	}
	record := old.clone()
	record.voidDeletes()
	record.enter(call.Token, Open{Kind: KindCreate, Until: window.until(now)})
	return record
}

func beginDelete(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	subject := records.subject(call)
	switch {
	case subject == nil:
		return records, routeOnly(records, call, config)
	case !subject.Live():
		if !call.onBinding() && subject.NeverCreated && !subject.Sent && len(subject.Strays) == 0 {
			return records, Decision{Refusal: RefusalNeverSent, Owner: subject.owner()}
		}
		return records, sendTo(subject, call, config)
	}
	decision := sendTo(subject, call, config)
	entry, entered := subject.Calls[call.Token]
	if !entered {
		entry = Open{Kind: KindDelete, Final: !subject.mayStillCreate(now), Until: decision.window.until(now)}
		subject = subject.clone()
		subject.enter(call.Token, entry)
		records = records.with(call, subject)
	}
	decision.final = entry.Final
	return records, decision
}

func beginUpdate(records Records, call *Call, config Config, now Moment) (Records, Decision) {
	old := records.Instance
	if old == nil {
		decision := byHint(call, config)
		switch {
		case decision.Refusal != RefusalNone:
		case decision.Plan != "" && !call.sees(decision.Backend, decision.Service):
			return records, Decision{Refusal: RefusalNotVisible}
		default:
			records.Instance = adopt(call, &decision, now)
			decision.life = call.Life
		}
		return records, decision
	}
	decision := sendTo(old, call, config)
	switch {
	case decision.Contradicts:
		return records, Decision{Refusal: RefusalOtherOffering, Owner: old.owner()}
	case decision.Plan != "" && decision.Plan != old.Plan && !call.sees(old.Backend, decision.Service):
		return records, Decision{Refusal: RefusalNotVisible, Owner: old.owner()}
	}
	if old.State == Deleting {
		records.Instance = enterUpdate(old, call, decision.window, now)
	}
	return records, decision
}

// enterUpdate enters an update of an instance that is being deleted. A backend that accepts it has the instance, so the
// deletion has failed, and a poll that names no operation may be answered for the update: that the last operation
// succeeded does not mean that the instance is gone. No other update needs an entry.
func enterUpdate(old *Record, call *Call, window Window, now Moment) *Record {
	if old.knows(call.Token) {
		return old
	}
	record := old.clone()
	record.enter(call.Token, Open{Kind: KindUpdate, Until: window.until(now)})
	return record
}

// adopt makes the record of an instance that the gateway had not known and that a call is about to change.
func adopt(call *Call, decision *Decision, now Moment) *Record {
	record := &Record{
		Version: RecordVersion, Instance: call.Key.Instance, Platform: call.Platform, Backend: decision.Backend,
		Life: call.Life, State: Claimed, Adopting: true, Created: now,
	}
	record.name(decision)
	record.enter(call.Token, Open{Kind: kindAdopt, Until: decision.window.until(now)})
	return record
}

// routeOnly finds the backend of a call that enters nothing in the records.
func routeOnly(records Records, call *Call, config Config) Decision {
	if subject := records.subject(call); subject != nil {
		decision := sendTo(subject, call, config)
		decision.claimed = subject.State == Claimed
		return decision
	}
	if records.Instance != nil {
		// The binding is not recorded: it is where its instance is. Nothing is known of it, so nothing is settled.
		decision := sendTo(records.Instance, call, config)
		decision.life, decision.seq, decision.tombstone = "", 0, false
		decision.parentLife = records.Instance.Life
		return decision
	}
	return byHint(call, config)
}

// byHint decides where a call on an unknown instance goes.
func byHint(call *Call, config Config) Decision {
	if call.RejectUnknown {
		return Decision{Refusal: RefusalUnknown}
	}
	if call.Hint.Refusal != RefusalNone {
		return Decision{Refusal: call.Hint.Refusal}
	}
	window, ok := config.Window(call.Hint.Backend)
	if !ok {
		return Decision{Refusal: RefusalNotConfigured, Owner: Stray{Backend: call.Hint.Backend}}
	}
	decision := Decision{Backend: call.Hint.Backend, window: window}
	decision.name(call, nil, call.serviceOrHint())
	return decision
}

// sendTo decides for the backend of a record.
func sendTo(record *Record, call *Call, config Config) Decision {
	window, _ := config.Window(record.Backend) // refuseByRecord made sure of it
	decision := Decision{
		Backend: record.Backend, Owner: record.owner(),
		life: record.Life, seq: record.Op.Seq, tombstone: !record.Live(), window: window,
	}
	decision.name(call, record, call.Service)
	return decision
}

// until is when a create that is begun now can no longer take effect.
func (w Window) until(now Moment) Moment { return now.Add(w.Timeout + w.Settle) }

// with replaces the record of what the call's key names.
func (r Records) with(call *Call, record *Record) Records {
	if call.onBinding() {
		r.Binding = record
	} else {
		r.Instance = record
	}
	return r
}
