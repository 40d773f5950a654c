package catalogmerge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// checkExposed checks what must hold for every catalog that is merged with policies, with encoding/json as the reader:
// every published offering is that of its backend with nothing changed but what the policy says; nothing is there twice;
// and whatever a backend is known to have can be found in both spellings.
func checkExposed(
	t testing.TB, c *catalogmerge.Catalog, copies []*catalogmerge.Copy, policies []*catalogmerge.Policy,
	o *catalogmerge.Options,
) {
	t.Helper()
	if o == nil {
		o = new(catalogmerge.Options)
	}
	checkBody(t, c)
	byBackend := make(map[string]*catalogmerge.Copy)
	policyOf := make(map[string]*catalogmerge.Policy)
	for i, from := range copies {
		if from == nil {
			continue
		}
		byBackend[from.Backend], policyOf[from.Backend] = from, new(catalogmerge.Policy)
		if i < len(policies) && policies[i] != nil {
			policyOf[from.Backend] = policies[i]
		}
	}
	for i := range c.Offerings {
		p := &c.Offerings[i]
		own := ownOffering(byBackend[p.Backend], p.OwnID)
		if own == nil {
			t.Errorf("offering %q of %q is not in the copy", p.OwnID, p.Backend)
			continue
		}
		checkRewritten(t, p, own, policyOf[p.Backend], o)
	}
	checkSpellings(t, c, copies, policyOf, o)
}

// checkBody checks that the body and the list agree, and that a platform finds everything once.
func checkBody(t testing.TB, c *catalogmerge.Catalog) {
	t.Helper()
	services, err := decodeServices(c.Body)
	if err != nil {
		t.Fatalf("the merged body is not a catalog: %v\n%s", err, c.Body)
	}
	checkUnique(t, services)
	next := 0
	for i := range c.Offerings {
		p := &c.Offerings[i]
		if backend, ok := c.Offering(p.ID); !ok || backend != p.Backend {
			t.Errorf("Offering(%q) = %q, %t, want %q", p.ID, backend, ok, p.Backend)
		}
		for _, plan := range p.Plans {
			if !c.Plan(p.ID, plan.ID) {
				t.Errorf("Plan(%q, %q) is false", p.ID, plan.ID)
			}
		}
		if c.Draining(p.ID) != p.Draining {
			t.Errorf("Draining(%q) is %t", p.ID, !p.Draining)
		}
		if p.Hidden {
			continue
		}
		if next >= len(services) || string(services[next]) != string(p.Raw) {
			t.Errorf("offering %d of the body is not\n%s", next, p.Raw)
		}
		next++
	}
	if next != len(services) {
		t.Errorf("the body holds %d offerings, the list %d", len(services), next)
	}
}

func ownOffering(c *catalogmerge.Copy, id string) *catalogmerge.Offering {
	for i := range c.Offerings {
		if c.Offerings[i].ID == id {
			return &c.Offerings[i]
		}
	}
	return nil
}

// decodeAny decodes JSON with all digits of its numbers.
func decodeAny(t testing.TB, data []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}

