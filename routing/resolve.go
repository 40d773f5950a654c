package routing

// Directory is what the merged catalog knows of who publishes what. All ids are those that platforms know.
type Directory interface {
	// OfferingOwner returns the backend that ever published the offering; ambiguous if more than one did.
	OfferingOwner(serviceID string) (backend string, ambiguous, ok bool)
	// PlanOwner returns the backend that ever published the plan; ambiguous if more than one did.
	PlanOwner(planID string) (backend string, ambiguous, ok bool)
	// NameOwner returns the backend that ever published an offering of this name; ambiguous if more than one did.
	NameOwner(offeringName string) (backend string, ambiguous, ok bool)
	// Offering returns the backend that publishes the offering now.
	Offering(serviceID string) (backend string, ok bool)
	// Plan tells whether the plan is published under the offering now.
	Plan(serviceID, planID string) bool
	// Draining tells whether the backend that publishes the offering gets no new instances any more.
	Draining(serviceID string) bool
	// Complete tells whether the catalog of every backend is known; if not, an unknown id may be one of theirs.
	Complete() bool
}

// Hints are what a call says about its backend.
type Hints struct {
	// Service and Plan are those of the body or, where it has none, of the query.
	Service ServiceID
	Plan    PlanID
	// PreviousService and PreviousPlan are those of previous_values.
	PreviousService ServiceID
	PreviousPlan    PlanID
	// CRNServiceName is the service-name segment of an instance id that is a CRN.
	CRNServiceName string
}

// Hint is where a call on an unknown instance would go.
type Hint struct {
	// Backend is who the hints lead to, if Refusal is empty.
	Backend BackendID
	// Service is the offering, where the hint was one.
	Service ServiceID
	// Refusal is RefusalNoHint, RefusalAmbiguous or RefusalIncomplete.
	Refusal Refusal
}

// Resolve finds the backend of a call from what the call says, for the case that there is no record. It goes by the
// service_id, then by that of previous_values, the service name of a CRN, and the plan id. An id that two backends ever
// published is no hint, and ends the search: the next hint might lead to the wrong one of them.
func Resolve(hints Hints, directory Directory) Hint {
	for _, service := range [...]ServiceID{hints.Service, hints.PreviousService} {
		if service == "" {
			continue
		}
		backend, ambiguous, ok := directory.OfferingOwner(string(service))
		if hint, found := lead(backend, ambiguous, ok); found {
			if !ambiguous {
				hint.Service = service
			}
			return hint
		}
	}
	if hints.CRNServiceName != "" {
		if hint, found := lead(directory.NameOwner(hints.CRNServiceName)); found {
			return hint
		}
	}
	for _, plan := range [...]PlanID{hints.Plan, hints.PreviousPlan} {
		if plan == "" {
			continue
		}
		if hint, found := lead(directory.PlanOwner(string(plan))); found {
			return hint
		}
	}
	if !directory.Complete() {
		return Hint{Refusal: RefusalIncomplete}
	}
	return Hint{Refusal: RefusalNoHint}
}

// lead is what a directory's answer comes to, if it ends the search.
func lead(backend string, ambiguous, ok bool) (_ Hint, found bool) {
	switch {
	case ambiguous:
		return Hint{Refusal: RefusalAmbiguous}, true
	case ok:
		return Hint{Backend: BackendID(backend)}, true
	}
	return Hint{}, false
}

// Offered judges the ids of a call that would make a new instance: both must be in the catalog as it is now, and the
// offering must be for the platform and take new instances. A nil view shows everything.
func Offered(service ServiceID, plan PlanID, directory Directory, view View) Offer {
	if service == "" {
		return Offer{Refusal: RefusalMissingService}
	}
	backend, ok := directory.Offering(string(service))
	owner := BackendID(backend)
	switch {
	case !ok && !directory.Complete():
		return Offer{Refusal: RefusalIncomplete}
	case !ok:
		return Offer{Refusal: RefusalUnknownService}
	case view != nil && !view.Visible(owner, view.OwnService(owner, service)):
		return Offer{Refusal: RefusalNotVisible}
	case directory.Draining(string(service)):
		return Offer{Refusal: RefusalDraining}
	case plan == "":
		return Offer{Refusal: RefusalMissingPlan}
	case !directory.Plan(string(service), string(plan)):
		return Offer{Refusal: RefusalUnknownPlan}
	}
	return Offer{Backend: owner}
}

// serviceOrHint is the offering of an instance that is adopted.
func (c *Call) serviceOrHint() ServiceID {
	if c.Service != "" {
		return c.Service
	}
	return c.Hint.Service
}
