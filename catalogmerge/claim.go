package catalogmerge

import "iter"

// claim is something that only one offering of a catalog may have.
type claim struct {
	kind  claimKind
	value string
}

type claimKind uint8

const (
	claimOfferingID claimKind = iota
	claimOfferingName
	claimPlanID
	claimDashboardClientID
)

var claimKinds = [...]struct {
	rule Rule
	noun string
}{
	claimOfferingID:        {RuleOfferingID, "offering id"},
	claimOfferingName:      {RuleOfferingName, "offering name"},
	claimPlanID:            {RulePlanID, "plan id"},
	claimDashboardClientID: {RuleDashboardClientID, "dashboard client id"},
}

func (c claim) rule() Rule { return claimKinds[c.kind].rule }

func (c claim) String() string { return claimKinds[c.kind].noun + " " + quote(c.value) }

// claims yields what an offering claims, and where.
func (o *Offering) claims() iter.Seq2[claim, place] {
	return func(yield func(claim, place) bool) {
		if !yield(claim{claimOfferingID, o.ID}, place{plan: none, field: "id"}) ||
			!yield(claim{claimOfferingName, o.Name}, place{plan: none, field: "name"}) {
			return
		}
		for i, p := range o.Plans {
			if !yield(claim{claimPlanID, p.ID}, place{plan: i, field: "id"}) {
				return
			}
		}
		if o.DashboardClientID != "" {
			yield(claim{claimDashboardClientID, o.DashboardClientID},
				place{plan: none, object: "dashboard_client", field: "id"})
		}
	}
}

// placeOf returns where the offering makes a claim.
func (o *Offering) placeOf(want claim) place {
	for c, at := range o.claims() {
		if c == want {
			return at
		}
	}
	return place{plan: none}
}
