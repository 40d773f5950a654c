package catalogmerge_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// largeServices returns ten offerings of ten plans each, with descriptions and metadata of a usual length.
func largeServices(backend int) []string { return largeServicesOf(backend, 10) }

// largeServicesOf returns ten such offerings of as many plans each.
func largeServicesOf(backend, plansEach int) []string {
	services := make([]string, 10)
	for i := range services {
		id := fmt.Sprintf("4d0bb0a6-%04d-4b6b-8c1c-%012d", backend, i)
		plans := make([]string, plansEach)
		for p := range plans {
			plans[p] = fmt.Sprintf("%s-%d/plan-%d", id, p, p)
		}
		services[i] = with(service(id, fmt.Sprintf("offering-%d-%d", backend, i), plans...),
			`"tags":["sql","relational","replicated"],"metadata":{"displayName":"An offering with a long name",`+
				`"longDescription":"What an operator would say of it at some length, so that people know what they get.",`+
				`"documentationUrl":"https://docs.example.com/offerings","costs":[{"amount":{"usd":10.50},"unit":"MONTHLY"}]}`)
	}
	return services
}

// BenchmarkMerge merges a hundred copies of ten offerings with ten plans each, all of them present.
func BenchmarkMerge(b *testing.B) {
	copies := make([]*catalogmerge.Copy, 100)
	for i := range copies {
		copies[i] = refresh(b, nil, fmt.Sprintf("backend-%d", i), noon, largeServices(i)...)
	}
	exposed := expose(copies, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		c := catalogmerge.Merge(exposed, nil)
		if len(c.Offerings) != 1000 || len(c.Problems) > 0 {
			b.Fatalf("got %d offerings, %v", len(c.Offerings), c.Problems)
		}
	}
}

// BenchmarkMergeClashes merges a hundred copies of the same catalog: every claim is contested a hundred times.
func BenchmarkMergeClashes(b *testing.B) {
	copies := make([]*catalogmerge.Copy, 100)
	for i := range copies {
		copies[i] = refresh(b, nil, fmt.Sprintf("backend-%d", i), noon, largeServices(0)...)
	}
	exposed := expose(copies, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		if c := catalogmerge.Merge(exposed, nil); len(c.Offerings) != 10 || len(c.Problems) != 990 {
			b.Fatalf("got %d offerings, %d problems", len(c.Offerings), len(c.Problems))
		}
	}
}

// BenchmarkRefresh reads a catalog of ten offerings with ten plans each, one of which changed.
func BenchmarkRefresh(b *testing.B) {
	services := largeServices(0)
	previous := refresh(b, nil, "x", noon, services...)
	services[4] = with(services[4], `"x":1`)
	changed := body(services...)
	b.SetBytes(int64(len(changed)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := refreshed(previous, "x", changed, "", noon.Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}

// parameterSchema is a schema of a usual length. Another number makes another one.
func parameterSchema(number int) string {
	return draft4Schema(fmt.Sprintf(`"type":"object","title":"Parameters of instance %d","additionalProperties":false,"required":["size"],`, number) +
		`"definitions":{"quantity":{"type":"integer","minimum":1,"maximum":1024}},"properties":{` +
		`"size":{"$ref":"#/definitions/quantity","description":"How much storage the instance gets, in gigabytes"},` +
		`"nodes":{"$ref":"#/definitions/quantity"},"version":{"type":"string","enum":["14","15","16","17"],"default":"17"},` +
		`"name":{"type":"string","pattern":"^[a-z][a-z0-9_]*$","maxLength":63},"backup":{"type":"object","properties":{` +
		`"hour":{"type":"integer","minimum":0,"maximum":23},"keep":{"$ref":"#/definitions/quantity"}}},` +
		`"extensions":{"type":"array","items":{"type":"string"},"uniqueItems":true}}`)
}

// BenchmarkRefreshSchemas reads a catalog of ten offerings with ten plans each, each plan with a schema of its own.
func BenchmarkRefreshSchemas(b *testing.B) {
	next := 0
	offering := func(index int) string {
		plans := make([]string, 10)
		for i := range plans {
			next++
			plans[i] = fmt.Sprintf(`{"id":"p%d-%d","name":"p%d","description":"d","free":true,"bindable":true,`+
				`"schemas":{"service_instance":{"create":{"parameters":%s}}}}`, index, i, i, parameterSchema(next))
		}
		return fmt.Sprintf(`{"id":"a%d","name":"a%d","description":"d","bindable":true,"plans":[%s]}`,
			index, index, strings.Join(plans, ","))
	}
	catalog := func() []string {
		services := make([]string, 10)
		for i := range services {
			services[i] = offering(i)
		}
		return services
	}
	for _, bb := range []struct {
		name    string
		changed int
	}{{"none changed", 0}, {"one changed", 1}, {"all changed", 10}} {
		b.Run(bb.name, func(b *testing.B) {
			services := catalog()
			previous := refresh(b, nil, "x", noon, services...)
			b.SetBytes(int64(len(body(services...))))
			b.ReportAllocs()
			for b.Loop() {
				for i := range bb.changed {
					services[i] = offering(i)
				}
				if c := refresh(b, previous, "x", noon.Add(time.Minute), services...); len(c.Problems) > 0 {
					b.Fatal(c.Problems)
				}
			}
		})
	}
}

// BenchmarkDecodeCopy reads what a fresh replica finds in the store for one such backend.
func BenchmarkDecodeCopy(b *testing.B) {
	data := encode(b, refresh(b, nil, "x", noon, largeServices(0)...))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalogmerge.DecodeCopy(data); err != nil {
			b.Fatal(err)
		}
	}
}

// largePolicy is one that changes every offering and plan.
func largePolicy(backend int) *catalogmerge.Policy {
	return &catalogmerge.Policy{Name: fmt.Sprint("backend-", backend), Prefix: fmt.Sprintf("b%d-", backend), NamespaceIDs: true}
}

// largeExposed returns a hundred backends of ten offerings with plans each.
func largeExposed(b *testing.B, plans int, policy func(int) *catalogmerge.Policy, o *catalogmerge.Options) []*catalogmerge.Exposed {
	b.Helper()
	exposed := make([]*catalogmerge.Exposed, 100)
	for i := range exposed {
		p := policy(i)
		exposed[i] = catalogmerge.Expose(
			refreshWith(b, nil, fmt.Sprint("backend-", i), p, noon, largeServicesOf(i, plans)...), p, o, nil)
	}
	return exposed
}

func withoutPolicy(int) *catalogmerge.Policy { return nil }

// BenchmarkExpose applies a policy that maps all ids to a catalog of ten offerings with ten plans each: afresh, after one
// offering changed, and after none did.
func BenchmarkExpose(b *testing.B) {
	p, o := largePolicy(0), &catalogmerge.Options{Gateway: gateway, MaterializeDefaults: true}
	services := largeServices(0)
	c := refreshWith(b, nil, "x", p, noon, services...)
	before := catalogmerge.Expose(c, p, o, nil)
	services[4] = with(services[4], `"x":1`)
	changed := refreshWith(b, c, "x", p, noon.Add(time.Minute), services...)
	for _, bb := range []struct {
		name     string
		copy     *catalogmerge.Copy
		previous *catalogmerge.Exposed
	}{{"afresh", c, nil}, {"changed", changed, before}, {"unchanged", c, before}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				catalogmerge.Expose(bb.copy, p, o, bb.previous)
			}
		})
	}
}

