package routing_test

import (
	"slices"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// owners are who published an id; two names make it ambiguous.
type owners map[string][]string

func (o owners) find(id string) (backend string, ambiguous, ok bool) {
	names, ok := o[id]
	if !ok {
		return "", false, false
	}
	return names[0], len(names) > 1, true
}

// directory is a catalog as Resolve and Offered see it.
type directory struct {
	offerings, plans, names owners
	now                     map[string][]string // the plans of the offerings that are published now
	draining                []string
	incomplete              bool
}

func (d *directory) OfferingOwner(id string) (backend string, ambiguous, ok bool) {
	return d.offerings.find(id)
}

func (d *directory) PlanOwner(id string) (backend string, ambiguous, ok bool) {
	return d.plans.find(id)
}

func (d *directory) NameOwner(name string) (backend string, ambiguous, ok bool) {
	return d.names.find(name)
}
func (d *directory) Draining(id string) bool { return slices.Contains(d.draining, id) }

func (d *directory) Complete() bool { return !d.incomplete }

func (d *directory) Offering(id string) (backend string, ok bool) {
	if _, ok := d.now[id]; !ok {
		return "", false
	}
	backend, _, _ = d.offerings.find(id)
	return backend, true
}

func (d *directory) Plan(service, plan string) bool {
	return slices.Contains(d.now[service], plan)
}

func newDirectory() *directory {
	return &directory{
		offerings: owners{
			"s1": {"a"}, "s2": {"b"}, "withdrawn": {"b"}, "twice": {"a", "b"},
			"hidden": {"a"}, "b:hidden": {"b"}, "draining": {"a"}, "both": {"b"},
		},
		plans: owners{"p1": {"a"}, "p2": {"b"}, "plan-twice": {"a", "b"}},
		names: owners{"postgres": {"a"}, "redis": {"b"}, "name-twice": {"a", "b"}},
		now: map[string][]string{
			"s1": {"p1"}, "s2": {"p2"}, "hidden": {"ph"}, "b:hidden": {"ph"}, "draining": {"pd"}, "both": {"pb"},
		},
		draining: []string{"draining", "both", "s9"},
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		hints      routing.Hints
		incomplete bool
		want       routing.Hint
	}{
		{
			"service_id first", routing.Hints{
				Service: "s1", PreviousService: "s2", CRNServiceName: "redis", Plan: "p2", PreviousPlan: "p2",
			}, false, routing.Hint{Backend: "a", Service: "s1"},
		},
		{
			"then previous_values.service_id", routing.Hints{
				PreviousService: "s1", CRNServiceName: "redis", Plan: "p2", PreviousPlan: "p2",
			}, false, routing.Hint{Backend: "a", Service: "s1"},
		},
		{
			"then the CRN's service name",
			routing.Hints{CRNServiceName: "postgres", Plan: "p2", PreviousPlan: "p2"},
			false,
			routing.Hint{Backend: "a"},
		},
		{"then the plan id", routing.Hints{Plan: "p1", PreviousPlan: "p2"}, false, routing.Hint{Backend: "a"}},
		{"then the previous plan id", routing.Hints{PreviousPlan: "p1"}, false, routing.Hint{Backend: "a"}},
		{"nothing", routing.Hints{}, false, routing.Hint{Refusal: routing.RefusalNoHint}},
		{
			"a withdrawn offering still leads",
			routing.Hints{Service: "withdrawn"},
			false,
			routing.Hint{Backend: "b", Service: "withdrawn"},
		},
		{
			"an unknown service_id leads on",
			routing.Hints{Service: "s9", PreviousService: "s2"},
			false,
			routing.Hint{Backend: "b", Service: "s2"},
		},
		{
			"unknown everything", routing.Hints{
				Service: "s9", PreviousService: "s9", CRNServiceName: "x", Plan: "p9", PreviousPlan: "p9",
			}, false, routing.Hint{Refusal: routing.RefusalNoHint},
		},
		{
			"an ambiguous service_id ends the search",
			routing.Hints{Service: "twice", Plan: "p1"},
			false,
			routing.Hint{Refusal: routing.RefusalAmbiguous},
		},
		{
			"an ambiguous previous service_id",
			routing.Hints{PreviousService: "twice", Plan: "p1"},
			false,
			routing.Hint{Refusal: routing.RefusalAmbiguous},
		},
		{
			"an ambiguous CRN name",
			routing.Hints{CRNServiceName: "name-twice", Plan: "p1"},
			false,
			routing.Hint{Refusal: routing.RefusalAmbiguous},
		},
		{
			"an ambiguous plan",
			routing.Hints{Plan: "plan-twice"},
			false,
			routing.Hint{Refusal: routing.RefusalAmbiguous},
		},
		{
			"an ambiguous plan behind a clear service_id",
			routing.Hints{Service: "s1", Plan: "plan-twice"},
			false,
			routing.Hint{Backend: "a", Service: "s1"},
		},
		{
			"unknown, incomplete catalogs",
			routing.Hints{Service: "s9"},
			true,
			routing.Hint{Refusal: routing.RefusalIncomplete},
		},
		{"nothing, incomplete catalogs", routing.Hints{}, true, routing.Hint{Refusal: routing.RefusalIncomplete}},
		{
			"known, incomplete catalogs",
			routing.Hints{Service: "s1"},
			true,
			routing.Hint{Backend: "a", Service: "s1"},
		},
		{
			"ambiguous, incomplete catalogs",
			routing.Hints{Service: "twice"},
			true,
			routing.Hint{Refusal: routing.RefusalAmbiguous},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			directory := newDirectory()
			directory.incomplete = row.incomplete
			if got := routing.Resolve(row.hints, directory); got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

func TestOffered(t *testing.T) {
	t.Parallel()
	refused := func(refusal routing.Refusal) routing.Offer { return routing.Offer{Refusal: refusal} }
	for _, row := range []struct {
		name       string
		service    routing.ServiceID
		plan       routing.PlanID
		incomplete bool
		want       routing.Offer
	}{
		{"offered", "s1", "p1", false, routing.Offer{Backend: "a"}},
		{"offered, incomplete catalogs", "s2", "p2", true, routing.Offer{Backend: "b"}},
		{"no service_id", "", "p1", false, refused(routing.RefusalMissingService)},
		{"no plan_id", "s1", "", false, refused(routing.RefusalMissingPlan)},
		{"unknown service_id", "s9", "p1", false, refused(routing.RefusalUnknownService)},
		{"unknown service_id, incomplete catalogs", "s9", "p1", true, refused(routing.RefusalIncomplete)},
		{"withdrawn offering", "withdrawn", "p1", false, refused(routing.RefusalUnknownService)},
		{"unknown plan_id", "s1", "p9", false, refused(routing.RefusalUnknownPlan)},
		{"another offering's plan_id", "s1", "p2", false, refused(routing.RefusalUnknownPlan)},
		{"neither", "", "", true, refused(routing.RefusalMissingService)},
		{"not visible", "hidden", "ph", false, refused(routing.RefusalNotVisible)},
		{"not visible, by its other id", "b:hidden", "ph", false, refused(routing.RefusalNotVisible)},
		{"not visible, without a plan", "hidden", "", true, refused(routing.RefusalNotVisible)},
		{"draining", "draining", "pd", false, refused(routing.RefusalDraining)},
		{"draining, without a plan", "draining", "", false, refused(routing.RefusalDraining)},
		{"draining, unknown plan_id", "draining", "p9", true, refused(routing.RefusalDraining)},
		{"not visible and draining", "both", "pb", false, refused(routing.RefusalNotVisible)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			directory := newDirectory()
			directory.incomplete = row.incomplete
			view := testView{hidden: []routing.ServiceID{"hidden", "both", "s9", "withdrawn"}}
			if got := routing.Offered(row.service, row.plan, directory, view); got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			if row.want.Refusal == routing.RefusalNotVisible {
				return
			}
			if got := routing.Offered(row.service, row.plan, directory, nil); got != row.want {
				t.Errorf("without a view: got %+v, want %+v", got, row.want)
			}
		})
	}
}
