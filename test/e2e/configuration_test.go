package e2e_test

import (
	"net/http"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestBackendLeavesTheConfiguration takes a backend out of the configuration and brings it back. Meanwhile nobody is told
// that its instances are gone, and nobody else gets their ids.
func TestBackendLeavesTheConfiguration(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		all := w.populate(t)
		without := harness.Options{
			Block: store + "\n" + harness.Platform("cf", "") + w.brokers[alpha].Backend(alpha, "") + w.brokers[beta].Backend(beta, ""),
		}
		if err := w.Reload(t, without); err != nil {
			t.Fatal(err)
		}
		checkCatalog(t, w.Do(t, get("/v2/catalog")), alpha, beta)
		gone := all[2]
		for _, broker := range []string{gamma, alpha} {
			w.expectNobody(t, gone, broker)
		}
		w.findAll(t, w.Gateway, all[:2])

		if err := w.Reload(t, w.options); err != nil {
			t.Fatal(err)
		}
		w.AwaitReady(t)
		w.findAll(t, w.Gateway, all)
		w.removeAll(t, w.Gateway, all)
	})
}

// expectNobody sends every call on an instance whose backend is not configured, with ids of some broker.
func (w *world) expectNobody(t *testing.T, o owned, broker string) {
	t.Helper()
	query := ids(broker, small)
	for _, r := range []harness.Request{
		put(instancePath(o.instance), create(broker, small)),
		get(instancePath(o.instance)), get(instancePath(o.instance) + query), get(instancePoll(o.creating)),
		patch(instancePath(o.instance), change(broker, small, large)),
		put(bindingPath(o.instance, newGUID()), bind(broker, small)),
		get(bindingPath(o.instance, o.binding)), get(bindingPath(o.instance, o.binding) + "/last_operation" + query),
		del(bindingPath(o.instance, o.binding) + query), del(instancePath(o.instance) + query),
		get(statePath(o.instance)), put(statePath(o.instance), `{"enabled":true}`),
	} {
		refused(t, w.expect(t, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	}
}

// TestPlatformLeavesTheConfiguration gives the platform another name, which the records do not have.
func TestPlatformLeavesTheConfiguration(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		all := w.populate(t)
		renamed := harness.Options{Block: store + "\n" + harness.Platform("renamed", "") + w.backends("")}
		if err := w.Reload(t, renamed); err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			w.expectNobody(t, o, o.broker)
		}
		if err := w.Reload(t, w.options); err != nil {
			t.Fatal(err)
		}
		w.findAll(t, w.Gateway, all)
	})
}

// TestBadReload has the gateway go on with the old configuration.
func TestBadReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	all := w.populate(t)
	for name, block := range map[string]string{
		"no platform":             fileStore + "\n" + w.backends(""),
		"no backend":              fileStore + "\n" + harness.Platform("cf", ""),
		"a file that is a folder": "store file " + t.TempDir() + "\n" + harness.Platform("cf", "") + w.backends(""),
	} {
		if err := w.Reload(t, harness.Options{Block: block}); err == nil {
			t.Errorf("%s: the configuration was taken", name)
		}
		w.findAll(t, w.Gateway, all)
	}
	w.removeAll(t, w.Gateway, all)
}
