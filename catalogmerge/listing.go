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
	// Platforms are those that see the offering, sorted.
	Platforms []string     `json:"platforms"`
	Plans     []ListedPlan `json:"plans"`
}

// ListedPlan is one plan in a listing.
type ListedPlan struct {
	ID    string `json:"id"`
	OwnID string `json:"own_id"`
	Name  string `json:"name"`
	// Instances is how many instances of the plan each platform has, by its name, where somebody counted them.
	Instances map[string]int `json:"instances,omitempty"`
}

// List returns the listing of the catalog. views are what platforms see, by their names. Nobody has counted instances.
func (c *Catalog) List(views map[string]*View) *Listing {
	l := &Listing{Platforms: slices.AppendSeq([]string{}, maps.Keys(views)), Offerings: make([]ListedOffering, len(c.Offerings))}
	slices.Sort(l.Platforms)
	for i := range c.Offerings {
		o := &c.Offerings[i]
		listed := ListedOffering{
			Backend: c.backend(o.Backend).name(), BackendID: o.Backend,
			ID: o.ID, OwnID: o.OwnID, Name: o.Name, OwnName: o.OwnName, Draining: o.Draining, Hidden: o.Hidden,
			Platforms: []string{}, Plans: make([]ListedPlan, len(o.Plans)),
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

// instances returns how many instances the platforms have of a plan; nil stands for all platforms, listed or not.
func (p *ListedPlan) instances(platforms []string) int {
	sum := 0
	for platform, n := range p.Instances {
		if platforms == nil || slices.Contains(platforms, platform) {
			sum += n
		}
	}
	return sum
}

func (o *ListedOffering) instances(platforms []string) int {
	sum := 0
	for i := range o.Plans {
		sum += o.Plans[i].instances(platforms)
	}
	return sum
}
