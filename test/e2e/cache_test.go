package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// roundTrips counts what a gateway asked its store about records since it started.
func roundTrips(t *testing.T, gateway *harness.Gateway) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(gateway.Metrics(t)) {
		if !strings.HasPrefix(line, "caddy_osb_gateway_store_operations_total{") ||
			!strings.Contains(line, `operation="read"`) && !strings.Contains(line, `operation="swap"`) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
		if err != nil {
			t.Fatalf("reading %q: %v", line, err)
		}
		total += int(value)
	}
	return total
}

// costs sends a call, checks its status and returns the round trips to the store that it took.
func costs(t *testing.T, gateway *harness.Gateway, r harness.Request, status int) int {
	t.Helper()
	before := roundTrips(t, gateway)
	answer := gateway.Do(t, r)
	if answer.Status != status {
		t.Fatalf("%s %s: got %d %s, want %d", r.Method, r.Target, answer.Status, answer.Body, status)
	}
	return roundTrips(t, gateway) - before
}

// warm sends a GET until the gateway has its record cached: until what it changed before has been told to it.
func warm(t *testing.T, gateway *harness.Gateway, target string) {
	t.Helper()
	harness.Await(t, "a GET that costs no round trip", func() bool {
		return costs(t, gateway, get(target), http.StatusOK) == 0
	})
}

// TestRoundTrips: what calls cost that come to the gateway. A message about a change may drop a cached record a little
// later, so what is cheap with a cached record must be so at last, and at no time be more than it is without.
//
//nolint:tparallel // what is counted is that of one call at a time
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	// How many polls of an operation hear that it is in progress.
	for broker, polls := range map[string]int{alpha: 1_000_000, beta: 1, gamma: 0} {
		catalog := bytes.ReplaceAll(brokerCatalog(broker), []byte(`"async":true`), fmt.Appendf(nil, `"async":true,"polls":%d`, polls))
		if err := w.brokers[broker].SetCatalog(catalog); err != nil {
			t.Fatal(err)
		}
	}
	options := harness.Options{Block: w.block(redisStore(t))}
	w.start(t, options)
	other := harness.Start(t, options)
	// The first call tells a gateway what time it is in the store.
	for _, gateway := range []*harness.Gateway{w.Gateway, other} {
		gateway.Do(t, get(instancePath(newGUID())+ids(alpha, small)))
	}
	t.Run("create, update, delete", func(t *testing.T) {
		id := newGUID()
		if got := costs(t, w.Gateway, put(instancePath(id), create(alpha, small)), http.StatusCreated); got != 2 {
			t.Errorf("a create costs %d round trips, want 2", got)
		}
		if got := costs(t, w.Gateway, patch(instancePath(id), change(alpha, small, large)), http.StatusOK); got != 2 {
			t.Errorf("an update costs %d round trips, want 2", got)
		}
		if got := costs(t, w.Gateway, del(instancePath(id)+ids(alpha, large)), http.StatusOK); got != 2 {
			t.Errorf("a delete costs %d round trips, want 2", got)
		}
	})
	t.Run("polls", func(t *testing.T) {
		id := newGUID()
		w.Do(t, put(instancePath(id)+asynchronous, create(alpha, slow)))
		poll := get(instancePath(id) + "/last_operation" + ids(alpha, slow))
		if got := costs(t, w.Gateway, poll, http.StatusOK); got != 1 {
			t.Errorf("a poll whose record is not cached costs %d round trips, want 1", got)
		}
		harness.Await(t, "a poll that costs no round trip", func() bool { return costs(t, w.Gateway, poll, http.StatusOK) == 0 })
	})
	for _, row := range []struct {
		name             string
		cached, uncached int
		// call makes what the call is about, has it cached if need be, and returns the call and its status.
		call func(t *testing.T, cached bool) (harness.Request, int)
	}{
		{"delete", 2, 3, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			id := newGUID()
			w.Do(t, put(instancePath(id), create(alpha, small)))
			if cached {
				warm(t, w.Gateway, instancePath(id))
			}
			return del(instancePath(id) + ids(alpha, small)), http.StatusOK
		}},
		{"bind", 2, 3, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			id := newGUID()
			w.Do(t, put(instancePath(id), create(alpha, small)))
			if cached {
				warm(t, w.Gateway, instancePath(id))
			}
			return put(bindingPath(id, newGUID()), bind(alpha, small)), http.StatusCreated
		}},
		{"unbind", 2, 3, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			id, binding := newGUID(), newGUID()
			w.Do(t, put(instancePath(id), create(alpha, small)))
			w.Do(t, put(bindingPath(id, binding), bind(alpha, small)))
			if cached {
				warm(t, w.Gateway, bindingPath(id, binding))
			}
			return del(bindingPath(id, binding) + ids(alpha, small)), http.StatusOK
		}},
		// The first poll of beta's operations finds them in progress, and gamma's are over at once.
		{"poll that settles", 1, 2, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			broker := map[bool]string{true: beta, false: gamma}[cached]
			id := newGUID()
			w.Do(t, put(instancePath(id)+asynchronous, create(broker, slow)))
			poll := get(instancePath(id) + "/last_operation" + ids(broker, slow))
			if cached {
				w.Do(t, poll)
			}
			return poll, http.StatusOK
		}},
		{"fetch", 0, 1, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			id := newGUID()
			w.Do(t, put(instancePath(id), create(alpha, small)))
			if cached {
				warm(t, w.Gateway, instancePath(id))
			}
			return get(instancePath(id)), http.StatusOK
		}},
		// The broker answers 404: that is looked up in any case.
		{"fetch that fails", 1, 1, func(t *testing.T, cached bool) (harness.Request, int) {
			t.Helper()
			id := newGUID()
			w.Do(t, put(instancePath(id), create(alpha, small)))
			if cached {
				warm(t, w.Gateway, instancePath(id))
			}
			w.lose(t, id)
			return get(instancePath(id)), http.StatusNotFound
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, status := row.call(t, false)
			if got := costs(t, other, r, status); got != row.uncached {
				t.Errorf("at a gateway that never saw the record it costs %d round trips, want %d", got, row.uncached)
			}
			harness.Await(t, "the costs of a cached record", func() bool {
				r, status := row.call(t, true)
				got := costs(t, w.Gateway, r, status)
				if got != row.cached && got != row.uncached {
					t.Fatalf("it costs %d round trips, want %d, or %d if a message came between", got, row.cached, row.uncached)
				}
				return got == row.cached
			})
		})
	}
}

