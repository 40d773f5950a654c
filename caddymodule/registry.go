package caddymodule

import (
	"maps"
	"slices"
	"sync"
)

// running are the gateways that were started and not stopped. While a configuration takes the place of another, both
// are here; what looks for live state takes the one that was started last.
var running registry

type registry struct {
	mu     sync.Mutex
	byName map[string][]*runtime
}

func (r *registry) add(name string, started *runtime) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = make(map[string][]*runtime)
	}
	r.byName[name] = append(r.byName[name], started)
}

func (r *registry) remove(name string, stopped *runtime) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.DeleteFunc(r.byName[name], func(other *runtime) bool { return other == stopped })
	if len(left) == 0 {
		delete(r.byName, name)
		return
	}
	r.byName[name] = left
}

// latest returns the gateway of that name that was started last; nil if none runs.
func (r *registry) latest(name string) *runtime {
	r.mu.Lock()
	defer r.mu.Unlock()
	if started := r.byName[name]; len(started) > 0 {
		return started[len(started)-1]
	}
	return nil
}

// all returns the gateways that run, the one that was started last of each name, in the order of the names.
func (r *registry) all() []*runtime {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*runtime, 0, len(r.byName))
	for _, name := range slices.Sorted(maps.Keys(r.byName)) {
		started := r.byName[name]
		all = append(all, started[len(started)-1])
	}
	return all
}
