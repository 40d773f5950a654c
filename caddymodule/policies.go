package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// What `drain` and `on_name_conflict` may be.
const (
	drainVisible       = "visible"
	drainHidden        = "hidden"
	conflictQuarantine = "quarantine"
	conflictPrefix     = "prefix"
)

// resolvePolicy says what becomes of the backend's offerings before platforms see them.
func (c *BackendConfig) resolvePolicy(r *resolver, name string) *catalogmerge.Policy {
	what := "backend " + name
	policy := &catalogmerge.Policy{
		Name:         name,
		Include:      resolveSelections(r, what+": include", c.Include),
		Exclude:      resolveSelections(r, what+": exclude", c.Exclude),
		Prefix:       r.text(what+": prefix", c.Prefix),
		NamespaceIDs: c.NamespaceIDs,
	}
	switch drain := r.text(what+": drain", c.Drain); drain {
	case "":
	case drainVisible, drainHidden:
		policy.Drain, policy.Hidden = true, drain == drainHidden
	default:
		r.fail("%s: drain is %s or %s, not %q", what, drainVisible, drainHidden, drain)
	}
	c.resolveRename(r, what, policy)
	return policy
}

// resolveRename reads the new names. Of two offerings with one new name, one could never be published.
func (c *BackendConfig) resolveRename(r *resolver, what string, policy *catalogmerge.Policy) {
	renamedBy := make(map[string]string, len(c.Rename))
	for _, written := range slices.Sorted(maps.Keys(c.Rename)) {
		own, renamed := r.text(what+": rename", written), r.text(what+": rename "+written, c.Rename[written])
		other, taken := renamedBy[renamed]
		switch {
		case own == "" || renamed == "":
			r.fail("%s: rename needs the name of an offering and a new one", what)
		case policy.Rename[own] != "":
			r.fail("%s: rename %q is there twice", what, own)
		case taken:
			r.fail("%s: rename: %q and %q cannot both become %q", what, other, own, renamed)
		}
		if policy.Rename == nil {
			policy.Rename = make(map[string]string, len(c.Rename))
		}
		policy.Rename[own], renamedBy[renamed] = renamed, own
	}
}

func resolveSelections(r *resolver, what string, configured []SelectionConfig) []catalogmerge.Selection {
	selections := make([]catalogmerge.Selection, len(configured))
	for i, c := range configured {
		selection := catalogmerge.Selection{Offering: r.text(what, c.Offering)}
		if selection.Offering == "" {
			r.fail("%s needs the name of an offering", what)
		}
		for _, plan := range r.texts(what+" "+c.Offering, c.Plans) {
			if plan == "" {
				r.fail("%s %s has a plan without a name", what, c.Offering)
			}
			selection.Plans = append(selection.Plans, plan)
		}
		selections[i] = selection
	}
	return selections
}

// resolve says which offerings the platform sees; nil stands for all.
func (c *OfferingsConfig) resolve(r *resolver, platform string) *catalogmerge.Visibility {
	if c == nil {
		return nil
	}
	read := func(verdict string, texts []string) []catalogmerge.Selector {
		what := "platform " + platform + ": offerings " + verdict
		var selectors []catalogmerge.Selector
		for _, text := range r.texts(what, texts) {
			selector, err := catalogmerge.ParseSelector(text)
			if err != nil {
				r.fail("%s %q: %w", what, text, err)
				continue
			}
			selectors = append(selectors, selector)
		}
		return selectors
	}
	return &catalogmerge.Visibility{Allow: read("allow", c.Allow), Deny: read("deny", c.Deny)}
}

// checkVisible finds selectors of backends that there are not.
func (p *platformSettings) checkVisible(backends map[string]bool) error {
	if p.visible == nil {
		return nil
	}
	var problems []error
	for _, selector := range slices.Concat(p.visible.Allow, p.visible.Deny) {
		name, ofBackend := strings.CutPrefix(selector.String(), "backend:")
		if ofBackend && !strings.Contains(name, "*") && !backends[name] {
			problems = append(problems, fmt.Errorf("platform %q: offerings: there is no backend %q", p.name, name))
		}
	}
	return errors.Join(problems...)
}

// problemsOf returns what is wrong with a catalog, and with what platforms may see of it.
func problemsOf(merged *catalogmerge.Catalog, platforms []*platformSettings) []catalogmerge.Problem {
	problems := slices.Clone(merged.Problems)
	for _, p := range platforms {
		problems = append(problems, merged.Unmatched(p.name, p.visible)...)
	}
	return problems
}

// viewsByName returns what each platform sees of a catalog.
func viewsByName(merged *catalogmerge.Catalog, platforms []*platformSettings) map[string]*catalogmerge.View {
	of := make([]*catalogmerge.Visibility, len(platforms))
	for i, p := range platforms {
		of[i] = p.visible
	}
	views := make(map[string]*catalogmerge.View, len(platforms))
	for i, view := range merged.Views(of) {
		views[platforms[i].name] = view
	}
	return views
}

// resolvePolicy says how the catalogs become one.
func (c *CatalogConfig) resolvePolicy(r *resolver, gateway string) *catalogmerge.Options {
	options := &catalogmerge.Options{Gateway: gateway}
	if c == nil {
		return options
	}
	options.MaterializeDefaults = c.MaterializeDefaults
	switch conflict := r.text("catalog on_name_conflict", c.OnNameConflict); conflict {
	case "", conflictQuarantine:
	case conflictPrefix:
		options.PrefixOnConflict = true
	default:
		r.fail("catalog on_name_conflict is %s or %s, not %q", conflictQuarantine, conflictPrefix, conflict)
	}
	return options
}
