package catalogmerge

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Offering returns the backend of an offering that the catalog publishes now, hidden ones included. If no offering is
// shown under the id, it may be the other spelling of one, as long as that leads to one backend alone.
func (c *Catalog) Offering(spelledService string) (backend string, ok bool) {
	i, ok := c.find(spelledService)
	if !ok {
		return "", false
	}
	return c.Offerings[i].Backend, true
}

// Draining tells whether the catalog publishes the offering now, but is to have no new instances of it.
func (c *Catalog) Draining(spelledService string) bool {
	i, ok := c.find(spelledService)
	return ok && c.Offerings[i].Draining
}

// Plan tells whether the catalog publishes the plan now, under that offering. The two may be spelled differently.
func (c *Catalog) Plan(spelledService, spelledPlan string) bool {
	offering, ok := c.find(spelledService)
	if !ok {
		return false
	}
	if plan, ok := c.plans[spelledPlan]; ok && plan == offering {
		return true
	}
	backend := c.Offerings[offering].Backend
	plan, ok := c.plans[c.ExposedPlan(backend, c.OwnPlan(backend, spelledPlan))]
	return ok && plan == offering
}

// find returns the index of a published offering.
func (c *Catalog) find(spelledService string) (int, bool) {
	if i, ok := c.published[spelledService]; ok {
		return i, true
	}
	backend, ambiguous, ok := c.OfferingOwner(spelledService)
	if !ok || ambiguous {
		return 0, false
	}
	i, ok := c.published[c.ExposedOffering(backend, c.OwnOffering(backend, spelledService))]
	return i, ok && c.Offerings[i].Backend == backend
}

// OfferingOwner returns the backend that ever showed an offering under the id, in the catalog now or not; if none did,
// the one that has an offering with that id of its own. If several did, it is ambiguous which of them holds an
// instance; backend is then the first of them.
func (c *Catalog) OfferingOwner(spelledService string) (backend string, ambiguous, ok bool) {
	o, ok := c.owners.offerings[spelledService]
	return c.owner(c.withMapped(o, ok, spelledService, (*Exposed).mappedOffering))
}

// PlanOwner is like OfferingOwner for the id of a plan.
func (c *Catalog) PlanOwner(spelledPlan string) (backend string, ambiguous, ok bool) {
	o, ok := c.owners.plans[spelledPlan]
	return c.owner(c.withMapped(o, ok, spelledPlan, (*Exposed).mappedPlan))
}

// withMapped adds to the owner of a plain id, if there is one, whoever has an id of which this is the mapped spelling.
func (c *Catalog) withMapped(
	o owner, ok bool, spelled string, find func(*Exposed, uuid.UUID) (own string, since time.Time, ok bool),
) (owner, bool) {
	id, may := parseMapped(spelled)
	if !may {
		return o, ok
	}
	for i, x := range c.backends {
		// Who never showed mapped ids cannot take a plain one from who showed that.
		if x == nil || ok && !o.latent && !x.everMapped {
			continue
		}
		_, since, found := find(x, id)
		if !found {
			continue
		}
		other := owner{int32(i), false, since.IsZero(), millis(since)}
		if ok {
			other = o.and(other)
		}
		o, ok = other, true
	}
	return o, ok
}

// mappedOffering returns the own id of which an id is the mapped spelling, and since when that was shown.
func (x *Exposed) mappedOffering(id uuid.UUID) (own string, since time.Time, ok bool) {
	own, ok = x.mapped.offering(id)
	return own, x.copy.Known.Offerings[own].MappedSince, ok
}

// mappedPlan is like mappedOffering for the id of a plan.
func (x *Exposed) mappedPlan(id uuid.UUID) (own string, since time.Time, ok bool) {
	own, ok = x.mapped.plan(id)
	return own, x.copy.Known.Plans[own].MappedSince, ok
}