// checkRewritten checks an offering against what its backend sent.
func checkRewritten(
	t testing.TB, p *catalogmerge.Published, own *catalogmerge.Offering, policy *catalogmerge.Policy,
	o *catalogmerge.Options,
) {
	t.Helper()
	if want := respliced(t, p, own, o.MaterializeDefaults); string(p.Raw) != want {
		t.Errorf("offering %q (-want +got):\n%s", own.ID, cmp.Diff(want, string(p.Raw)))
	}
	want := decodeAny(t, own.Raw).(map[string]any)
	name := policy.Prefix + own.Name
	if renamed := policy.Rename[own.Name]; strings.TrimSpace(renamed) != "" {
		name = policy.Prefix + renamed
	}
	if p.Name != name {
		backend := policy.Name
		if backend == "" {
			backend = p.Backend
		}
		if name = backend + "-" + name; !o.PrefixOnConflict || p.Name != name {
			t.Errorf("offering %q is shown as %q, want %q", own.Name, p.Name, name)
		}
	}
	want["name"], want["id"] = name, own.ID
	if policy.NamespaceIDs {
		want["id"] = catalogmerge.MappedOffering(o.Gateway, p.Backend, own.ID)
	}
	var plans []any
	shown := make(map[string]bool)
	for _, plan := range p.Plans {
		shown[plan.OwnID] = true
	}
	for _, plan := range want["plans"].([]any) {
		plan := plan.(map[string]any)
		id := plan["id"].(string)
		if selected(policy, own.Name, plan["name"].(string)) != shown[id] {
			t.Errorf("plan %q of %q is shown: %t", id, own.ID, shown[id])
		}
		if !shown[id] {
			continue
		}
		if policy.NamespaceIDs {
			plan["id"] = catalogmerge.MappedPlan(o.Gateway, p.Backend, id)
		}
		if o.MaterializeDefaults {
			for name, implied := range map[string]any{"free": true, "bindable": want["bindable"]} {
				if plan[name] == nil && !slices.ContainsFunc(slices.Collect(maps.Keys(plan)), otherCaseOf(name)) {
					plan[name] = implied
				}
			}
		}
		plans = append(plans, plan)
	}
	want["plans"] = plans
	if got := decodeAny(t, p.Raw); !reflect.DeepEqual(any(want), got) {
		t.Errorf("offering %q (-want +got):\n%s", own.ID, cmp.Diff(any(want), got))
	}
	if p.ID != want["id"] || p.OwnName != own.Name || len(p.Plans) != len(plans) {
		t.Errorf("got %+v for %s", p, p.Raw)
		return
	}
	for i, plan := range plans {
		plan := plan.(map[string]any)
		if p.Plans[i].ID != plan["id"] || p.Plans[i].Name != plan["name"] {
			t.Errorf("plan %d is %+v, want %v", i, p.Plans[i], plan)
		}
	}
}

// otherCaseOf tells whether a name is the given one with another case.
func otherCaseOf(name string) func(string) bool {
	return func(other string) bool { return other != name && strings.EqualFold(other, name) }
}

// selected says again, more slowly, whether a policy offers a plan.
func selected(p *catalogmerge.Policy, offering, plan string) bool {
	named := func(selections []catalogmerge.Selection) bool {
		for _, s := range selections {
			if s.Offering != offering {
				continue
			}
			if len(s.Plans) == 0 {
				return true
			}
			if slices.Contains(s.Plans, plan) {
				return true
			}
		}
		return false
	}
	return (len(p.Include) == 0 || named(p.Include)) && !named(p.Exclude)
}

// piece is a value within some JSON; key is what it belongs to in an object.
type piece struct {
	key        string
	start, end int
}

