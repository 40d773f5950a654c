package catalogmerge

// exposuresField holds what Known has learnt from policies. It stands beside known and not within, so that versions
// which do not know it carry it along.
const exposuresField = "exposures"

// encodedExposures is how a copy holds that. Ids without an entry were shown as they are.
type encodedExposures struct {
	Offerings map[string]encodedExposure `json:"offerings,omitempty"`
	Plans     map[string]Exposure        `json:"plans,omitempty"`
}

type encodedExposure struct {
	Exposure
	OwnNames []string `json:"own_names,omitempty"`
}

// exposures returns what the encoded copy has in the field; nil if there is nothing.
func (k Known) exposures() *encodedExposures {
	var x encodedExposures
	for id, offering := range k.Offerings {
		if offering.Exposure != (Exposure{}) || len(offering.OwnNames) > 0 {
			if x.Offerings == nil {
				x.Offerings = make(map[string]encodedExposure)
			}
			x.Offerings[id] = encodedExposure{offering.Exposure, offering.OwnNames}
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

// addExposures takes over what the field holds.
func (k *Known) addExposures(x *encodedExposures) {
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
