package catalogmerge

// exposuresField holds what Known has learnt from policies. It stands beside known and not within, so that versions
// which do not know it carry it along.
const exposuresField = "exposures"

// Exposures is how a copy holds that. Ids without an entry were shown as they are.
type Exposures struct {
	Offerings map[string]OfferingExposure `json:"offerings,omitempty"`
	Plans     map[string]Exposure         `json:"plans,omitempty"`
}

// OfferingExposure is what Exposures has of an offering.
type OfferingExposure struct {
	Exposure
	OwnNames []string `json:"own_names,omitempty"`
}

// Exposures returns what Known encoded as JSON does not have; nil if there is nothing.
func (k Known) Exposures() *Exposures {
	var x Exposures
	for id, offering := range k.Offerings {
		if offering.Exposure != (Exposure{}) || len(offering.OwnNames) > 0 {
			if x.Offerings == nil {
				x.Offerings = make(map[string]OfferingExposure)
			}
			x.Offerings[id] = OfferingExposure{offering.Exposure, offering.OwnNames}
		}
	}
	for id, plan := range k.Plans {
		if plan.Exposure != (Exposure{}) {
			if x.Plans == nil {
				x.Plans = make(map[string]Exposure)
			}
			x.Plans[id] = plan.Exposure
		}
	}
	if x.Offerings == nil && x.Plans == nil {
		return nil
	}
	return &x
}

// AddExposures takes over what Exposures returned. Known must be nobody else's yet.
func (k *Known) AddExposures(x *Exposures) {
	if k.Offerings == nil {
		k.Offerings = make(map[string]KnownOffering, len(x.Offerings))
	}
	if k.Plans == nil {
		k.Plans = make(map[string]KnownPlan, len(x.Plans))
	}
	for id, e := range x.Offerings {
		offering := k.Offerings[id]
		offering.Exposure, offering.OwnNames = e.Exposure, e.OwnNames
		k.Offerings[id] = offering
	}
	for id, e := range x.Plans {
		plan := k.Plans[id]
		plan.Exposure = e
		k.Plans[id] = plan
	}
}