// pieces returns the values of an object or an array, found by encoding/json.
func pieces(t testing.TB, data []byte) []piece {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	open, err := decoder.Token()
	var found []piece
	for err == nil && decoder.More() {
		var p piece
		if open == json.Delim('{') {
			var key json.Token
			if key, err = decoder.Token(); err != nil {
				break
			}
			p.key = key.(string)
		}
		var value json.RawMessage
		if err = decoder.Decode(&value); err != nil {
			break
		}
		p.end = int(decoder.InputOffset())
		p.start = p.end - len(value)
		found = append(found, p)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return found
}

// respliced says again, with encoding/json and without regard to speed, what bytes a policy makes of an offering.
func respliced(t testing.TB, p *catalogmerge.Published, own *catalogmerge.Offering, defaults bool) string {
	t.Helper()
	quoted := func(was json.RawMessage, now string) string {
		var s string
		if err := json.Unmarshal(was, &s); err != nil {
			t.Fatal(err)
		}
		if s == now {
			return string(was)
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(now); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(b.String())
	}
	planIDs := make(map[string]string)
	for _, plan := range p.Plans {
		planIDs[plan.OwnID] = plan.ID
	}
	members := pieces(t, own.Raw)
	bindable := ""
	for _, m := range members {
		if m.key == "bindable" {
			bindable = string(own.Raw[m.start:m.end])
		}
	}
	planOf := func(raw []byte) (string, bool) {
		result, at, have := "", 0, map[string]bool{}
		shown := false
		for _, m := range pieces(t, raw) {
			have[strings.ToLower(m.key)] = true
			result += string(raw[at:m.start])
			value := string(raw[m.start:m.end])
			if m.key == "id" {
				var id string
				if err := json.Unmarshal([]byte(value), &id); err != nil {
					t.Fatal(err)
				}
				if _, shown = planIDs[id]; shown {
					value = quoted(raw[m.start:m.end], planIDs[id])
				}
			}
			if implied, ok := map[string]string{"free": "true", "bindable": bindable}[m.key]; ok && defaults && value == "null" {
				value = implied
			}
			result += value
			at = m.end
		}
		if defaults && !have["free"] {
			result += `,"free":true`
		}
		if defaults && !have["bindable"] {
			result += `,"bindable":` + bindable
		}
		return result + string(raw[at:]), shown
	}
	result, at := "", 0
	for _, m := range members {
		raw := own.Raw[m.start:m.end]
		value := string(raw)
		switch m.key {
		case "id":
			value = quoted(raw, p.ID)
		case "name":
			value = quoted(raw, p.Name)
		case "plans":
			elements := pieces(t, raw)
			value = string(raw[:elements[0].start])
			kept := false
			for i, e := range elements {
				plan, shown := planOf(raw[e.start:e.end])
				if !shown {
					continue
				}
				if kept {
					value += string(raw[elements[i-1].end:e.start])
				}
				value += plan
				kept = true
			}
			value += string(raw[elements[len(elements)-1].end:])
		}
		result += string(own.Raw[at:m.start]) + value
		at = m.end
	}
	return result + string(own.Raw[at:])
}

// checkSpellings checks that every id that a backend is known to have is found in both spellings, and that mapping is
// the same way there and back.
func checkSpellings(
	t testing.TB, c *catalogmerge.Catalog, copies []*catalogmerge.Copy, policyOf map[string]*catalogmerge.Policy,
	o *catalogmerge.Options,
) {
	t.Helper()
	type kind struct {
		name            string
		mapped          func(gateway, backend, own string) string
		own, exposed    func(backend, id string) string
		owner           func(string) (string, bool, bool)
		ids             func(*catalogmerge.Copy) map[string]bool // own id to whether it was shown
		alreadyExpected map[string]string
	}
	kinds := []kind{
		{
			"offering", catalogmerge.MappedOffering, c.OwnOffering, c.ExposedOffering, c.OfferingOwner,
			func(c *catalogmerge.Copy) map[string]bool {
				ids := make(map[string]bool)
				for id, known := range c.Known.Offerings {
					ids[id] = !known.FirstSeen.IsZero()
				}
				return ids
			}, make(map[string]string),
		},
		{
			"plan", catalogmerge.MappedPlan, c.OwnPlan, c.ExposedPlan, c.PlanOwner,
			func(c *catalogmerge.Copy) map[string]bool {
				ids := make(map[string]bool)
				for id, known := range c.Known.Plans {
					ids[id] = !known.FirstSeen.IsZero()
				}
				return ids
			}, make(map[string]string),
		},
	}
	for _, k := range kinds {
		for _, from := range copies {
			if from == nil {
				continue
			}
			for own, shown := range k.ids(from) {
				mapped := k.mapped(o.Gateway, from.Backend, own)
				where := fmt.Sprintf("%s %q of %q", k.name, own, from.Backend)
				if before, ok := k.alreadyExpected[mapped]; ok {
					t.Errorf("%s is mapped to the same as %s", where, before)
				}
				k.alreadyExpected[mapped] = where
				for _, spelled := range []string{own, mapped} {
					if got := k.own(from.Backend, spelled); got != own {
						t.Errorf("%s: spelled %q it is %q", where, spelled, got)
					}
				}
				want := own
				if policyOf[from.Backend].NamespaceIDs {
					want = mapped
				}
				if got := k.exposed(from.Backend, own); got != want {
					t.Errorf("%s is shown as %q, want %q", where, got, want)
				}
				if backend, ambiguous, ok := k.owner(mapped); backend != from.Backend || ambiguous || !ok {
					t.Errorf("%s: its mapped spelling is that of %q, %t, %t", where, backend, ambiguous, ok)
				}
				if backend, ambiguous, ok := k.owner(own); !ok || shown && backend != from.Backend && !ambiguous {
					t.Errorf("%s: its own spelling is that of %q, %t, %t", where, backend, ambiguous, ok)
				}
			}
		}
	}
}
