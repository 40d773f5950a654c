package e2e_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// owned is an instance with a binding on a broker, and one that is still being created.
type owned struct{ broker, instance, binding, creating string }

// populate makes instances on every broker.
func (w *world) populate(t *testing.T) []owned {
	t.Helper()
	var all []owned
	for _, broker := range brokerNames {
		o := owned{broker, newGUID(), newGUID(), newGUID()}
		w.expect(t, put(instancePath(o.instance), create(broker, small)), http.StatusCreated, broker)
		w.expect(t, put(bindingPath(o.instance, o.binding), bind(broker, small)), http.StatusCreated, broker)
		w.expect(t, put(instancePath(o.creating)+asynchronous, create(broker, slow)), http.StatusAccepted, broker)
		all = append(all, o)
	}
	return all
}

// findAll sends calls that say nothing but the path, and expects them at their brokers.
func (w *world) findAll(t *testing.T, gateway *harness.Gateway, all []owned) {
	t.Helper()
	for _, o := range all {
		for _, call := range []struct {
			r      harness.Request
			status int
		}{
			{get(instancePath(o.instance)), http.StatusOK},
			{get(instancePath(o.instance) + "/last_operation"), http.StatusOK},
			{get(bindingPath(o.instance, o.binding)), http.StatusOK},
			{get(bindingPath(o.instance, o.binding) + "/last_operation"), http.StatusOK},
			{get(statePath(o.instance)), http.StatusOK},
			{put(statePath(o.instance), `{"enabled":true}`), http.StatusNoContent},
			{get(instancePath(o.creating) + "/last_operation"), http.StatusOK},
			// The broker wants a service_id here; the gateway does not.
			{patch(instancePath(o.instance), `{"parameters":{}}`), http.StatusBadRequest},
			{put(bindingPath(o.instance, newGUID()), `{"plan_id":"`+planID(o.broker, small)+`"}`), http.StatusBadRequest},
			{del(bindingPath(o.instance, o.binding)), http.StatusBadRequest},
			{del(instancePath(o.instance)), http.StatusBadRequest},
		} {
			w.expectThrough(t, gateway, call.r, call.status, o.broker)
		}
	}
}

// removeAll deletes what populate made.
func (w *world) removeAll(t *testing.T, gateway *harness.Gateway, all []owned) {
	t.Helper()
	for _, o := range all {
		query := ids(o.broker, small)
		w.expectThrough(t, gateway, del(bindingPath(o.instance, o.binding)+query), http.StatusOK, o.broker)
		w.expectThrough(t, gateway, del(instancePath(o.instance)+query), http.StatusOK, o.broker)
		w.expectThrough(t, gateway, del(instancePath(o.instance)+query), http.StatusGone, o.broker)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		all := w.populate(t)
		w.Stop(t)
		if code := w.AwaitEnd(t); code != 0 {
			t.Errorf("after SIGTERM: got exit code %d, want 0", code)
		}
		w.Restart(t)
		w.findAll(t, w.Gateway, all)

		w.Kill(t)
		w.Restart(t)
		w.findAll(t, w.Gateway, all)

		more := w.populate(t)
		w.Kill(t)
		w.Restart(t)
		w.findAll(t, w.Gateway, more)
		w.removeAll(t, w.Gateway, append(all, more...))
	})
}

// TestMemoryForgets shows that it is the store that remembers, not the test or the brokers.
func TestMemoryForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "store memory")
	all := w.populate(t)
	w.findAll(t, w.Gateway, all)
	w.Stop(t)
	w.Restart(t)
	for _, o := range all {
		refused(t, w.expect(t, get(instancePath(o.instance)), http.StatusNotFound, ""), "NotFound")
	}
}
