package e2e_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestRedisStops(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	all := w.populate(t)
	created, deleted := newGUID(), newGUID()
	w.expect(t, put(instancePath(deleted), create(beta, small)), http.StatusCreated, beta)
	inTheMiddle := []*inFlight{
		w.sendHeld(t, put(instancePath(created), create(alpha, small)), alpha),
		w.sendHeld(t, del(instancePath(deleted)+ids(beta, small)), beta),
	}

	server.Stop(t)
	// What the brokers did is not changed by the trouble of the gateway.
	for n, want := range []int{http.StatusCreated, http.StatusOK} {
		inTheMiddle[n].hold.Release()
		if answer := inTheMiddle[n].answer(t); answer.Status != want {
			t.Errorf("%s while Redis stopped: got %d %s, want %d",
				inTheMiddle[n].request.Method, answer.Status, answer.Body, want)
		}
	}
	w.expectNoStore(t, all[0])
	if answer := w.Do(t, get("/v2/catalog")); answer.Status != http.StatusOK {
		t.Errorf("catalog without Redis: got %d %s, want 200", answer.Status, answer.Body)
	}
	for _, check := range []string{"/healthz/live", "/healthz/ready"} {
		if answer := w.Do(t, get(check)); answer.Status != http.StatusOK {
			t.Errorf("%s without Redis: got %d, want 200: the gateway's own answers are better than none", check, answer.Status)
		}
	}

	server.Restart(t)
	harness.Await(t, "the gateway to find Redis again", func() bool {
		answer, err := w.Try(get(instancePath(all[0].instance)))
		return err == nil && answer.Status == http.StatusOK
	})
	w.findAll(t, w.Gateway, all)
	// The outcomes that could not be written are written now: the id is free for another broker, and the new instance
	// may be deleted without a doubt.
	harness.Await(t, "the deletion to be recorded", func() bool {
		answer, err := w.Try(put(instancePath(deleted), create(gamma, small)))
		return err == nil && answer.Status == http.StatusCreated
	})
	harness.Await(t, "the creation to be recorded", func() bool {
		answer, err := w.Try(del(instancePath(created) + ids(alpha, small)))
		return err == nil && (answer.Status == http.StatusOK || answer.Status == http.StatusGone)
	})
	w.removeAll(t, w.Gateway, all)
}

// expectNoStore sends calls that need to know the owner.
func (w *world) expectNoStore(t *testing.T, o owned) {
	t.Helper()
	for _, id := range []string{o.instance, newGUID()} {
		for _, r := range []harness.Request{
			put(instancePath(id), create(o.broker, small)),
			get(instancePath(id) + ids(o.broker, small)),
			patch(instancePath(id), change(o.broker, small, large)),
			del(instancePath(id) + ids(o.broker, small)),
			get(instancePoll(id) + ids(o.broker, small)),
			put(bindingPath(id, newGUID()), bind(o.broker, small)),
			get(bindingPath(id, o.binding) + ids(o.broker, small)),
			get(bindingPath(id, o.binding) + "/last_operation" + ids(o.broker, small)),
			del(bindingPath(id, o.binding) + ids(o.broker, small)),
			get(statePath(id)),
			put(statePath(id), `{"enabled":false}`),
		} {
			refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
		}
	}
}

// TestRedisIsKilled loses the process without a chance to say goodbye. What was acknowledged is still there.
func TestRedisIsKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("appendfsync always"))
	w := newWorld(t, redisStoreAt(server))
	all := w.populate(t)
	server.Kill(t)
	w.expectNoStore(t, all[1])
	server.Restart(t)
	harness.Await(t, "the gateway to find Redis again", func() bool {
		answer, err := w.Try(get(instancePath(all[0].instance)))
		return err == nil && answer.Status == http.StatusOK
	})
	w.findAll(t, w.Gateway, all)
	w.removeAll(t, w.Gateway, all)
}

// TestStartsWithoutRedis starts a gateway before its Redis. It serves what it can, and all when Redis has come.
func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := redisStoreAt(server)
	w := newWorld(t, store)
	all := w.populate(t)
	w.Stop(t)
	server.Stop(t)
	w.Restart(t)
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	w.expectNoStore(t, all[2])
	server.Restart(t)
	harness.Await(t, "the gateway to find Redis", func() bool {
		answer, err := w.Try(get(instancePath(all[0].instance)))
		return err == nil && answer.Status == http.StatusOK
	})
	w.findAll(t, w.Gateway, all)
	w.removeAll(t, w.Gateway, all)
}
