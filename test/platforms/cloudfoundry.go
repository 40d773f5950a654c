package platforms

// CloudFoundry reads answers as its cloud controller does.
type CloudFoundry struct{}

// cloudFoundryErrors are the errors of a 422 that end a creation without a deletion.
var cloudFoundryErrors = map[string]bool{
	"AsyncRequired": true, "ConcurrencyError": true, "MaintenanceInfoConflict": true, "RequiresApp": true,
}

// Create implements Platform.
func (CloudFoundry) Create(a Answer) Reaction {
	switch {
	case a.Failure == TimedOut:
		return Mitigate
	case a.Failure != Answered:
		return Fail
	case a.good(200, 201):
		return Success
	case a.good(202):
		return Poll
	case a.Status == 200:
		return Fail
	case a.Status == 410:
		return Mitigate
	case a.Status == 422 && !cloudFoundryErrors[a.Error]:
		return Mitigate
	case a.Status >= 400 && a.Status < 500:
		return Fail
	}
	return Mitigate
}

// Change implements Platform. Nothing is ever mitigated.
func (CloudFoundry) Change(a Answer) Reaction {
	switch {
	case a.good(200):
		return Success
	case a.good(202):
		return Poll
	}
	return Fail
}

// Delete implements Platform. A deletion that fails is tried again by whoever asked for it, or by a job.
func (CloudFoundry) Delete(a Answer) Reaction {
	switch {
	case a.good(200), a.Failure == Answered && a.Status == 410:
		return Success
	case a.good(202):
		return Poll
	}
	return Again
}

// Poll implements Platform.
func (CloudFoundry) Poll(a Answer) Reaction {
	switch {
	case a.Failure != Answered:
		return Poll
	case a.Status == 410 && a.Deletes:
		return Success
	case a.Status == 400:
		return Fail
	}
	return readState(a)
}
