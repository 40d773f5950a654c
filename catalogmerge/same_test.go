package catalogmerge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestSame: a copy that was read from a store, and one that follows it by the same answer, say the same. One that says
// anything else does not.
func TestSame(t *testing.T) {
	t.Parallel()
	services := []string{service("a", "a", "p", "q"), service("b", "b", "r"), `{"id":"c"}`}
	before := refresh(t, nil, "b", noon, services...)
	encoded, err := before.Encode()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := catalogmerge.DecodeCopy(encoded)
	if err != nil {
		t.Fatal(err)
	}
	later := noon.Add(time.Minute)
	withETag := *before
	withETag.ETag = `"other"`
	for name, same := range map[string]*catalogmerge.Copy{
		"itself": before, "stored": stored, "fetched again": refresh(t, before, "b", later, services...),
		"fetched again over the stored one": refresh(t, stored, "b", later, services...),
		"confirmed":                         touch(before, later),
		"another validator":                 &withETag,
	} {
		if !before.Same(same) || !same.Same(before) {
			t.Errorf("%s: it is another copy", name)
		}
	}
	changed := func(change func(c *catalogmerge.Copy)) *catalogmerge.Copy {
		c := *stored
		c.Offerings, c.Problems = slices.Clone(c.Offerings), slices.Clone(c.Problems)
		change(&c)
		return &c
	}
	for name, other := range map[string]*catalogmerge.Copy{
		"none":             nil,
		"another backend":  changed(func(c *catalogmerge.Copy) { c.Backend = "x" }),
		"another order":    changed(func(c *catalogmerge.Copy) { slices.Reverse(c.Offerings) }),
		"missing":          changed(func(c *catalogmerge.Copy) { c.Offerings[0].MissingSince = noon }),
		"white space":      refresh(t, before, "b", later, services[0]+" ", with(services[1], ` "x":1`), services[2]),
		"fewer offerings":  changed(func(c *catalogmerge.Copy) { c.Offerings = c.Offerings[1:] }),
		"a problem less":   changed(func(c *catalogmerge.Copy) { c.Problems = c.Problems[1:] }),
		"a field of later": changed(func(c *catalogmerge.Copy) { c.Unknown = map[string]json.RawMessage{"x": []byte("1")} }),
		"more known":       refresh(t, before, "b", later, append(slices.Clone(services), `{"id":"d"}`)...),
		"known since":      refresh(t, nil, "b", later, services...),
	} {
		if before.Same(other) || other.Same(before) {
			t.Errorf("%s: it passes for the same copy", name)
		}
	}
	if none := (*catalogmerge.Copy)(nil); !none.Same(nil) {
		t.Error("no copy is not the same as none")
	}
}

// TestConfirmed: a copy that was confirmed has the time and the validator of the later one, and the bytes of its own.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	before := refresh(t, nil, "b", noon, service("a", "a", "p"))
	after := refresh(t, before, "b", noon.Add(time.Minute), service("a", "a", "p"))
	after.ETag = `"1"`
	confirmed := before.Confirmed(after)
	if !confirmed.FetchedAt.Equal(after.FetchedAt) || confirmed.ETag != after.ETag {
		t.Errorf("got the time %s and the validator %s", confirmed.FetchedAt, confirmed.ETag)
	}
	if !before.FetchedAt.Equal(noon) || before.ETag != "" {
		t.Error("the copy before was changed")
	}
	if &confirmed.Offerings[0].Raw[0] != &before.Offerings[0].Raw[0] {
		t.Error("the bytes are there twice")
	}
}

// BenchmarkSame compares what a whole answer of ten offerings with ten plans each says with what was known.
func BenchmarkSame(b *testing.B) {
	services := make([]string, 10)
	for i := range services {
		plans := make([]string, 10)
		for j := range plans {
			plans[j] = fmt.Sprintf("plan-%d-%d/p%d", i, j, j)
		}
		services[i] = service(fmt.Sprintf("o%d", i), fmt.Sprintf("o%d", i), plans...)
	}
	before := refresh(b, nil, "b", noon, services...)
	after := refresh(b, before, "b", noon.Add(time.Minute), services...)
	b.ReportAllocs()
	for b.Loop() {
		if !after.Same(before) {
			b.Fatal("they differ")
		}
	}
}
