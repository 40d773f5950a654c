package routing

// Answer is what came of a call that was sent, as far as it matters here.
type Answer struct {
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Delivered: the backend may have read the call. It is true where there was an answer.
	Delivered bool
	// Object: the body is a JSON object.
	Object bool
	// Error, Operation and State are the fields `error`, `operation` and `state` of the body.
	Error, Operation, State string
	// Trace is the W3C traceparent of the call's span.
	Trace string
}

// Classify tells what an answer means for the record. It follows the outcome classes of the ownership protocol and the
// specification's sections on orphan mitigation and on polling.
func Classify(call *Call, answer Answer) Outcome {
	outcome := Outcome{
		Delivered: answer.Delivered || answer.Status != 0,
		Failed:    answer.Status/100 != 2,
		Settled:   answer.Status == 500 || answer.Status == 501,
		Operation: answer.Operation,
		Trace:     answer.Trace,
	}
	switch call.Kind {
	case KindCreate:
		outcome.Class = classifyCreate(call, answer)
	case KindDelete:
		outcome.Class = classifyDelete(answer)
	case KindUpdate:
		outcome.Class = classifyUpdate(answer)
	case KindPoll:
		outcome.Class = classifyPoll(answer)
	default:
		outcome.Class = ClassOther
	}
	return outcome
}

func classifyCreate(call *Call, answer Answer) Class {
	status := answer.Status
	switch {
	case status == 0 && !answer.Delivered:
		return ClassNothing
	case status == 200 || status == 201:
		if answer.Object {
			return ClassDone
		}
		return ClassUnknown
	case status == 202:
		if answer.Object {
			return ClassAccepted
		}
		return ClassUnknown
	case status == 408:
		return ClassUnknown
	case status == 409, status == 422 && (answer.Error == "" || answer.Error == "ConcurrencyError"):
		if call.RejectUnknown {
			// A platform that may only touch what it made must not come to own what was there before it.
			return ClassNothing
		}
		return ClassExists
	case status >= 400 && status < 500:
		return ClassNothing
	}
	return ClassUnknown
}

func classifyDelete(answer Answer) Class {
	switch answer.Status {
	case 200, 410:
		return ClassDone
	case 202:
		return ClassAccepted
	}
	return ClassOther
}

func classifyUpdate(answer Answer) Class {
	switch status := answer.Status; {
	case status == 0 && !answer.Delivered:
		return ClassNothing
	case status == 200 || status == 204: // IBM Cloud's PUT of the state answers 204
		return ClassDone
	case status == 202:
		return ClassAccepted
	case status == 422 && answer.Error == "ConcurrencyError":
		return ClassExists
	case status >= 400 && status < 500 && status != 408:
		return ClassNothing
	}
	return ClassUnknown
}

func classifyPoll(answer Answer) Class {
	switch {
	case answer.Status == 410:
		return ClassGone
	case answer.Status == 200 && answer.State == "succeeded":
		return ClassSucceeded
	case answer.Status == 200 && answer.State == "failed":
		return ClassFailed
	case answer.Status == 200 && answer.State == "in progress":
		return ClassInProgress
	}
	return ClassOther
}
