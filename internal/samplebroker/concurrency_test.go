package samplebroker_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// TestConcurrentCreates holds that of equal calls at one time exactly one creates the instance, and of different ones
// too.
func TestConcurrentCreates(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	const callers = 16
	statuses := make([]int, 2*callers)
	var group sync.WaitGroup
	for n := range statuses {
		group.Go(func() {
			path, body := "PUT /v2/service_instances/same", chosen("sync")
			if n%2 == 1 {
				path, body = "PUT /v2/service_instances/other", `{"service_id":"db","plan_id":"sync","space_guid":"`+
					strconv.Itoa(n)+`"}`
			}
			r, err := c.try(t.Context(), path, body, nil)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			statuses[n] = r.status
		})
	}
	group.Wait()
	counts := make(map[int]int)
	for n, status := range statuses {
		counts[(n%2)*1000+status]++
	}
	if counts[201] != 1 || counts[200] != callers-1 || counts[1201] != 1 || counts[1409] != callers-1 {
		t.Errorf("got %v, want one 201 each, %d times 200 and %d times 409", counts, callers-1, callers-1)
	}
}
