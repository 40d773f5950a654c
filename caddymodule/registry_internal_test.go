package caddymodule

import (
	"sync"
	"testing"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	var r registry
	first, second, other := new(runtime), new(runtime), new(runtime)
	check := func(when string, name string, want *runtime) {
		t.Helper()
		if got := r.latest(name); got != want {
			t.Errorf("%s: got %p, want %p", when, got, want)
		}
	}
	check("before anything", "a", nil)
	r.remove("a", first) // of a configuration that never started
	r.add("a", first)
	r.add("b", other)
	check("started", "a", first)
	r.add("a", second)
	check("a reload", "a", second)
	r.remove("a", second)
	check("a reload that failed", "a", first)
	r.add("a", second)
	r.remove("a", first)
	check("after the reload", "a", second)
	r.remove("a", first)
	check("stopped twice", "a", second)
	check("of another name", "b", other)
	r.remove("a", second)
	check("stopped", "a", nil)
	check("of another name", "b", other)
	if len(r.byName) != 1 {
		t.Errorf("the names that are gone are kept: %v", r.byName)
	}
}

func TestRegistryRace(t *testing.T) {
	t.Parallel()
	var r registry
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				one := new(runtime)
				r.add("a", one)
				if r.latest("a") == nil {
					t.Error("there is none while one runs")
				}
				r.remove("a", one)
			}
		})
	}
	all.Wait()
	if got := r.latest("a"); got != nil {
		t.Errorf("%p is left", got)
	}
}
