package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// checkReport is what a check of a configuration found.
type checkReport struct {
	Gateways []*checkedGateway `json:"gateways"`
}

// checkedGateway is what a check found of one gateway.
type checkedGateway struct {
	Name     string           `json:"name"`
	Backends []checkedBackend `json:"backends"`
	// Catalog is what platforms would see.
	Catalog *catalogmerge.Listing `json:"catalog"`
	// LeftOut is what the configuration keeps out of it.
	LeftOut  []leftOutOffering      `json:"left_out"`
	Problems []catalogmerge.Problem `json:"problems"`
	// Changes is what platforms would notice if the configuration took the place of the one that runs.
	Changes *catalogmerge.Difference `json:"changes,omitempty"`
	// InstancesError is why not all instances of what runs could be counted.
	InstancesError string `json:"instances_error,omitempty"`
}

// checkedBackend is what a check found of one backend.
type checkedBackend struct {
	Name string `json:"name"`
	// Offerings and Plans are how many sound ones its catalog has.
	Offerings int `json:"offerings"`
	Plans     int `json:"plans"`
	// Error is why there is no catalog.
	Error string `json:"error,omitempty"`

	copy *catalogmerge.Copy
}

// leftOutOffering is a sound offering that the configuration does not publish, or some of its plans.
type leftOutOffering struct {
	Backend string `json:"backend"`
	OwnID   string `json:"own_id"`
	OwnName string `json:"own_name"`
	// Plans are the own names of what is left out, where it is not all of it.
	Plans []string `json:"plans,omitempty"`
}

// checkedPolicy is what a check has to know of a gateway.
type checkedPolicy struct {
	backends  []*backendSettings
	platforms []*platformSettings
	options   *catalogmerge.Options
	// earlier is what the gateway that runs knows, by the backends' names here; nil if none was asked.
	earlier map[string]*catalogmerge.Copy
	// withdrawAfter is how long an offering must be missing before it leaves.
	withdrawAfter time.Duration
}

// check reads the catalogs and merges them.
func (p *checkedPolicy) check(ctx context.Context, source catalogSource) *checkedGateway {
	found := &checkedGateway{
		Name: p.options.Gateway, Backends: make([]checkedBackend, len(p.backends)), LeftOut: []leftOutOffering{},
	}
	var reading sync.WaitGroup
	now := time.Now()
	for i, b := range p.backends {
		found.Backends[i].Name = b.name
		reading.Go(func() { found.Backends[i].read(ctx, source, b, p, now) })
	}
	reading.Wait()
	exposed := make([]*catalogmerge.Exposed, len(p.backends))
	for i, b := range p.backends {
		exposed[i] = catalogmerge.Expose(found.Backends[i].copy, b.policy, p.options, nil)
	}
	merged := catalogmerge.Merge(exposed, p.options)
	found.Catalog = merged.List(viewsByName(merged, p.platforms))
	found.Problems = namedProblems(problemsOf(merged, p.platforms), func(id string) string {
		for i := range found.Backends {
			if b := &found.Backends[i]; b.copy != nil && b.copy.Backend == id {
				return b.Name
			}
		}
		return id
	})
	found.leaveOut(merged)
	return found
}

// read takes a backend's catalog in, as the one that follows what is known of earlier ones.
func (c *checkedBackend) read(
	ctx context.Context, source catalogSource, b *backendSettings, p *checkedPolicy, now time.Time,
) {
	body, err := source.catalog(ctx, b.name)
	if err == nil {
		id, earlier := b.name, p.earlier[b.name]
		if earlier != nil {
			id = earlier.Backend
		}
		c.copy, err = catalogmerge.Refresh(earlier, id, catalogmerge.Fetch{
			Body: body, At: now, WithdrawAfter: p.withdrawAfter, Policy: b.policy,
		})
	}
	if err != nil {
		c.Error = err.Error()
		return
	}
	c.Offerings = len(c.copy.Offerings)
	for i := range c.copy.Offerings {
		c.Plans += len(c.copy.Offerings[i].Plans)
	}
}

// namedProblems returns problems with the backends' names in place of their stable ids, hard ones first.
func namedProblems(problems []catalogmerge.Problem, name func(id string) string) []catalogmerge.Problem {
	named := make([]catalogmerge.Problem, len(problems))
	for i, problem := range problems {
		problem.Backend = name(problem.Backend)
		named[i] = problem
	}
	slices.SortStableFunc(named, func(a, b catalogmerge.Problem) int {
		if a.Hard == b.Hard {
			return 0
		}
		if a.Hard {
			return -1
		}
		return 1
	})
	return named
}

// leaveOut finds what is sound and not published, though nothing is wrong with it.
func (g *checkedGateway) leaveOut(merged *catalogmerge.Catalog) {
	type key struct{ backend, ownID string }
	published := make(map[key]*catalogmerge.Published, len(merged.Offerings))
	for i := range merged.Offerings {
		o := &merged.Offerings[i]
		published[key{o.Backend, o.OwnID}] = o
	}
	quarantined := make(map[key]bool)
	for _, problem := range merged.Problems {
		if problem.Hard {
			quarantined[key{problem.Backend, problem.Offering}] = true
		}
	}
	for _, b := range g.Backends {
		if b.copy == nil {
			continue
		}
		for i := range b.copy.Offerings {
			own := &b.copy.Offerings[i]
			at := key{b.copy.Backend, own.ID}
			left := leftOutOffering{Backend: b.Name, OwnID: own.ID, OwnName: own.Name}
			o := published[at]
			if o != nil {
				left.Plans = plansLeftOut(own, o)
			}
			if o == nil && !quarantined[at] || len(left.Plans) > 0 {
				g.LeftOut = append(g.LeftOut, left)
			}
		}
	}
}

func plansLeftOut(own *catalogmerge.Offering, published *catalogmerge.Published) []string {
	var names []string
	for _, plan := range own.Plans {
		if !slices.ContainsFunc(published.Plans, func(p catalogmerge.Plan) bool { return p.OwnID == plan.ID }) {
			names = append(names, plan.Name)
		}
	}
	return names
}

// verdict tells why the configuration should not go live; nil if it may.
func (r *checkReport) verdict(acceptLosses bool) error {
	failed, quarantined, losses := 0, 0, false
	for _, g := range r.Gateways {
		for _, b := range g.Backends {
			if b.Error != "" {
				failed++
			}
		}
		for _, problem := range g.Problems {
			if problem.Hard {
				quarantined++
			}
		}
		losses = losses || g.Changes != nil && g.Changes.Losses()
	}
	var reasons []string
	if failed > 0 {
		reasons = append(reasons, fmt.Sprintf("backends without a catalog: %d", failed))
	}
	if quarantined > 0 {
		reasons = append(reasons, fmt.Sprintf("hard problems: %d", quarantined))
	}
	if losses && !acceptLosses {
		reasons = append(reasons, "platforms would lose what they see now; if that is meant, say --accept")
	}
	if reasons == nil {
		return nil
	}
	return errors.New(strings.Join(reasons, "; "))
}