// lose has alpha lose an instance: it is deleted past the gateway.
func (w *world) lose(t *testing.T, id string) {
	t.Helper()
	past := &harness.Gateway{URL: w.brokers[alpha].URL}
	r := del(instancePath(id) + ids(alpha, small))
	r.User, r.Password = "gateway", harness.BrokerPassword
	if answer := past.Do(t, r); answer.Status != http.StatusOK {
		t.Fatalf("deleting past the gateway: got %d %s", answer.Status, answer.Body)
	}
}

// moved deletes an instance and creates it anew on another broker, through one gateway.
func moved(t *testing.T, gateway *harness.Gateway, id, from, to string) {
	t.Helper()
	if answer := gateway.Do(t, del(instancePath(id)+ids(from, small))); answer.Status != http.StatusOK {
		t.Fatalf("DELETE: got %d %s", answer.Status, answer.Body)
	}
	if answer := gateway.Do(t, put(instancePath(id), create(to, small))); answer.Status != http.StatusCreated {
		t.Fatalf("PUT: got %d %s", answer.Status, answer.Body)
	}
}

// wantOwner checks the answers to calls that only read: they are those of the broker that has the instance.
func wantOwner(t *testing.T, gateway *harness.Gateway, id, owner string) {
	t.Helper()
	answer := gateway.Do(t, get(instancePath(id)))
	if got := field(t, answer.Body, "service_id"); answer.Status != http.StatusOK || got != serviceID(owner) {
		t.Errorf("GET: got %d %s, want 200 of %s", answer.Status, answer.Body, owner)
	}
	if answer := gateway.Do(t, get(instancePath(id)+"/last_operation")); answer.Status == http.StatusNotFound ||
		answer.Status == http.StatusGone {
		t.Errorf("poll: got %d %s while %s has the instance", answer.Status, answer.Body, owner)
	}
}

// TestMessagesSwallowed: one gateway caches a record, and what Redis would tell it of changes is lost without a trace.
// Through another the instance is deleted and created anew on another broker. The first asks the wrong broker then, and
// finds out: it never relays that the instance is not there.
func TestMessagesSwallowed(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	proxy := startDeafProxy(t, server.Addr)
	w := brokersOnly(t, nil)
	store := redisStore(t)
	w.start(t, harness.Options{Block: w.block(store)})
	options := w.options
	options.Block = w.block(strings.Replace(store, server.Addr, proxy.Addr, 1))
	options.Directory = t.TempDir()
	deaf := harness.Start(t, options)

	harness.Await(t, "a GET by an outdated record", func() bool {
		proxy.deaf.Store(false)
		id := newGUID()
		w.Do(t, put(instancePath(id), create(alpha, small)))
		warm(t, deaf, instancePath(id))
		proxy.deaf.Store(true)
		moved(t, w.Gateway, id, alpha, beta)
		w.forget()
		wantOwner(t, deaf, id, beta)
		misled := len(w.arrivals(alpha)) > 0
		moved(t, w.Gateway, id, beta, gamma)
		wantOwner(t, deaf, id, gamma)
		return misled || t.Failed()
	})
	proxy.deaf.Store(false)
	id := newGUID()
	w.Do(t, put(instancePath(id), create(alpha, small)))
	warm(t, deaf, instancePath(id)) // the cache is of use again
}

// TestMessagesCut: the connections that subscribe are cut again and again, while an instance moves between brokers.
func TestMessagesCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	second := w.secondGateway(t)
	id := newGUID()
	w.Do(t, put(instancePath(id), create(alpha, small)))
	warm(t, second, instancePath(id))
	owners := []string{alpha, beta, gamma}
	for n := range 60 {
		if n%2 == 1 {
			if err := server.Client().Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}
		from, to := owners[n%len(owners)], owners[(n+1)%len(owners)]
		moved(t, w.Gateway, id, from, to)
		wantOwner(t, second, id, to)
		wantOwner(t, w.Gateway, id, to)
		if t.Failed() {
			t.Fatalf("after %d moves", n+1)
		}
	}
	warm(t, second, instancePath(id))
}
