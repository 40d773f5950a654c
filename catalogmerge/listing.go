package catalogmerge

import (
	"maps"
	"slices"
)

// Listing is a plain list of what a catalog shows to platforms, for comparisons. It can be encoded as JSON.
type Listing struct {
	// Platforms are the names of the platforms, sorted.
	Platforms []string         `json:"platforms"`
	Offerings []ListedOffering `json:"offerings"`
}

// ListedOffering is one offering in a listing.
type ListedOffering struct {
	// Backend is the configured name of the backend, BackendID its stable id.
	Backend   string `json:"backend"`
	BackendID string `json:"backend_id"`
	ID        string `json:"id"`
	OwnID     string `json:"own_id"`
	Name      string `json:"name"`
	OwnName   string `json:"own_name"`
	Draining  bool   `json:"draining,omitempty"`
	Hidden    bool   `json:"hidden,omitempty"`
	// Platforms are those that see the offering.
	Platforms []string     `json:"platforms"`
	Plans     []ListedPlan `json:"plans"`
}

// ListedPlan is one plan in a listing.
type ListedPlan struct {
	ID    string `json:"id"`
	OwnID string `json:"own_id"`
	Name  string `json:"name"`
	// Instances is how many instances of the plan there are, where somebody counted them.
	Instances int `json:"instances,omitempty"`
}

// List returns the listing of the catalog. views are what platforms see, by their names.
func (c *Catalog) List(views map[string]*View) *Listing {
	l := &Listing{Platforms: slices.Sorted(maps.Keys(views)), Offerings: make([]ListedOffering, len(c.Offerings))}
	for i := range c.Offerings {
		o := &c.Offerings[i]
		listed := ListedOffering{
			Backend: c.nameOf(c.byID[o.Backend]), BackendID: o.Backend, ID: o.ID, OwnID: o.OwnID, Name: o.Name, OwnName: o.OwnName,
			Draining: o.Draining, Hidden: o.Hidden, Platforms: []string{}, Plans: make([]ListedPlan, len(o.Plans)),
		}
		for j, p := range o.Plans {
			listed.Plans[j] = ListedPlan{ID: p.ID, OwnID: p.OwnID, Name: p.Name}
		}
		l.Offerings[i] = listed
	}
	for _, platform := range l.Platforms {
		for _, i := range views[platform].Offerings {
			l.Offerings[i].Platforms = append(l.Offerings[i].Platforms, platform)
		}
	}
	return l
}
