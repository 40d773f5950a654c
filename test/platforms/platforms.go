// Package platforms tells what platforms do about the answers of a broker: Cloud Foundry's cloud controller, the service
// catalog of Kubernetes, and Korifi.
package platforms

// Reaction is what a platform does about an answer.
type Reaction string

// The reactions.
const (
	// Success: it is as it was wanted.
	Success Reaction = "success"
	// Poll: the operation goes on, and the platform asks for it.
	Poll Reaction = "poll"
	// Fail: the operation is over without success, and the platform does nothing about it.
	Fail Reaction = "fail"
	// Mitigate: the platform sends DELETE until it is told that nothing is there (orphan mitigation).
	Mitigate Reaction = "mitigate"
	// MitigateAgain: it does so, and then sends the same call once more.
	MitigateAgain Reaction = "mitigate, then again"
	// Again: the same call is sent once more.
	Again Reaction = "again"
)

// Failure is why a call has no answer.
type Failure string

// The failures.
const (
	// Answered: it has one.
	Answered Failure = ""
	// Refused: nobody listened, or the name led nowhere, so nothing was sent.
	Refused Failure = "refused"
	// Broken: the connection, or TLS on it, ended before the answer was there.
	Broken Failure = "broken"
	// TimedOut: the platform waited no longer.
	TimedOut Failure = "timed out"
)

// Answer is what a platform was told, as far as it looks at it.
type Answer struct {
	Failure Failure
	Status  int
	// Object tells that the body is a JSON object; State and Error are fields of it.
	Object       bool
	State, Error string
	// Binding tells that the call is about a binding, and Deletes that it polls a deletion.
	Binding, Deletes bool
}

// Platform is how one reads answers.
type Platform interface {
	// Create reads what answers PUT of an instance or a binding.
	Create(Answer) Reaction
	// Change reads what answers PATCH.
	Change(Answer) Reaction
	// Delete reads what answers DELETE of an instance or a binding.
	Delete(Answer) Reaction
	// Poll reads what answers a poll.
	Poll(Answer) Reaction
}

// good tells whether an answer has one of the statuses, and an object.
func (a Answer) good(statuses ...int) bool {
	for _, status := range statuses {
		if a.Failure == Answered && a.Status == status && a.Object {
			return true
		}
	}
	return false
}

// readState reads the field state of a poll's answer.
func readState(a Answer) Reaction {
	switch {
	case a.Failure != Answered || a.Status != 200:
		return Poll
	case a.State == "succeeded":
		return Success
	case a.State == "failed":
		return Fail
	}
	return Poll
}
