package caddymodule

import (
	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// spelling knows under which ids the offerings and plans of backends are published, and were. Backends are named by
// their stable ids.
type spelling interface {
	// OwnOffering and OwnPlan return a backend's own id, whichever way the id is spelled; an id that is no spelling of one
	// as it is.
	OwnOffering(backend, spelled string) string
	OwnPlan(backend, spelled string) string
	// ExposedOffering and ExposedPlan return how a backend's own id is spelled in the catalog now.
	ExposedOffering(backend, own string) string
	ExposedPlan(backend, own string) string
	// MayBeMapped tells whether an id has the form of one that is not a backend's own.
	MayBeMapped(id string) bool
	// MappedOffering and MappedPlan return how a backend's own id is spelled where it is not published as it is. They need
	// not know the id.
	MappedOffering(backend, own string) string
	MappedPlan(backend, own string) string
	// Draining tells whether the offering, spelled either way, is to have no new instances.
	Draining(spelled string) bool
	// Visible tells whether an offering, by the backend's own id, is for a platform.
	Visible(p *platformSettings, backend, own string) bool
}

// catalogSpelling is that of the merged catalog of a gateway, by whose name mapped ids are made.
type catalogSpelling struct {
	*catalogmerge.Catalog
	gateway string
}

// MayBeMapped tells whether an id is a UUID of version 5, as mapped ids are. It spares most ids being compared with one
// that has to be made for it.
func (catalogSpelling) MayBeMapped(id string) bool { return len(id) == 36 && id[14] == '5' }

func (s catalogSpelling) MappedOffering(backend, own string) string {
	return catalogmerge.MappedOffering(s.gateway, backend, own)
}

func (s catalogSpelling) MappedPlan(backend, own string) string {
	return catalogmerge.MappedPlan(s.gateway, backend, own)
}

func (s catalogSpelling) Visible(p *platformSettings, backend, own string) bool {
	return s.Catalog.Visible(p.visible, backend, own)
}

// outlook is how a platform sees what is published. It implements routing.Directory and routing.View.
type outlook struct {
	*publication
	spelling
	platform *platformSettings
}

// look makes the outlooks of the platforms, which calls then share.
func (p *publication) look(rt *runtime) {
	p.outlooks = make(map[string]*outlook, len(rt.platforms))
	for _, platform := range rt.platforms {
		p.outlooks[platform.name] = &outlook{p, catalogSpelling{p.Catalog, rt.name}, platform}
	}
}

// Draining tells whether an offering is to have no new instances. It implements routing.Directory.
func (o *outlook) Draining(serviceID string) bool { return o.spelling.Draining(serviceID) }

// OwnService returns a backend's own id of an offering. It implements routing.View.
func (o *outlook) OwnService(id routing.BackendID, spelled routing.ServiceID) routing.ServiceID {
	return routing.ServiceID(o.OwnOffering(o.stable(id), string(spelled)))
}

// OwnPlan returns a backend's own id of a plan. It implements routing.View.
func (o *outlook) OwnPlan(id routing.BackendID, spelled routing.PlanID) routing.PlanID {
	return routing.PlanID(o.spelling.OwnPlan(o.stable(id), string(spelled)))
}

// SameService tells whether an id can stand for an offering of a backend. It implements routing.View.
func (o *outlook) SameService(id routing.BackendID, own, spelled routing.ServiceID) bool {
	return o.MayBeMapped(string(spelled)) && o.MappedOffering(o.stable(id), string(own)) == string(spelled)
}

// SamePlan tells whether an id can stand for a plan of a backend. It implements routing.View.
func (o *outlook) SamePlan(id routing.BackendID, own, spelled routing.PlanID) bool {
	return o.MayBeMapped(string(spelled)) && o.MappedPlan(o.stable(id), string(own)) == string(spelled)
}

// Visible tells whether an offering is for the platform. It implements routing.View.
func (o *outlook) Visible(id routing.BackendID, own routing.ServiceID) bool {
	return o.spelling.Visible(o.platform, o.stable(id), string(own))
}

// stable returns the id by which the catalog knows the backend of a record: one that has several answers for all.
func (o *outlook) stable(id routing.BackendID) string {
	if b := o.named.brokers[id]; b != nil {
		return string(o.named.backendIDs[b.name])
	}
	return string(id)
}
