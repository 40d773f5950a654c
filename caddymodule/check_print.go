package caddymodule

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// print writes a report as tables.
func (r *checkReport) print(w io.Writer) error {
	for i, gateway := range r.Gateways {
		if i > 0 {
			_, _ = fmt.Fprintln(w) // an error comes back from the table
		}
		if err := gateway.print(w); err != nil {
			return err
		}
	}
	return nil
}

func (g *checkedGateway) print(w io.Writer) error {
	t := newTable(w)
	t.row("gateway " + g.Name)
	t.row("")
	t.row("BACKEND", "OFFERINGS", "PLANS", "STATE")
	for _, b := range g.Backends {
		state := "good"
		if b.Error != "" {
			state = "NO CATALOG: " + b.Error
		}
		t.row(b.Name, strconv.Itoa(b.Offerings), strconv.Itoa(b.Plans), state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	g.printCatalog(newTable(w))
	sections := []func(table) error{g.printLeftOut, g.printPlatforms, g.printProblems, g.printChanges}
	for _, section := range sections {
		if err := section(newTable(w)); err != nil {
			return err
		}
	}
	return nil
}

func (g *checkedGateway) printCatalog(t table) {
	if len(g.Catalog.Offerings) == 0 {
		t.row("no offering is published")
	} else {
		t.row("OFFERING", "PLANS", "BACKEND", "BY THE CONFIGURATION")
	}
	for i := range g.Catalog.Offerings {
		o := &g.Catalog.Offerings[i]
		names := make([]string, len(o.Plans))
		for j, plan := range o.Plans {
			names[j] = plan.Name
		}
		t.row(o.Name, listed(names), o.Backend, g.effects(o))
	}
	_ = t.Flush() // an error comes back from the next table
}

// listed is a list of names, cut to what a line of a table bears.
func listed(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// effects tells what the configuration did to an offering.
func (g *checkedGateway) effects(o *catalogmerge.ListedOffering) string {
	var effects []string
	if o.Name != o.OwnName {
		effects = append(effects, "named "+o.OwnName+" by its broker")
	}
	if o.ID != o.OwnID {
		effects = append(effects, "ids of the gateway's own")
	}
	for _, left := range g.LeftOut {
		if left.Backend == o.Backend && left.OwnID == o.OwnID {
			effects = append(effects, "without "+listed(left.Plans))
		}
	}
	switch {
	case o.Hidden:
		effects = append(effects, "draining and hidden")
	case o.Draining:
		effects = append(effects, "draining: no new instances")
	}
	return strings.Join(effects, "; ")
}

func (g *checkedGateway) printLeftOut(t table) error {
	first := true
	for _, left := range g.LeftOut {
		if len(left.Plans) > 0 {
			continue // that is said beside its offering
		}
		if first {
			t.row("")
			t.row("LEFT OUT BY THE CONFIGURATION", "BACKEND")
			first = false
		}
		t.row(left.OwnName, left.Backend)
	}
	return t.Flush()
}

// printPlatforms tells how much each platform sees, where one does not see everything.
func (g *checkedGateway) printPlatforms(t table) error {
	sees := make(map[string]int)
	shown := 0
	for _, o := range g.Catalog.Offerings {
		if !o.Hidden {
			shown++
		}
		for _, platform := range o.Platforms {
			sees[platform]++
		}
	}
	restricted := false
	for _, platform := range g.Catalog.Platforms {
		restricted = restricted || sees[platform] < shown
	}
	if restricted {
		t.row("")
		t.row("PLATFORM", "SEES")
		for _, platform := range g.Catalog.Platforms {
			t.row(platform, fmt.Sprintf("%d of %d offerings", sees[platform], shown))
		}
	}
	return t.Flush()
}

func (g *checkedGateway) printProblems(t table) error {
	if len(g.Problems) > 0 {
		t.row("")
		t.row("PROBLEM", "BACKEND", "OFFERING", "WHERE", "RULE", "WHAT")
	}
	for _, problem := range g.Problems {
		weight := "soft"
		if problem.Hard {
			weight = "HARD"
		}
		t.row(weight, problem.Backend, problem.Offering, problem.Path, string(problem.Rule), problem.Detail)
	}
	return t.Flush()
}

func (g *checkedGateway) printChanges(t table) error {
	if g.Changes == nil {
		return nil
	}
	t.row("")
	t.row("AGAINST WHAT RUNS")
	for line := range strings.SplitSeq(g.Changes.String(), "\n") {
		t.row(line)
	}
	if g.InstancesError != "" {
		t.row("instances are not all counted: " + g.InstancesError)
	}
	return t.Flush()
}
