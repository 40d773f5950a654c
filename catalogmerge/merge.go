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
	// Offerings are what Body holds, in its order, and among them those that are hidden.
	Offerings []Published
	// Problems are those of each backend, in their order: of its copy, then of its policy. Those between backends follow.
	Problems []Problem

	backends []*Exposed
	byID     map[string]int32 // stable id to index in backends
	full     []int            // indexes of the offerings in Body

	published map[string]int // exposed offering id to index in Offerings
	plans     map[string]int // exposed plan id to index in Offerings
	owners    owners
}

// Published is an offering in the merged catalog, as platforms see it.
type Published struct {
	// Backend is the stable id of the backend that it comes from.
	Backend string
	// OwnID and OwnName are what the backend itself calls it.
	OwnID, OwnName string
	// Draining tells that there are to be no new instances of it, Hidden that no platform sees it either.
	Draining, Hidden bool
	Offering
}

const (
	bodyStart = `{"services":[`
	bodyEnd   = `]}`
)

// Merge makes one catalog of the backends, given in the order of the config. A nil entry stands for a backend that never
// gave a good answer. The result depends on nothing else, such as the order in which the answers came.
//
// Where two backends claim the same offering id, plan id, name or dashboard client, the one that showed it first keeps
// it; the one listed first does if that was at the same time. The other's offering is left out, with a Problem that
// names both.
func Merge(backends []*Exposed, o *Options) *Catalog {
	o = o.orNone()
	count, plans := 0, 0
	for _, x := range backends {
		if x == nil {
			continue
		}
		count += len(x.offerings)
		for i := range x.offerings {
			plans += len(x.offerings[i].Plans)
		}
	}
	catalog := &Catalog{
		Offerings: make([]Published, 0, count),
		backends:  backends,
		byID:      make(map[string]int32, len(backends)),
		published: make(map[string]int, count),
		plans:     make(map[string]int, plans),
		owners:    ownersOf(backends),
	}
	entries := make([]entry, 0, count)
	for b, x := range backends {
		if x == nil {
			continue
		}
		catalog.byID[x.copy.Backend] = int32(b)
		catalog.Problems = append(catalog.Problems, x.problems...)
		for i := range x.offerings {
			entries = append(entries, entry{from: x, backend: b, offering: &x.offerings[i], own: x.own[i]})
		}
	}
	clashes := elect(entries, count+count+plans, o.PrefixOnConflict)
	size := len(bodyStart) + len(bodyEnd)
	for i := range entries {
		e := &entries[i]
		if e.state == beaten {
			continue
		}
		index := len(catalog.Offerings)
		catalog.Offerings = append(catalog.Offerings, e.published())
		catalog.published[e.offering.ID] = index
		for _, p := range e.offering.Plans {
			catalog.plans[p.ID] = index
		}
		if e.name != "" {
			catalog.owners.names.add(e.name, owner{backend: catalog.byID[e.offering.Backend]})
		}
		if e.offering.Hidden {
			continue
		}
		catalog.full = append(catalog.full, index)
		catalog.Secret = catalog.Secret || e.offering.DashboardClientID != ""
		size += len(catalog.Offerings[index].Raw) + len(",")
	}
	catalog.Problems = append(catalog.Problems, clashes...)
	catalog.Body, catalog.ETag = splice(catalog.Offerings, catalog.full, size)
	return catalog
}

// published returns what is published of a chosen entry.
func (e *entry) published() Published {
	p := *e.offering
	if e.name != "" {
		r := rewriting{name: e.name}
		p.Name, p.Raw = e.name, r.apply(p.Raw)
	}
	return p
}

// splice writes the bytes of some offerings side by side, and returns their entity tag too. size is at least the length
// of the result.
func splice(offerings []Published, indexes []int, size int) ([]byte, string) {
	body := bytes.NewBuffer(make([]byte, 0, size))
	body.WriteString(bodyStart)
	for i, index := range indexes {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(offerings[index].Raw)
	}
	body.WriteString(bodyEnd)
	sum := sha256.Sum256(body.Bytes())
	return body.Bytes(), `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
}
