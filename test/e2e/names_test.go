package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// reload loads another block into the gateway.
func (w *world) reload(t *testing.T, block string) {
	t.Helper()
	options := w.options
	options.Block = block
	if err := w.Reload(t, options); err != nil {
		t.Fatal(err)
	}
	w.options = options
}

// named is a configuration with one platform and the broker alpha under other names.
func (w *world) named(store, platform, platformLines, backend, backendLines string) string {
	return store + "\n" + harness.Platform(platform, platformLines) + w.brokers[alpha].Backend(backend, backendLines) +
		w.brokers[beta].Backend(beta, "")
}

// TestRename renames a backend and a platform. What was made under the old names stays reachable, also when the
// configuration does not speak of them any more.
func TestRename(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		first, second, third := newGUID(), newGUID(), newGUID()
		works := func(id string) {
			t.Helper()
			w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
			w.expect(t, get(instancePath(id)+"/last_operation"), http.StatusOK, alpha)
			w.expect(t, put(bindingPath(id, "b"), bind(alpha, small)), http.StatusCreated, alpha)
			w.expect(t, del(bindingPath(id, "b")+ids(alpha, small)), http.StatusOK, alpha)
		}
		for _, id := range []string{first, second} {
			w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
		}
		w.reload(t, w.named(store, "cloud", "formerly cf", "postgres", "formerly alpha"))
		works(first)
		w.expect(t, put(instancePath(third), create(alpha, small)), http.StatusCreated, alpha)
		w.expect(t, del(instancePath(first)+ids(alpha, small)), http.StatusOK, alpha)

		w.reload(t, w.named(store, "cloud", "", "postgres", ""))
		works(second)
		w.Kill(t)
		w.Restart(t)
		for _, id := range []string{second, third} {
			works(id)
			w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
		}
		if got := w.brokers[alpha].Instances(); len(got) != 0 {
			t.Errorf("the broker is left with %q", got)
		}
	})
}

// TestNotConfigured takes a backend out of the configuration while it has instances.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		id := newGUID()
		w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
		w.expect(t, put(bindingPath(id, "b"), bind(alpha, small)), http.StatusCreated, alpha)
		other := "platform other {\n\tbasic_auth other " + harness.PasswordHash + "\n\tunknown_instances forward\n}\n"
		without := store + "\n" + harness.Platform("cf", "unknown_instances forward") + other +
			w.brokers[beta].Backend(beta, "")
		refuses := func(user string, wants bool) {
			t.Helper()
			query := ids(alpha, small)
			for _, r := range []harness.Request{
				get(instancePath(id)), get(instancePath(id) + "/last_operation" + query), del(instancePath(id) + query),
				put(instancePath(id), create(alpha, small)), patch(instancePath(id), change(alpha, small, large)),
				get(bindingPath(id, "b")), get(bindingPath(id, "b") + "/last_operation" + query),
				put(bindingPath(id, "b2"), bind(alpha, small)), del(bindingPath(id, "b") + query),
			} {
				r.User, r.Password = user, harness.Password
				answer := w.expect(t, r, http.StatusServiceUnavailable, "")
				refused(t, answer, "OwnershipUnavailable")
				says := strings.Contains(answer.Body, "instance belongs to backend alpha (last seen 2") &&
					strings.Contains(answer.Body, "), not configured; add it, or `formerly alpha`")
				if says != wants || !wants && strings.Contains(answer.Body, alpha) {
					t.Errorf("%s %s as %s: got %s", r.Method, r.Target, user, answer.Body)
				}
			}
		}
		w.reload(t, without)
		refuses(harness.User, true)
		refuses("other", false)
		awaitLog(t, w.Gateway, "2 records of backend alpha, which is not configured", "an instance belongs to a backend or platform")

		// So it is after a restart, and when the platform goes as well.
		w.Kill(t)
		w.Restart(t)
		refuses(harness.User, true)
		w.reload(t, store+"\n"+other+w.brokers[alpha].Backend(alpha, ""))
		w.expect(t, harness.Request{Method: http.MethodGet, Target: instancePath(id), User: "other", Password: harness.Password},
			http.StatusServiceUnavailable, "")
		awaitLog(t, w.Gateway, "2 records of platform cf, which is not configured")

		w.reload(t, w.block(store))
		w.expect(t, del(bindingPath(id, "b")+ids(alpha, small)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	})
}

// TestRenameWithoutFormerly forgets `formerly`, makes instances under the new name, and then adds it.
func TestRenameWithoutFormerly(t *testing.T) {
	t.Parallel()
	store := redisStore(t)
	w := newWorld(t, store)
	before, after := newGUID(), newGUID()
	w.expect(t, put(instancePath(before), create(alpha, small)), http.StatusCreated, alpha)
	w.reload(t, w.named(store, "cf", "", "postgres", ""))
	w.expect(t, get(instancePath(before)), http.StatusServiceUnavailable, "")
	awaitStatus(t, w.Gateway, put(instancePath(after), create(alpha, small)), http.StatusCreated)
	w.reload(t, w.named(store, "cf", "", "postgres", "formerly alpha"))
	for _, id := range []string{before, after} {
		w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
		w.expect(t, del(instancePath(id)+ids(alpha, small)), http.StatusOK, alpha)
	}
}
