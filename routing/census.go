package routing

import (
	"context"
	"slices"
	"time"
)

// CensusOptions bound what a census costs. The zero value has the defaults.
type CensusOptions struct {
	// Examples is how many records of each kind of trouble are named; default 10.
	Examples int
	// PageSize is about how many records are asked for at a time; default 500.
	PageSize int
	// Pause is the rest after each page and after each PageSize records that are read on their own, so that calls of
	// platforms come first; default 2ms, negative for none.
	Pause time.Duration
	// SkipLeftovers spares the reading of bindings' instances.
	SkipLeftovers bool
	// Plans has live instances counted by plan and platform too.
	Plans bool
}

const (
	defaultExamples    = 10
	defaultCensusPage  = 500
	defaultCensusPause = 2 * time.Millisecond
	// censusCommandTimeout bounds one command; stores have shorter ones of their own.
	censusCommandTimeout = 10 * time.Second
	// maxOwners bounds how many pairs of platform and backend are told apart.
	maxOwners = 1000
	// maxPlans bounds how many plans of platforms are told apart.
	maxPlans = 200_000
)

// Census says what a store holds. Records that come, go or change while it is taken may be counted or not, and a store
// may list a record twice, so the numbers are exact only while nothing changes.
type Census struct {
	// Complete: the whole store was seen. Without it the numbers are those of a part.
	Complete bool
	// Instances and Bindings count the records that can be read, by state.
	Instances, Bindings map[State]int
	// Owners counts them by platform and backend, in the order of these.
	Owners []OwnerCount
	// OtherOwners counts records of more pairs of platform and backend than are told apart.
	OtherOwners int
	// Plans counts live instances by plan and platform, if CensusOptions.Plans says so. The plan of a record is advice:
	// after an update that the gateway did not see it may be an earlier one.
	Plans map[PlanOf]int
	// Strays are records that name other backends which may hold an instance of the same id.
	Strays Findings[StrayFinding]
	// Leftovers are bindings that may exist although their instance is gone or not known.
	Leftovers Findings[LeftoverFinding]
	// Unfinished are records with an operation that awaits polls; the examples are those that wait longest.
	Unfinished Findings[UnfinishedFinding]
	// Unreadable are records that this gateway cannot read. Calls on them are refused.
	Unreadable Findings[UnreadableFinding]
}

// NotConfigured counts the records of platforms and backends that the configuration does not know. Calls on them are
// refused.
func (c *Census) NotConfigured() int {
	count := 0
	for _, owner := range c.Owners {
		if !owner.Configured() {
			count += owner.Live + owner.Gone
		}
	}
	return count
}

// Findings is a count, and some of what was counted.
type Findings[T any] struct {
	Count    int
	Examples []T
}

func (f *Findings[T]) add(examples int, found T) {
	f.Count++
	if len(f.Examples) < examples {
		f.Examples = append(f.Examples, found)
	}
}

// OwnerCount counts the records of instances and bindings of one platform on one backend, named as the records do.
type OwnerCount struct {
	Platform PlatformID
	Backend  BackendID
	// PlatformKnown and BackendKnown tell whether the configuration knows them, under an earlier name maybe.
	PlatformKnown, BackendKnown bool
	// Live and Gone count records; a tombstone is gone.
	Live, Gone int
}

// PlanOf is what a platform has of a plan of a backend, named as the records do, with the backend's own ids. They are empty
// in records that do not know them.
type PlanOf struct {
	Platform PlatformID
	Backend  BackendID
	Service  ServiceID
	Plan     PlanID
}

// Configured tells whether calls on the records can be routed.
func (o *OwnerCount) Configured() bool { return o.PlatformKnown && o.BackendKnown }

// StrayFinding is a record with strays.
type StrayFinding struct {
	Key    Key
	Owner  BackendID
	Strays []Stray
}

// LeftoverFinding is a binding whose instance the store does not have as live.
type LeftoverFinding struct {
	Key     Key
	Backend BackendID
	Reason  LeftoverReason
}

// LeftoverReason is why a binding counts as a leftover.
type LeftoverReason string

// The reasons.
const (
	// LeftoverInstanceAbsent: there is no record of the instance.
	LeftoverInstanceAbsent LeftoverReason = "instance_absent"
	// LeftoverInstanceGone: the instance is gone.
	LeftoverInstanceGone LeftoverReason = "instance_gone"
	// LeftoverEarlierInstance: the binding was made for an earlier instance of the same id.
	LeftoverEarlierInstance LeftoverReason = "earlier_instance"
)

// UnfinishedFinding is a record whose operation awaits polls.
type UnfinishedFinding struct {
	Key     Key
	Backend BackendID
	State   State
	Kind    Kind
	// Since is when the record was last written.
	Since Moment
}

// UnreadableFinding is a record that cannot be read.
type UnreadableFinding struct {
	Key Key
	// Newer: a newer gateway wrote the record. Else it is damaged.
	Newer bool
	// Problem says what is wrong; it holds nothing of the record but its version.
	Problem string
}

// TakeCensus goes through a store once, in pages, and counts. Its memory does not depend on the number of records, and
// it never has more than one command under way. An error, which matches ErrUnavailable where the store does not answer,
// comes with the census as far as it was taken; so does the end of ctx.
func TakeCensus(ctx context.Context, store Store, config Config, options CensusOptions) (Census, error) {
	t := &censusTaker{
		store: store, config: config, options: options.withDefaults(), owners: make(map[owner]*OwnerCount),
		census: Census{Instances: make(map[State]int), Bindings: make(map[State]int)},
	}
	if t.options.Plans {
		t.census.Plans = make(map[PlanOf]int)
	}
	err := t.take(ctx)
	t.census.Complete = err == nil
	for _, count := range t.owners {
		t.census.Owners = append(t.census.Owners, *count)
	}
	slices.SortFunc(t.census.Owners, func(a, b OwnerCount) int {
		return compareOwners(owner{a.Platform, a.Backend}, owner{b.Platform, b.Backend})
	})
	return t.census, err
}
