package catalogmerge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// largeServices returns ten offerings of ten plans each, with descriptions and metadata of a usual length.
func largeServices(backend int) []string {
	services := make([]string, 10)
	for i := range services {
		id := fmt.Sprintf("4d0bb0a6-%04d-4b6b-8c1c-%012d", backend, i)
		plans := make([]string, 10)
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
	b.ReportAllocs()
	for b.Loop() {
		c := catalogmerge.Merge(copies)
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
	b.ReportAllocs()
	for b.Loop() {
		if c := catalogmerge.Merge(copies); len(c.Offerings) != 10 || len(c.Problems) != 990 {
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
		if _, err := catalogmerge.Refresh(previous, "x", changed, "", noon.Add(time.Minute), withdrawAfter); err != nil {
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
