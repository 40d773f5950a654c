package catalogmerge_test

import (
	"fmt"
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
		c := merge(copies)
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
		if c := merge(copies); len(c.Offerings) != 10 || len(c.Problems) != 990 {
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
