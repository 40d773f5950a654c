package platforms

// Korifi reads answers as its controllers do: they send PUT and DELETE again and again until they are told the end.
type Korifi struct{}

// Create implements Platform.
func (Korifi) Create(a Answer) Reaction {
	switch {
	case a.Failure != Answered:
		return Again
	case a.good(200, 201):
		return Success
	case a.good(202):
		return Poll
	case a.Status == 400, a.Status == 409, a.Status == 422:
		return Fail
	}
	return Again
}

// Change implements Platform. Korifi does not update instances.
func (Korifi) Change(Answer) Reaction { return Fail }

// Delete implements Platform.
func (Korifi) Delete(a Answer) Reaction {
	switch {
	case a.good(200), a.Failure == Answered && a.Status == 410:
		return Success
	case a.good(202):
		return Poll
	}
	return Again
}

// Poll implements Platform. A 410 is not understood; the next DELETE is told it again.
func (Korifi) Poll(a Answer) Reaction { return readState(a) }
