package platforms

// ServiceCatalog reads answers as the service catalog of Kubernetes does.
type ServiceCatalog struct{}

// Create implements Platform. A bind that got any error of HTTP is never sent again; only what had no answer is.
func (ServiceCatalog) Create(a Answer) Reaction {
	orphan := MitigateAgain
	again := Again
	if a.Binding {
		orphan, again = Mitigate, Fail
	}
	switch {
	case a.Failure == TimedOut:
		return MitigateAgain
	case a.Failure != Answered:
		return Again
	case a.good(200, 201):
		return Success
	case a.good(202):
		return Poll
	case a.Status == 200:
		return again
	case a.Status == 400:
		return Fail
	case a.Status >= 300 && a.Status < 500:
		return again
	}
	return orphan
}

// Change implements Platform.
func (ServiceCatalog) Change(a Answer) Reaction {
	switch {
	case a.good(200):
		return Success
	case a.good(202):
		return Poll
	case a.Failure == Answered && a.Status == 400:
		return Fail
	}
	return Again
}

// Delete implements Platform. For a binding the body of a 410 is read, too.
func (ServiceCatalog) Delete(a Answer) Reaction {
	switch {
	case a.good(200), a.Failure == Answered && a.Status == 410 && (a.Object || !a.Binding):
		return Success
	case a.good(202):
		return Poll
	}
	return Again
}

// Poll implements Platform.
func (ServiceCatalog) Poll(a Answer) Reaction {
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
