package catalogmerge

import (
	"reflect"
	"slices"
)

// Same tells whether two copies say the same: whether they differ in nothing but when they were fetched and in the
// backend's validator. Such copies merge to the same catalog, and need not be stored anew. Either may be nil.
func (c *Copy) Same(other *Copy) bool {
	if c == nil || other == nil {
		return c == other
	}
	return c == other || c.Backend == other.Backend &&
		slices.EqualFunc(c.Offerings, other.Offerings, func(a, b Offering) bool { return reflect.DeepEqual(a, b) }) &&
		slices.Equal(c.Problems, other.Problems) &&
		reflect.DeepEqual(c.Known, other.Known) &&
		(len(c.Unknown)+len(other.Unknown) == 0 || reflect.DeepEqual(c.Unknown, other.Unknown))
}

// Confirmed returns a copy that says what c does and was fetched when, and with the validator that, newer was. It shares
// its memory with c, so that a catalog which was merged from c holds no bytes of its own.
func (c *Copy) Confirmed(newer *Copy) *Copy {
	confirmed := *c
	confirmed.FetchedAt, confirmed.ETag = newer.FetchedAt, newer.ETag
	return &confirmed
}
