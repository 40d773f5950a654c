package catalogmerge

import (
	"cmp"
	"fmt"
	"slices"
)

// loss is one entry's defeat by another, or the loss of its name.
type loss struct {
	loser  contender
	winner int
	claim  claim
}

// problems returns what became of the entries that lost something, in their order. Who gave up a name and was beaten
// afterwards is only told of the latter.
func (e *election) problems() []Problem {
	slices.SortStableFunc(e.losses, func(a, b loss) int { return cmp.Compare(a.loser.entry, b.loser.entry) })
	var problems []Problem
	for i, l := range e.losses {
		if i+1 < len(e.losses) && e.losses[i+1].loser.entry == l.loser.entry {
			continue
		}
		problems = append(problems, e.problem(l))
		if loser := &e.entries[l.loser.entry]; loser.state == chosen {
			problems = append(problems, loser.offering.nameProblems(loser.name)...)
		}
	}
	return problems
}

func (e *election) problem(l loss) Problem {
	loser, winner := &e.entries[l.loser.entry], &e.entries[l.winner]
	p := Problem{
		Backend: loser.offering.Backend, Offering: loser.offering.OwnID, Path: loser.ownPath(l), Rule: l.claim.rule(), Hard: true,
		Detail: fmt.Sprintf("%s of backend %s is that of offering %s of backend %s",
			l.claim, quote(loser.offering.Backend), quote(winner.offering.OwnID), quote(winner.offering.Backend)),
	}
	switch {
	case loser.state == chosen:
		p.Hard = false
		p.Detail += fmt.Sprintf("; it is shown as %s", quote(loser.name))
	case l.claim.kind == claimDashboardClientID:
		p.Detail += "; a platform takes each client once, and the client is its broker's own: have the broker use another one, " +
			"or exclude the offering from one of the two"
	case loser.name != "" && l.claim.kind == claimOfferingName:
		p.Detail += fmt.Sprintf("; it would have been shown under that name, because another backend has its own, %s",
			quote(loser.offering.Name))
	}
	return p
}

// ownPath returns where in what the backend sent the claim is.
func (e *entry) ownPath(l loss) string {
	at := place{plan: none, field: "id"}
	switch l.claim.kind {
	case claimOfferingName:
		at.field = "name"
	case claimDashboardClientID:
		at.object = "dashboard_client"
	case claimPlanID:
		id := e.offering.Plans[l.loser.plan].OwnID
		at.plan = slices.IndexFunc(e.own.Plans, func(p Plan) bool { return p.ID == id })
	case claimOfferingID:
	}
	return at.path("")
}