// NameOwner is like OfferingOwner for any name that an offering ever had. Instance ids of IBM Cloud carry it.
func (c *Catalog) NameOwner(offeringName string) (backend string, ambiguous, ok bool) {
	o, ok := c.owners.names[offeringName]
	if !ok {
		o, ok = c.ownerInConflict(offeringName)
	}
	return c.owner(o, ok)
}

// ownerInConflict returns whose a name is that an offering may have been shown under while another backend had its own.
func (c *Catalog) ownerInConflict(name string) (result owner, ok bool) {
	for i, x := range c.backends {
		if x == nil || !x.hadInConflict(name, c.owners.names) {
			continue
		}
		o := owner{backend: int32(i)}
		if ok {
			o = result.and(o)
		}
		result, ok = o, true
	}
	return result, ok
}

// hadInConflict tells whether a name is made of one of the backend's, and of one that an offering of it ever had.
func (x *Exposed) hadInConflict(name string, names ownerIndex) bool {
	for _, backend := range []string{x.name(), x.copy.Backend} {
		offering, ok := strings.CutPrefix(name, backend+"-")
		if _, known := names[offering]; !ok || !known {
			continue
		}
		for _, known := range x.copy.Known.Offerings {
			if _, ok := known.Names[offering]; ok {
				return true
			}
		}
	}
	return false
}

func (c *Catalog) owner(o owner, ok bool) (backend string, ambiguous, found bool) {
	if !ok {
		return "", false, false
	}
	return c.backends[o.backend].copy.Backend, o.ambiguous, true
}

// Excluded returns the offerings that policies keep from being shown, as their backends sent them.
func (c *Catalog) Excluded() []Published {
	var excluded []Published
	for _, x := range c.backends {
		if x == nil {
			continue
		}
		for _, o := range x.copy.Offerings {
			if !x.policy.offers(&o) {
				excluded = append(excluded, Published{Backend: x.copy.Backend, OwnID: o.ID, OwnName: o.Name, Offering: o})
			}
		}
	}
	return excluded
}

// OwnOffering returns a backend's own id of an offering, whichever way the id is spelled; an id that is neither
// spelling of one is returned as it is.
func (c *Catalog) OwnOffering(backend, spelled string) string {
	x := c.backend(backend)
	if x == nil {
		return spelled
	}
	_, plain := x.copy.Known.Offerings[spelled]
	return x.ownID(spelled, plain, (*Exposed).mappedOffering)
}

// OwnPlan is like OwnOffering for the id of a plan.
func (c *Catalog) OwnPlan(backend, spelled string) string {
	x := c.backend(backend)
	if x == nil {
		return spelled
	}
	_, plain := x.copy.Known.Plans[spelled]
	return x.ownID(spelled, plain, (*Exposed).mappedPlan)
}

// ownID returns the own id. plain tells that there is one which is written that way: it counts unless ids are mapped now.
func (x *Exposed) ownID(spelled string, plain bool, find func(*Exposed, uuid.UUID) (string, time.Time, bool)) string {
	if plain && !x.policy.NamespaceIDs {
		return spelled
	}
	if id, ok := parseMapped(spelled); ok {
		if own, _, ok := find(x, id); ok {
			return own
		}
	}
	return spelled
}

// ExposedOffering returns how the backend's policy of today spells the id of an offering, published or not.
func (c *Catalog) ExposedOffering(backend, own string) string {
	if x := c.backend(backend); x != nil && x.policy.NamespaceIDs {
		return x.ids.offering(own).String()
	}
	return own
}

// ExposedPlan is like ExposedOffering for the id of a plan.
func (c *Catalog) ExposedPlan(backend, own string) string {
	if x := c.backend(backend); x != nil && x.policy.NamespaceIDs {
		return x.ids.plan(own).String()
	}
	return own
}

// backend returns a backend by its stable id; nil if the catalog does not know it.
func (c *Catalog) backend(id string) *Exposed {
	i, ok := c.byID[id]
	if !ok {
		return nil
	}
	return c.backends[i]
}
