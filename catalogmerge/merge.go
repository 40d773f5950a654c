package catalogmerge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// Catalog is the merged catalog of all backends: the prepared answer and the index by which calls find their backend.
// It is safe for concurrent use and never changes.
type Catalog struct {
	// Body is the answer to GET /v2/catalog.
	Body []byte
	// ETag is the strong entity tag of Body, in its quotes. It is made from the bytes alone, so replicas agree on it.
	ETag string
	// Secret tells that Body holds the secret of a dashboard client and is not for caches.
	Secret bool
	// Offerings are what Body holds, in its order.
	Offerings []Published
	// Problems are those of the copies, in their order, then those between backends.
	Problems []Problem

	published map[string]int // offering id to index in Offerings
	plans     map[string]int // plan id to index in Offerings
	owners    owners
}

// Published is an offering in the merged catalog.
type Published struct {
	// Backend is the stable id of the backend that it comes from.
	Backend string
	Offering
}

const (
	bodyStart = `{"services":[`
	bodyEnd   = `]}`
)

// Merge makes one catalog of the copies, given in the order of the config. A nil entry stands for a backend that never
// gave a good answer. The result depends on nothing else, such as the order in which the answers came.
//
// Where two backends claim the same offering id, plan id, name or dashboard client, the one that published it first
// keeps it; the one listed first does if that was at the same time. The other's offering is left out, with a Problem
// that names both.
func Merge(copies []*Copy) *Catalog {
	count, plans := 0, 0
	for _, c := range copies {
		if c == nil {
			continue
		}
		count += len(c.Offerings)
		for i := range c.Offerings {
			plans += len(c.Offerings[i].Plans)
		}
	}
	catalog := &Catalog{
		Offerings: make([]Published, 0, count),
		published: make(map[string]int, count),
		plans:     make(map[string]int, plans),
		owners:    ownersOf(copies),
	}
	entries := make([]entry, 0, count)
	for _, c := range copies {
		if c == nil {
			continue
		}
		catalog.Problems = append(catalog.Problems, c.Problems...)
		for i := range c.Offerings {
			entries = append(entries, entry{from: c, offering: &c.Offerings[i]})
		}
	}
	clashes := elect(entries, count+count+plans)
	size := len(bodyStart) + len(bodyEnd)
	for i := range entries {
		e := &entries[i]
		if e.state == beaten {
			continue
		}
		index := len(catalog.Offerings)
		catalog.Offerings = append(catalog.Offerings, Published{e.from.Backend, *e.offering})
		catalog.published[e.offering.ID] = index
		for _, p := range e.offering.Plans {
			catalog.plans[p.ID] = index
		}
		catalog.Secret = catalog.Secret || e.offering.DashboardClientID != ""
		size += len(e.offering.Raw) + len(",")
	}
	catalog.Problems = append(catalog.Problems, clashes...)
	catalog.Body = splice(catalog.Offerings, size)
	sum := sha256.Sum256(catalog.Body)
	catalog.ETag = `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
	return catalog
}

// splice writes the offerings' bytes side by side. size is at least the length of the result.
func splice(offerings []Published, size int) []byte {
	body := bytes.NewBuffer(make([]byte, 0, size))
	body.WriteString(bodyStart)
	for i := range offerings {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(offerings[i].Raw)
	}
	body.WriteString(bodyEnd)
	return body.Bytes()
}

// Offering returns the backend of an offering that the catalog publishes now.
func (c *Catalog) Offering(serviceID string) (backend string, ok bool) {
	i, ok := c.published[serviceID]
	if !ok {
		return "", false
	}
	return c.Offerings[i].Backend, true
}

// Plan tells whether the catalog publishes the plan now, under that offering.
func (c *Catalog) Plan(serviceID, planID string) bool {
	offering, published := c.published[serviceID]
	plan, ok := c.plans[planID]
	return published && ok && plan == offering
}

// OfferingOwner returns the backend that ever published an offering with the id, in the catalog or not. If several did,
// it is ambiguous which of them holds an instance; backend is then the first of them.
func (c *Catalog) OfferingOwner(serviceID string) (backend string, ambiguous, ok bool) {
	return c.owners.offerings.find(serviceID)
}

// PlanOwner is like OfferingOwner for the id of a plan.
func (c *Catalog) PlanOwner(planID string) (backend string, ambiguous, ok bool) {
	return c.owners.plans.find(planID)
}

// NameOwner is like OfferingOwner for any name that an offering ever had. Instance ids of IBM Cloud carry it.
func (c *Catalog) NameOwner(offeringName string) (backend string, ambiguous, ok bool) {
	return c.owners.names.find(offeringName)
}
