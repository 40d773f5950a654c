package routing

import "time"

// Kind is what a call does to the instance or binding that its key names.
type Kind string

// The kinds of calls. Bind is a create and unbind a delete whose key has a binding.
const (
	KindCreate Kind = "create"
	KindUpdate Kind = "update" // also IBM Cloud's PUT of the state
	KindDelete Kind = "delete"
	KindPoll   Kind = "poll"
	KindFetch  Kind = "fetch" // GETs that change nothing
	// kindAdopt is a call on an instance the gateway had not known, entered in the instance's record.
	kindAdopt Kind = "adopt"
)

// Config is what the protocol asks of the gateway's configuration.
type Config interface {
	// Window is how long after it was begun a create may take effect at the backend: its timeout, and the time that
	// it may still be queued there after the gateway gave it up. ok is false if no such backend is configured.
	Window(BackendID) (window Window, ok bool)
	// Platform returns the id that the configuration knows the platform of a record by: a platform may have had other
	// names. ok is false if none of them is configured.
	Platform(PlatformID) (known PlatformID, ok bool)
	// Suspect tells that the backend may be another broker than the one that its records are of, so that its word on
	// deletions and operations does not count.
	Suspect(BackendID) bool
}

// Window bounds when a create may take effect at a backend.
type Window struct {
	// Timeout is how long the gateway waits for the answer.
	Timeout time.Duration
	// Settle is how long after the gateway gave it up the backend may still begin it.
	Settle time.Duration
}

// Call is what the protocol needs to know of one call of a platform. It is the same from begin to close.
type Call struct {
	// Token is unique to the call; a begin or close that is repeated with it does nothing new.
	Token string
	Kind  Kind
	Key   Key
	// Platform is who calls.
	Platform PlatformID
	// Service and Plan are what the call's body or query says; empty where it says nothing.
	Service ServiceID
	Plan    PlanID
	// View is how the platform sees the offerings. Without one, it knows them by the backends' own ids and may use all.
	View View
	// Life is a random string for the records that this call may claim.
	Life string
	// Hint is where the call would go without a record, from Resolve.
	Hint Hint
	// Offer tells whether a new instance may be made. It counts for creates of instances only.
	Offer Offer
	// Operation is what a poll's query says.
	Operation string
	// RejectUnknown: a call on an instance without a record is refused, whatever the hint.
	RejectUnknown bool
	// Fresh: the store is asked, even if its records are cached. Calls are begun so whose first answer was
	// VerdictStale.
	Fresh bool
}

// onBinding tells whether the call is about a binding.
func (c *Call) onBinding() bool { return c.Key.Binding != "" }

// Offer is the catalog's word on a new instance.
type Offer struct {
	// Backend is who publishes the offering now; empty if the instance may not be made.
	Backend BackendID
	// Refusal is why not.
	Refusal Refusal
}

// Records are the records that one call concerns. Nil means that there is none.
type Records struct {
	Instance, Binding *Record
}

// subject is the record of what the call's key names.
func (r Records) subject(c *Call) *Record {
	if c.onBinding() {
		return r.Binding
	}
	return r.Instance
}

// Refusal is why a call is not sent to any backend. The empty Refusal means that it is.
type Refusal string

// The refusals. What each is answered with is up to the caller.
const (
	// RefusalNone means that the call goes to a backend.
	RefusalNone Refusal = ""
	// RefusalTaken: the id belongs to another platform or to an instance of another offering.
	RefusalTaken Refusal = "taken"
	// RefusalOtherOffering: the service_id contradicts the record.
	RefusalOtherOffering Refusal = "other_offering"
	// RefusalForeign: the instance or binding is recorded for another platform.
	RefusalForeign Refusal = "foreign"
	// RefusalUnknown: no record, and the platform's unknown instances are refused.
	RefusalUnknown Refusal = "unknown"
	// RefusalNoHint: no record, and nothing in the call tells the backend.
	RefusalNoHint Refusal = "no_hint"
	// RefusalAmbiguous: no record, and two backends published the id that the call names.
	RefusalAmbiguous Refusal = "ambiguous"
	// RefusalIncomplete: no record and no hint, but the catalogs of some backends are not known yet.
	RefusalIncomplete Refusal = "incomplete"
	// RefusalNeverSent: a delete of a tombstone whose backend was never reached.
	RefusalNeverSent Refusal = "never_sent"
	// RefusalNotConfigured: the record names a platform or backend that the configuration does not.
	RefusalNotConfigured Refusal = "not_configured"
	// RefusalSuspect: a delete or poll for a backend that may be another broker than before.
	RefusalSuspect Refusal = "suspect"
	// RefusalMissingService, RefusalMissingPlan, RefusalUnknownService and RefusalUnknownPlan: a new instance needs a
	// service_id and a plan_id of the catalog.
	RefusalMissingService Refusal = "missing_service"
	RefusalMissingPlan    Refusal = "missing_plan"
	RefusalUnknownService Refusal = "unknown_service"
	RefusalUnknownPlan    Refusal = "unknown_plan"
	// RefusalNotVisible: something new of an offering that is not for the platform.
	RefusalNotVisible Refusal = "not_visible"
	// RefusalDraining: a new instance on a backend that gets none any more.
	RefusalDraining Refusal = "draining"
)