// BenchmarkMergeExposed merges a hundred backends of ten offerings with ten plans each, without policies and with ones
// that change every offering and plan.
func BenchmarkMergeExposed(b *testing.B) {
	o := &catalogmerge.Options{Gateway: gateway, MaterializeDefaults: true, PrefixOnConflict: true}
	for _, bb := range []struct {
		name   string
		policy func(int) *catalogmerge.Policy
		o      *catalogmerge.Options
	}{{"plain", withoutPolicy, nil}, {"policies", largePolicy, o}} {
		b.Run(bb.name, func(b *testing.B) {
			exposed := largeExposed(b, 10, bb.policy, bb.o)
			b.ReportAllocs()
			for b.Loop() {
				if c := catalogmerge.Merge(exposed, bb.o); len(c.Offerings) != 1000 || len(c.Problems) > 0 {
					b.Fatalf("got %d offerings, %v", len(c.Offerings), c.Problems)
				}
			}
		})
	}
}

// BenchmarkViews makes the views of twenty platforms, each of which sees another part of a hundred backends' offerings.
func BenchmarkViews(b *testing.B) {
	c := catalogmerge.Merge(largeExposed(b, 10, withoutPolicy, nil), nil)
	of := make([]*catalogmerge.Visibility, 20)
	for i := range of {
		of[i] = deny(b, fmt.Sprintf("offering-*-%d", i%10), fmt.Sprint("backend:backend-", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if views := c.Views(of); len(views) != len(of) || len(views[0].Offerings) != 891 {
			b.Fatalf("got %d views", len(views))
		}
	}
}

// BenchmarkMergeHuge merges a hundred backends with 100,000 plans in all, and states the memory that is held for a byte
// of what they sent, indexes included.
func BenchmarkMergeHuge(b *testing.B) {
	o := &catalogmerge.Options{Gateway: gateway}
	for _, bb := range []struct {
		name   string
		policy func(int) *catalogmerge.Policy
	}{{"plain", withoutPolicy}, {"policies", largePolicy}} {
		b.Run(bb.name, func(b *testing.B) {
			before := heldMemory()
			exposed := largeExposed(b, 100, bb.policy, o)
			var c *catalogmerge.Catalog
			b.ReportAllocs()
			for b.Loop() {
				c = catalogmerge.Merge(exposed, o)
			}
			if len(c.Offerings) != 1000 {
				b.Fatalf("got %d offerings", len(c.Offerings))
			}
			held := heldMemory() - before
			b.ReportMetric(float64(len(c.Body)), "bytes/body")
			b.ReportMetric(float64(held)/float64(len(c.Body)), "held/body-byte")
			runtime.KeepAlive(exposed)
		})
	}
}

// heldMemory returns how much memory is in use after everything unused was freed.
func heldMemory() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
