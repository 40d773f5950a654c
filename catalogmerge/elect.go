package catalogmerge

import (
	"iter"
	"slices"
	"time"
)

// entry is an offering that stands for the merged catalog.
type entry struct {
	from     *Exposed
	backend  int // index of from
	offering *Published
	// own is the offering as its backend sent it.
	own   *Offering
	state state
	// name is the one that it took when it gave up its own; empty if it did not.
	name string
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

// claims yields what the entry claims, and where. What no platform sees needs no name of its own, but calls for it find
// their way by its ids.
func (e *entry) claims() iter.Seq2[claim, place] {
	return func(yield func(claim, place) bool) {
		for c, at := range e.offering.claims() {
			if seen := c.kind == claimOfferingName || c.kind == claimDashboardClientID; seen && e.offering.Hidden {
				continue
			}
			if !yield(c, at) {
				return
			}
		}
	}
}

// contest is a claim that several entries make. The contenders are in the order of their right to it; those that took
// the name when they gave up their own come last.
type contest struct {
	claim      claim
	contenders []contender
	head       int // index of the first contender that is still in it
	won        bool
	winner     int
}

// contender is an entry in a contest.
type contender struct {
	entry int
	plan  int // index of the plan whose id is claimed, or none
	since time.Time
}

// elect decides which entries are published, so that no claim is held twice, and returns a problem for each entry that
// is not, or not as its backend means it. claims is about how many claims there are.
//
// An entry that leads all its contests is chosen, which beats all others in them; those leave their other contests,
// where the next in line may lead then. If nobody leads everything that they need, each waits for another one in a
// circle: the circle is cut at the entry listed first. The work grows with the number of claims, whatever the clashes.
//
// With rename, an entry that loses nothing but its name is not beaten: it takes another name, and stands behind all that
// claim that as their own.
func elect(entries []entry, claims int, rename bool) []Problem {
	e := election{entries: entries, rename: rename}
	contests := e.findContests(claims)
	if len(contests) == 0 {
		return nil
	}
	rights := newRights(entries)
	for _, c := range contests {
		for i := range c.contenders {
			x := &c.contenders[i]
			x.since = rights.firstSeen(x, c.claim)
		}
		slices.SortStableFunc(c.contenders, rights.compare)
		for i, x := range c.contenders {
			entries[x.entry].contests = append(entries[x.entry].contests, c)
			if i > 0 {
				entries[x.entry].waiting++
			}
		}
	}
	for i := range entries {
		if entries[i].waiting == 0 {
			e.ready = append(e.ready, i)
		}
	}
	for e.chooseReady(); e.cut(); {
		e.chooseReady()
	}
	return e.problems()
}

type election struct {
	entries []entry
	rename  bool
	ready   []int
	losses  []loss

	// firsts holds the first entry that makes each claim, contested what several make.
	firsts    map[claim]contender
	contested map[claim]*contest
	// cutOwn and cutRenamed are where to look on for an entry to cut a circle at.
	cutOwn, cutRenamed int
}

// findContests returns the claims that more than one entry makes, in the order in which they show.
func (e *election) findContests(claims int) []*contest {
	e.firsts = make(map[claim]contender, claims)
	e.contested = make(map[claim]*contest)
	var contests []*contest
	for i := range e.entries {
		for c, at := range e.entries[i].claims() {
			earlier, taken := e.firsts[c]
			if !taken {
				e.firsts[c] = contender{entry: i, plan: at.plan}
				continue
			}
			if earlier.entry == i {
				continue
			}
			x := e.contested[c]
			if x == nil {
				x = &contest{claim: c, contenders: []contender{earlier}}
				e.contested[c] = x
				contests = append(contests, x)
			}
			if x.contenders[len(x.contenders)-1].entry != i {
				x.contenders = append(x.contenders, contender{entry: i, plan: at.plan})
			}
		}
	}
	return contests
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
			if e.left(winner, c) {
				continue
			}
			c.won, c.winner = true, winner
			for _, x := range c.contenders {
				switch {
				case e.entries[x.entry].state != undecided || e.left(x.entry, c):
				case e.rename && c.claim.kind == claimOfferingName && e.entries[x.entry].name == "":
					e.giveUpName(x, c)
				default:
					e.beat(x, c)
				}
			}
		}
	}
}

// cut makes an entry ready that waits for others in a circle, and tells whether there is one. Those that go by their own
// names come first, because the others stand behind them.
func (e *election) cut() bool {
	for ; e.cutOwn < len(e.entries); e.cutOwn++ {
		if x := &e.entries[e.cutOwn]; x.state == undecided && x.name == "" {
			e.ready = append(e.ready, e.cutOwn)
			return true
		}
	}
	for ; e.cutRenamed < len(e.entries); e.cutRenamed++ {
		if e.entries[e.cutRenamed].state == undecided {
			e.ready = append(e.ready, e.cutRenamed)
			return true
		}
	}
	return false
}

// left tells whether an entry is in a contest no more.
func (e *election) left(index int, c *contest) bool {
	x := &e.entries[index]
	return x.state == beaten ||
		x.name != "" && c.claim.kind == claimOfferingName && c.claim.value == x.offering.Name
}

// beat takes an entry out of all its contests. over is the contest that it lost.
func (e *election) beat(loser contender, over *contest) {
	e.losses = append(e.losses, loss{loser, over.winner, over.claim})
	x := &e.entries[loser.entry]
	x.state = beaten
	for _, c := range x.contests {
		e.advance(c)
	}
}

// giveUpName has an entry take another name in the place of the one that it lost.
func (e *election) giveUpName(loser contender, over *contest) {
	x := &e.entries[loser.entry]
	if over.contenders[over.head].entry != loser.entry {
		x.waiting-- // it need not lead this one any more
	}
	x.name = x.from.nameInConflict(x.offering.Name)
	e.losses = append(e.losses, loss{loser, over.winner, over.claim})
	e.advance(over)

	c := e.contestFor(claim{claimOfferingName, x.name})
	newcomer := contender{entry: loser.entry, plan: none}
	if c.won {
		e.beat(newcomer, c)
		return
	}
	c.contenders = append(c.contenders, newcomer)
	x.contests = append(x.contests, c)
	if c.contenders[c.head].entry != loser.entry {
		x.waiting++
	}
	if x.waiting == 0 {
		e.ready = append(e.ready, loser.entry)
	}
}

// contestFor returns the contest for a name that somebody takes, which so far one entry at most may claim.
func (e *election) contestFor(c claim) *contest {
	x := e.contested[c]
	if x != nil {
		return x
	}
	x = &contest{claim: c}
	e.contested[c] = x
	if first, ok := e.firsts[c]; ok && e.entries[first.entry].state != beaten {
		x.contenders = []contender{first}
		x.won, x.winner = e.entries[first.entry].state == chosen, first.entry
		e.entries[first.entry].contests = append(e.entries[first.entry].contests, x)
	}
	return x
}

// advance moves the head of a contest over those that left it. Whoever is next need not wait for it any longer.
func (e *election) advance(c *contest) {
	before := c.head
	for c.head < len(c.contenders) && e.left(c.contenders[c.head].entry, c) {
		c.head++
	}
	if c.head == before || c.head == len(c.contenders) {
		return
	}
	next := c.contenders[c.head].entry
	leader := &e.entries[next]
	if leader.waiting--; leader.waiting == 0 && leader.state == undecided {
		e.ready = append(e.ready, next)
	}
}
