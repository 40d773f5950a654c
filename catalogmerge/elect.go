package catalogmerge

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// entry is an offering that stands for the merged catalog.
type entry struct {
	from     *Copy
	offering *Offering
	state    state
	// contests are those of its claims that others make too; waiting counts those that it does not lead.
	contests []*contest
	waiting  int
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
	contenders []int
	head       int // index of the first contender that is not beaten
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
		slices.SortStableFunc(c.contenders, func(a, b int) int {
			return cmp.Or(compareFirstSeen(rights.firstSeen(a, c.claim), rights.firstSeen(b, c.claim)), cmp.Compare(a, b))
		})
		for i, contender := range c.contenders {
			entries[contender].contests = append(entries[contender].contests, c)
			if i > 0 {
				entries[contender].waiting++
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
	first := make(map[claim]int, claims)
	contested := make(map[claim]*contest)
	var contests []*contest
	for i := range entries {
		for c := range entries[i].offering.claims() {
			earlier, taken := first[c]
			if !taken {
				first[c] = i
				continue
			}
			if earlier == i {
				continue
			}
			x := contested[c]
			if x == nil {
				x = &contest{claim: c, contenders: []int{earlier}}
				contested[c] = x
				contests = append(contests, x)
			}
			if x.contenders[len(x.contenders)-1] != i {
				x.contenders = append(x.contenders, i)
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
				if e.entries[contender].state == undecided {
					e.beat(contender, winner, c.claim)
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
		if c.contenders[c.head] != loser {
			continue
		}
		for c.head < len(c.contenders) && e.entries[c.contenders[c.head]].state == beaten {
			c.head++
		}
		if c.head == len(c.contenders) {
			continue
		}
		leader := &e.entries[c.contenders[c.head]]
		if leader.waiting--; leader.waiting == 0 && leader.state == undecided {
			e.ready = append(e.ready, c.contenders[c.head])
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
		Backend:  loser.from.Backend,
		Offering: loser.offering.ID,
		Path:     loser.offering.placeOf(l.claim).path(""),
		Rule:     l.claim.rule(),
		Detail: fmt.Sprintf("%s of backend %s is that of offering %s of backend %s",
			l.claim, quote(loser.from.Backend), quote(winner.offering.ID), quote(winner.from.Backend)),
		Hard: true,
	}
}

// rights tells since when an entry's backend has had a claim.
type rights struct {
	entries []entry
	// names holds when each backend's names were first seen, under whatever offering. It is filled when first needed.
	names map[*Copy]map[string]time.Time
}

func newRights(entries []entry) *rights {
	return &rights{entries: entries, names: make(map[*Copy]map[string]time.Time)}
}

func (r *rights) firstSeen(index int, c claim) time.Time {
	e := &r.entries[index]
	switch c.kind {
	case claimOfferingName:
		return r.namesOf(e.from)[c.value]
	case claimPlanID:
		return e.from.Known.Plans[c.value].FirstSeen
	default:
		// A dashboard client is as old as its offering.
		return e.from.Known.Offerings[e.offering.ID].FirstSeen
	}
}

func (r *rights) namesOf(from *Copy) map[string]time.Time {
	names, ok := r.names[from]
	if ok {
		return names
	}
	names = make(map[string]time.Time, len(from.Known.Offerings))
	for _, known := range from.Known.Offerings {
		for name, seen := range known.Names {
			if present, ok := names[name]; !ok || compareFirstSeen(seen, present) < 0 {
				names[name] = seen
			}
		}
	}
	r.names[from] = names
	return names
}
