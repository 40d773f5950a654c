package catalogmerge

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"
)

// entry is an offering that stands for the merged catalog.
type entry struct {
	from     *Exposed
	offering *Published
	// own is the offering as its backend sent it.
	own   *Offering
	state state
	// contests are those of its claims that others make too; waiting counts those that it does not lead.
	contests []*contest
	waiting  int
}

// claims yields what the entry claims, and where. What no platform sees needs no name of its own, but calls for it find
// their way by its ids.
func (e *entry) claims() iter.Seq2[claim, place] {
	if !e.offering.Hidden {
		return e.offering.claims()
	}
	return func(yield func(claim, place) bool) {
		for c, at := range e.offering.claims() {
			if (c.kind == claimOfferingID || c.kind == claimPlanID) && !yield(c, at) {
				return
			}
		}
	}
}

type state uint8

const (
	undecided state = iota
	chosen
	beaten
)

// contest is a claim that several entries make. The contenders are in the order of their right to it.
type contest struct {
	claim      claim
	contenders []contender
	head       int // index of the first contender that is not beaten
}

// contender is an entry in a contest.
type contender struct {
	entry int
	plan  int // index of the plan whose id is claimed, or none
	since time.Time
}

// elect decides which entries are published, so that no claim is held twice, and returns a problem for each entry that
// is not. claims is about how many claims there are.
//
// An entry that leads all its contests is chosen, which beats all others in them; those leave their other contests,
// where the next in line may lead then. If nobody leads everything that they need, each waits for another one in a
// circle: the circle is cut at the entry listed first. The work grows with the number of claims, whatever the clashes.
func elect(entries []entry, claims int) []Problem {
	contests := findContests(entries, claims)
	if len(contests) == 0 {
		return nil
	}
	rights := newRights(entries)
	for _, c := range contests {
		for i := range c.contenders {
			x := &c.contenders[i]
			x.since = rights.firstSeen(x.entry, c.claim, x.plan)
		}
		slices.SortStableFunc(c.contenders, func(a, b contender) int {
			return cmp.Or(compareFirstSeen(a.since, b.since), cmp.Compare(a.entry, b.entry))
		})
		for i, x := range c.contenders {
			entries[x.entry].contests = append(entries[x.entry].contests, c)
			if i > 0 {
				entries[x.entry].waiting++
			}
		}
	}

	e := election{entries: entries}
	for i := range entries {
		if entries[i].waiting == 0 {
			e.ready = append(e.ready, i)
		}
	}
	for next := 0; ; {
		e.chooseReady()
		for next < len(entries) && entries[next].state != undecided {
			next++
		}
		if next == len(entries) {
			break
		}
		e.ready = append(e.ready, next)
	}
	slices.SortFunc(e.losses, func(a, b loss) int { return cmp.Compare(a.loser, b.loser) })
	problems := make([]Problem, len(e.losses))
	for i, l := range e.losses {
		problems[i] = l.problem(entries)
	}
	return problems
}

// findContests returns the claims that more than one entry makes, in the order in which they show.
func findContests(entries []entry, claims int) []*contest {
	type first struct{ entry, plan int32 }
	firsts := make(map[claim]first, claims)
	contested := make(map[claim]*contest)
	var contests []*contest
	for i := range entries {
		for c, at := range entries[i].claims() {
			earlier, taken := firsts[c]
			if !taken {
				firsts[c] = first{int32(i), int32(at.plan)} //nolint:gosec // a catalog has not that many of them
				continue
			}
			if int(earlier.entry) == i {
				continue
			}
			x := contested[c]
			if x == nil {
				x = &contest{claim: c, contenders: []contender{{entry: int(earlier.entry), plan: int(earlier.plan)}}}
				contested[c] = x
				contests = append(contests, x)
			}
			if x.contenders[len(x.contenders)-1].entry != i {
				x.contenders = append(x.contenders, contender{entry: i, plan: at.plan})
			}
		}
	}
	return contests
}

type election struct {
	entries []entry
	ready   []int
	losses  []loss
}

// chooseReady chooses the entries that are ready, and those that become so by that.
func (e *election) chooseReady() {
	for len(e.ready) > 0 {
		winner := e.ready[len(e.ready)-1]
		e.ready = e.ready[:len(e.ready)-1]
		if e.entries[winner].state != undecided {
			continue
		}
		e.entries[winner].state = chosen
		for _, c := range e.entries[winner].contests {
			for _, contender := range c.contenders {
				if e.entries[contender.entry].state == undecided {
					e.beat(contender.entry, winner, c.claim)
				}
			}
		}
	}
}

// beat takes an entry out of all its contests.
func (e *election) beat(loser, winner int, over claim) {
	e.entries[loser].state = beaten
	e.losses = append(e.losses, loss{loser, winner, over})
	for _, c := range e.entries[loser].contests {
		if c.contenders[c.head].entry != loser {
			continue
		}
		for c.head < len(c.contenders) && e.entries[c.contenders[c.head].entry].state == beaten {
			c.head++
		}
		if c.head == len(c.contenders) {
			continue
		}
		next := c.contenders[c.head].entry
		leader := &e.entries[next]
		if leader.waiting--; leader.waiting == 0 && leader.state == undecided {
			e.ready = append(e.ready, next)
		}
	}
}

// loss is one entry's defeat by another.
type loss struct {
	loser, winner int
	claim         claim
}

func (l loss) problem(entries []entry) Problem {
	loser, winner := entries[l.loser], entries[l.winner]
	return Problem{
		Backend:  loser.offering.Backend,
		Offering: loser.offering.OwnID,
		Path:     loser.offering.placeOf(l.claim).path(""),
		Rule:     l.claim.rule(),
		Detail: fmt.Sprintf("%s of backend %s is that of offering %s of backend %s",
			l.claim, quote(loser.offering.Backend), quote(winner.offering.OwnID), quote(winner.offering.Backend)),
		Hard: true,
	}
}

// rights tells since when an entry's backend has shown what it claims.
type rights struct {
	entries []entry
	// names holds when each backend's names were first seen, under whatever offering. It is filled when first needed.
	names map[*Exposed]map[string]time.Time
}

func newRights(entries []entry) *rights {
	return &rights{entries: entries, names: make(map[*Exposed]map[string]time.Time)}
}

// firstSeen returns since when; plan is the index of the plan where the claim is that to its id.
func (r *rights) firstSeen(index int, c claim, plan int) time.Time {
	e := &r.entries[index]
	known, mapped := &e.from.copy.Known, e.from.policy.NamespaceIDs
	offering := known.Offerings[e.offering.OwnID]
	switch c.kind {
	case claimOfferingName:
		return r.namesOf(e.from)[c.value]
	case claimPlanID:
		plan := known.Plans[e.offering.Plans[plan].OwnID]
		if mapped {
			return plan.MappedSince
		}
		return plan.FirstSeen
	case claimOfferingID:
		if mapped {
			return offering.MappedSince
		}
		return offering.FirstSeen
	default:
		// A dashboard client is as old as its offering, however that is spelled.
		return offering.since()
	}
}

func (r *rights) namesOf(from *Exposed) map[string]time.Time {
	names, ok := r.names[from]
	if ok {
		return names
	}
	known := from.copy.Known.Offerings
	names = make(map[string]time.Time, len(known))
	for _, offering := range known {
		for name, seen := range offering.Names {
			if present, ok := names[name]; !ok || compareFirstSeen(seen, present) < 0 {
				names[name] = seen
			}
		}
	}
	r.names[from] = names
	return names
}
