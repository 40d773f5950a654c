package chaos

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
	// Again: the same call is sent once more.
	Again Reaction = "again"
)

// Reactions is how a platform reads answers.
type Reactions interface {
	// Create reads what answers PUT of an instance or a binding.
	Create(*Call) Reaction
	// Change reads what answers PATCH.
	Change(*Call) Reaction
	// Delete reads what answers DELETE of an instance or a binding.
	Delete(*Call) Reaction
	// Poll reads what answers a poll.
	Poll(*Call) Reaction
}

// CloudFoundry reads answers as its cloud controller does.
type CloudFoundry struct{}

// Create implements Reactions.
func (CloudFoundry) Create(c *Call) Reaction {
	switch {
	case c.Failure == TimedOut:
		return Mitigate
	case c.Failure != Answered:
		return Fail
	case (c.Status == 200 || c.Status == 201) && c.Object:
		return Success
	case c.Status == 202 && c.Object:
		return Poll
	case c.Status == 200:
		return Fail
	case c.Status == 410:
		return Mitigate
	case c.Status == 422:
		switch c.Error {
		case "AsyncRequired", "ConcurrencyError", "MaintenanceInfoConflict", "RequiresApp":
			return Fail
		}
		return Mitigate
	case c.Status >= 400 && c.Status < 500:
		return Fail
	}
	return Mitigate
}

// Change implements Reactions. Nothing is ever mitigated.
func (CloudFoundry) Change(c *Call) Reaction {
	switch {
	case c.Failure == Answered && c.Status == 200 && c.Object:
		return Success
	case c.Failure == Answered && c.Status == 202 && c.Object:
		return Poll
	}
	return Fail
}

// Delete implements Reactions.
func (CloudFoundry) Delete(c *Call) Reaction {
	switch {
	case c.Failure != Answered:
		return Again
	case c.Status == 200 && c.Object, c.Status == 410:
		return Success
	case c.Status == 202 && c.Object:
		return Poll
	}
	return Again
}

// Poll implements Reactions.
func (CloudFoundry) Poll(c *Call) Reaction {
	switch {
	case c.Failure != Answered:
		return Poll
	case c.Status == 410 && c.Deletes():
		return Success
	case c.Status == 400:
		return Fail
	}
	return readState(c)
}

// readState reads the field state of a poll's answer.
func readState(c *Call) Reaction {
	switch {
	case c.Status == 200 && c.State == "succeeded":
		return Success
	case c.Status == 200 && c.State == "failed":
		return Fail
	}
	return Poll
}

// Korifi reads answers as its controllers do: they send PUT and DELETE again and again until they are told the end.
type Korifi struct{}

// Create implements Reactions.
func (Korifi) Create(c *Call) Reaction {
	switch {
	case c.Failure != Answered:
		return Again
	case (c.Status == 200 || c.Status == 201) && c.Object:
		return Success
	case c.Status == 202 && c.Object:
		return Poll
	case c.Status == 400, c.Status == 409, c.Status == 422:
		return Fail
	}
	return Again
}

// Change implements Reactions. Korifi does not update instances.
func (Korifi) Change(*Call) Reaction { return Fail }

// Delete implements Reactions.
func (Korifi) Delete(c *Call) Reaction {
	switch {
	case c.Failure == Answered && (c.Status == 200 && c.Object || c.Status == 410):
		return Success
	case c.Failure == Answered && c.Status == 202 && c.Object:
		return Poll
	}
	return Again
}

// Poll implements Reactions. A 410 is not understood; the next DELETE is told it again.
func (Korifi) Poll(c *Call) Reaction {
	if c.Failure != Answered {
		return Poll
	}
	return readState(c)
}
