package bench

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
)

// BenchmarkInstances prints how calls fare as there are more and more instances: creates, polls of a thousand of them, as
// many as platforms may have under way, and polls of any of them, most of whose records are not in the cache.
func BenchmarkInstances(b *testing.B) {
	upstream, processors := StartBroker(b, Catalog), divide(b)
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	kinds, targets := []string{"creates", "polls of 1000", "polls of any"}, []string{"1", "1", ""}
	c := newContest(b)
	cells := make([][]*cell, len(kinds))
	for _, size := range sizes {
		e := startEstate(b, upstream, processors)
		fill(b, e.redis, e.known(b), size)
		filled := func(of, step int) func() string {
			return func() string { return "filled-" + strconv.Itoa(rand.IntN(of)*step) }
		}
		for kind, source := range []Source{
			e.create(e.gateway), e.poll(e.gateway, filled(sizes[0], size/sizes[0])), e.poll(e.gateway, filled(size, 1)),
		} {
			cells[kind] = append(cells[kind], c.add(e, e.gateway, source))
		}
	}
	for b.Loop() {
		c.run(b)
	}
	var rows []row
	for kind, name := range kinds {
		for i, size := range sizes[1:] {
			rows = append(rows, row{
				fmt.Sprintf("%s, %d instances", name, size), "1000 instances", cells[kind][i+1].got, cells[kind][0].got, targets[kind],
			})
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "\n%d rounds of %v with %d connections\n%s\n", c.rounds, c.length, connections, table(rows))
}

// fill copies the record of an instance for many others.
func fill(b testing.TB, server *redistest.Server, template string, count int) {
	b.Helper()
	ctx := b.Context()
	client := server.Client()
	keys, err := client.Keys(ctx, "*"+template).Result()
	if err != nil || len(keys) != 1 {
		b.Fatalf("the record of %s: %q, %v", template, keys, err)
	}
	dump, err := client.Dump(ctx, keys[0]).Result()
	if err != nil {
		b.Fatal(err)
	}
	before, rest, _ := strings.Cut(keys[0], "{")
	_, rest, _ = strings.Cut(rest, "}")
	rest = strings.TrimSuffix(rest, template)
	const batch = 10_000
	for first := 0; first < count; first += batch {
		pipe := client.Pipeline()
		for n := first; n < min(first+batch, count); n++ {
			id := "filled-" + strconv.Itoa(n)
			pipe.Restore(ctx, fmt.Sprintf("%s{%d}%s%s", before, bucket(id), rest, id), 0, dump)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// bucket is that of the store's layout.
func bucket(id string) byte {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))
	sum := hash.Sum32()
	return byte(sum>>24) ^ byte(sum>>16) ^ byte(sum>>8) ^ byte(sum)
}