// Decision is what begin decided, and what close has to know of it.
type Decision struct {
	Refusal Refusal
	// Backend is who the call goes to.
	Backend BackendID
	// Service is the offering as far as known: the record's, else the call's. It is the backend's own id.
	Service ServiceID
	// Plan is the plan that the call names, by the backend's own id.
	Plan PlanID
	// Spelling is how the platform knows the offering and the plan: as the call names them or, where it does not, as the
	// record does. What the record says does not count if the call has the backend's own id of the other.
	Spelling Spelling
	// Owner names the backend and platform of a record that made the decision; for the log.
	Owner Stray
	// OwnerPlatform is the platform of that record, as the record names it, where the decision is RefusalNotConfigured.
	OwnerPlatform PlatformID
	// Contradicts: the call's service_id is not the record's, which won.
	Contradicts bool

	// life and seq are the subject's life and operation number when the call was sent.
	life string
	seq  uint64
	// final: a delete's success ends the record.
	final bool
	// tombstone: the subject was gone when the call was sent.
	tombstone bool
	// claimed: the subject was claimed when the poll was sent.
	claimed bool
	// parentLife is the life of a binding's instance.
	parentLife string
	// window is the backend's.
	window Window
}

// Final tells whether, as far as begin could know, a delete's success ends the record.
func (d *Decision) Final() bool { return d.final }

// Class is what an answer, or the lack of one, says about the instance or binding.
type Class string

// The classes of outcomes. Classify finds them.
const (
	// ClassDone: it is as the call wanted it: created, updated, or gone.
	ClassDone Class = "done"
	// ClassAccepted: the backend is at it (202).
	ClassAccepted Class = "accepted"
	// ClassNothing: nothing happened.
	ClassNothing Class = "nothing"
	// ClassExists: nothing happened, because the backend has it already or is busy with it.
	ClassExists Class = "exists"
	// ClassUnknown: nobody knows.
	ClassUnknown Class = "unknown"
	// ClassSucceeded, ClassFailed and ClassGone are what a poll may say at the end of an operation.
	ClassSucceeded Class = "succeeded"
	ClassFailed    Class = "failed"
	ClassGone      Class = "gone"
	// ClassInProgress: the poll found the operation under way.
	ClassInProgress Class = "in_progress"
	// ClassOther says nothing: a refused delete, a failed poll.
	ClassOther Class = "other"
)

// Outcome is how a call ended.
type Outcome struct {
	Class Class
	// Delivered: the backend may have read the call.
	Delivered bool
	// Failed: the platform is told of no success, because there was no answer or its status is not 2xx.
	Failed bool
	// Settled: the backend answered that it failed (500 or 501), so it does not begin the call any more.
	Settled bool
	// Operation is what a 202 said.
	Operation string
	// Trace is the W3C traceparent of the call's span.
	Trace string
}

// Verdict is what close has to say about the answer.
type Verdict string

// The verdicts.
const (
	// VerdictRelay: the answer goes up as it is.
	VerdictRelay Verdict = ""
	// VerdictRepeat: a delete was confirmed while a create was open or in doubt. The platform hears 422
	// ConcurrencyError and comes again.
	VerdictRepeat Verdict = "repeat"
	// VerdictStale: the call went where a cached record led, and that has changed since, or could not be compared with
	// the store's, which then is the error. The answer may not be relayed. The call only read, so it is begun again,
	// with Call.Fresh set, and sent again.
	VerdictStale Verdict = "stale"
)
