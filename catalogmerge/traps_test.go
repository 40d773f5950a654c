package catalogmerge_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// The tests of this file are named after traps that gateways fall into when they read and write catalogs.

// mergedOffering returns the only offering of the catalog that is merged of a body with that offering.
func mergedOffering(t *testing.T, offering string) string {
	t.Helper()
	merged := checkAccepted(t, []*catalogmerge.Copy{refresh(t, nil, "b", noon, offering)})
	services, err := decodeServices(merged.Body)
	if err != nil || len(services) != 1 {
		t.Fatalf("got %d offerings and %v: %v", len(services), err, merged.Problems)
	}
	return string(services[0])
}

// unchanged checks that offerings come out as they went in.
func unchanged(t *testing.T, offerings ...string) {
	t.Helper()
	for _, want := range offerings {
		if got := mergedOffering(t, want); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestTrapT22UnknownFieldsAreDropped(t *testing.T) {
	t.Parallel()
	unchanged(t,
		with(service("a", "n", "p"), `"x-vendor":{"b":1,"a":[null]},"metadata":{"z":{},"a":""},"":0`),
		ofPlan(`"x-vendor":"<&>\u003c","metadata":{"costs":[{"amount":{"eur":1.50}}]},"future":{"field":[]}`),
		ofPlan(`"schemas":{"x":1,"service_instance":{"x":2,"create":{"x":3,"parameters":`+draft4Schema(`"x":4`)+`}}}`),
		with(service("a", "n", "p"), `"dashboard_client":{"x":1,"id":"c","secret":"s","redirect_uri":"u"}`),
	)
}

func TestTrapT23FalseIsDroppedOrInvented(t *testing.T) {
	t.Parallel()
	unchanged(t,
		planned(`[{"id":"p","name":"p","description":"d","free":false,"bindable":false,"plan_updateable":false}]`),
		planned(`[{"id":"p","name":"p","description":"d"}]`),
		strings.Replace(service("a", "n", "p"), "true", "false", 1),
	)
	c := refresh(t, nil, "b", noon, strings.Replace(service("a", "n", "p"), `"bindable":true,`, ``, 1))
	if want := []string{"services[0].bindable missing"}; !cmp.Equal(want, rulesOf(c.Problems)) {
		t.Errorf("got %v, want %v: an absent bindable is not false", c.Problems, want)
	}
}

func TestTrapT24NoServicesAndNoPlans(t *testing.T) {
	t.Parallel()
	c := refresh(t, nil, "b", noon)
	if got := string(merge([]*catalogmerge.Copy{c}).Body); got != `{"services":[]}` || len(c.Problems) > 0 {
		t.Errorf("an empty catalog gives %s and %v", got, c.Problems)
	}
	c = refresh(t, nil, "b", noon, planned(`[]`), service("b", "b", "q"), strings.Replace(planned(`null`), `"a"`, `"c"`, 1))
	if got, want := rulesOf(c.Problems), []string{"services[0].plans no_plans", "services[2].plans wrong_type"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(c.Offerings) != 1 || c.Offerings[0].ID != "b" {
		t.Errorf("got %v: an offering without plans takes others with it", raws(c.Offerings))
	}
}

func TestTrapT25NullAbsentAndEmptyDiffer(t *testing.T) {
	t.Parallel()
	unchanged(t,
		ofPlan(`"metadata":null,"schemas":null,"maintenance_info":null,"maximum_polling_duration":null`),
		ofPlan(`"metadata":{},"schemas":{}`),
		with(service("a", "n", "p"), `"dashboard_client":null,"metadata":null,"plan_updateable":null`),
	)
	judge(t, []judgement{
		{"null as tags", with(service("a", "n", "p"), `"tags":null`), []string{"tags wrong_type"}},
		{"empty dashboard client", with(service("a", "n", "p"), `"dashboard_client":{}`), []string{
			"dashboard_client.id missing", "dashboard_client.secret missing", "dashboard_client.redirect_uri missing",
		}},
		{"empty maintenance_info", ofPlan(`"maintenance_info":{}`), []string{"plans[0].maintenance_info.version missing"}},
	})
}

func TestTrapT26NumbersAndEscapesChange(t *testing.T) {
	t.Parallel()
	unchanged(t,
		with(service("a", "n", "p"), `"metadata":{"n":[18446744073709551617,1.0,1.50,1e0,-0,1E+2,0.1e-7]},"x":1e999`),
		with(service("a", "n", "p"), `"metadata":{"s":"<&>\u003c\u00e9é\/\ud83d\ude00"}`),
		ofSchema(draft4Schema(`"maximum":9007199254740993,"multipleOf":0.01,"default":12345678901234567890`)),
	)
	// A number that platforms cannot hold is told, not rounded.
	judge(t, []judgement{
		{"in metadata", with(service("a", "n", "p"), `"metadata":{"n":1e400}`), []string{"metadata number_range"}},
		{"as a duration", ofPlan(`"maximum_polling_duration":18446744073709551617`), []string{
			"plans[0].maximum_polling_duration number_range",
		}},
	})
}

func TestTrapT36DuplicateIDs(t *testing.T) {
	t.Parallel()
	// In one catalog the first stands, between catalogs the one listed first; plan ids count over all offerings.
	c := refresh(t, nil, "one", noon, service("a", "a", "p"), service("a", "b", "q"), service("c", "c", "p"), service("d", "d", "r"))
	if got, want := rulesOf(c.Problems), []string{
		"services[1].id duplicate_offering_id", "services[2].plans[0].id duplicate_plan_id",
	}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	other := refresh(t, nil, "two", noon, service("d", "x", "x"), service("e", "e", "p"), service("f", "f", "f"))
	merged := checkAccepted(t, []*catalogmerge.Copy{c, other})
	if got, want := publishedIDs(merged), []string{"one:a", "one:d", "two:f"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTrapT37DuplicateNames(t *testing.T) {
	t.Parallel()
	one := refresh(t, nil, "one", noon, service("a", "redis", "p"))
	two := refresh(t, nil, "two", noon, service("b", "redis", "q"), service("c", "Redis", "r"))
	merged := checkAccepted(t, []*catalogmerge.Copy{one, two})
	if got, want := publishedIDs(merged), []string{"one:a", "two:c"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := rulesOf(merged.Problems), []string{"name duplicate_offering_name"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTrapT38BrokenVersionsRemoveOfferings(t *testing.T) {
	t.Parallel()
	good := service("a", "n", "p")
	for _, broken := range []string{
		with(good, `"requires":["everything"]`),
		with(good, `"tags":["`+strings.Repeat("x", 2049)+`"]`),
		ofPlan(`"maintenance_info":{"version":"next"}`),
		ofSchema(`{}`),
		ofSchema(draft4Schema(`"type":"Database"`)),
	} {
		c := refresh(t, nil, "b", noon, good)
		for round := range 3 {
			c = refresh(t, c, "b", noon.Add(time.Duration(round+1)*time.Hour), broken)
			if got := raws(c.Offerings); len(got) != 1 || got[0] != good {
				t.Fatalf("after %s: got %v, want the last good version", broken, got)
			}
			if len(hardOf(c.Problems)) != 1 || !c.Problems[0].Kept {
				t.Errorf("after %s: got %v", broken, c.Problems)
			}
		}
	}
}

func TestTrapT39BytesFlap(t *testing.T) {
	t.Parallel()
	var first *catalogmerge.Catalog
	for range 5 {
		var copies []*catalogmerge.Copy
		for _, path := range catalogFiles(t) {
			// Replicas read the copies of each other from the store.
			copies = append(copies, decode(t, encode(t, copyOfFile(t, path))))
		}
		merged := merge(copies)
		if first == nil {
			first = merged
		}
		if !bytes.Equal(first.Body, merged.Body) || first.ETag != merged.ETag || !slices.Equal(first.Problems, merged.Problems) {
			t.Fatal("the same catalogs give another answer or other problems")
		}
	}
}

func TestTrapT40StaleMaintenanceInfo(t *testing.T) {
	t.Parallel()
	of := func(version string) string { return ofPlan(`"maintenance_info":{"version":"` + version + `"}`) }
	c := refresh(t, nil, "b", noon, of("1.0.0"))
	c = refresh(t, c, "b", noon.Add(time.Second), of("1.0.1"))
	if got, want := raws(c.Offerings), []string{of("1.0.1")}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTrapT41PlansOverrideOfferings(t *testing.T) {
	t.Parallel()
	unchanged(t,
		planned(`[{"id":"p","name":"p","description":"d","free":true,"bindable":false,"plan_updateable":true}]`),
		strings.Replace(ofPlan(`"plan_updateable":false`), "true", "false", 1),
		with(service("a", "n", "p"), `"instances_retrievable":true,"bindings_retrievable":false`),
	)
	// A plan that says for itself that it is bindable needs no warning, nor does one of an offering that is not.
	judge(t, []judgement{
		{"said", ofPlan(``), nil},
		{"inherited", planned(`[{"id":"p","name":"p","description":"d","free":true}]`), []string{"(plans default_absent)"}},
		{"not bindable", strings.Replace(planned(`[{"id":"p","name":"p","description":"d","free":true}]`), "true", "false", 1), nil},
	})
}

func TestTrapT42DashboardClients(t *testing.T) {
	t.Parallel()
	client := func(id string) string {
		return with(service(id, id, id), `"dashboard_client":{"id":"same","secret":"s","redirect_uri":"u"}`)
	}
	one := refresh(t, nil, "one", noon, client("a"), client("b"))
	if got, want := rulesOf(one.Problems), []string{"services[1].dashboard_client.id duplicate_dashboard_client_id"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	merged := checkAccepted(t, []*catalogmerge.Copy{one, refresh(t, nil, "two", noon, client("c"), service("d", "d", "d"))})
	if got, want := publishedIDs(merged), []string{"one:a", "two:d"}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !merged.Secret {
		t.Error("an answer with the secret of a dashboard client may be cached")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(merged.Body, &top); err != nil || len(top) != 1 {
		t.Errorf("got %v, %v", top, err)
	}
}
