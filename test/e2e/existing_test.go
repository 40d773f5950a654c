package e2e_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// existingCase is a call on an instance that a broker had before the gateway came, and then the same call on one that
// nobody has.
type existingCase struct {
	name string
	// crn: the id names the broker's offering; otherwise it is a GUID.
	crn  bool
	call func(id, binding, broker string) harness.Request
	// known is the broker's answer, unknown its answer where it has no such instance.
	known, unknown int
}

func existingCases() []existingCase {
	body := func(broker string) string { return create(broker, small) }
	return []existingCase{
		{"fetch", false, func(id, _, broker string) harness.Request {
			return get(instancePath(id) + "?service_id=" + serviceID(broker))
		}, http.StatusOK, http.StatusNotFound},
		{"fetch by plan", false, func(id, _, broker string) harness.Request {
			return get(instancePath(id) + "?plan_id=" + planID(broker, small))
		}, http.StatusOK, http.StatusNotFound},
		{"fetch by CRN", true, func(id, _, _ string) harness.Request {
			return get(instancePath(id))
		}, http.StatusOK, http.StatusNotFound},
		{"poll", false, func(id, _, broker string) harness.Request {
			return get(instancePath(id) + "/last_operation" + ids(broker, small))
		}, http.StatusOK, http.StatusNotFound},
		{"provision again", false, func(id, _, broker string) harness.Request {
			return put(instancePath(id), body(broker))
		}, http.StatusOK, http.StatusCreated},
		{"update", false, func(id, _, broker string) harness.Request {
			return patch(instancePath(id), change(broker, small, large))
		}, http.StatusOK, http.StatusNotFound},
		{"update asynchronously", false, func(id, _, broker string) harness.Request {
			return patch(instancePath(id)+asynchronous, change(broker, small, slow))
		}, http.StatusAccepted, http.StatusNotFound},
		{"bind", false, func(id, _, broker string) harness.Request {
			return put(bindingPath(id, newGUID()), bind(broker, small))
		}, http.StatusCreated, http.StatusNotFound},
		{"fetch binding", false, func(id, binding, broker string) harness.Request {
			return get(bindingPath(id, binding) + ids(broker, small))
		}, http.StatusOK, http.StatusNotFound},
		{"poll binding", false, func(id, binding, broker string) harness.Request {
			return get(bindingPath(id, binding) + "/last_operation" + ids(broker, small))
		}, http.StatusOK, http.StatusNotFound},
		{"unbind", false, func(id, binding, broker string) harness.Request {
			return del(bindingPath(id, binding) + ids(broker, small))
		}, http.StatusOK, http.StatusGone},
		{"deprovision", false, func(id, _, broker string) harness.Request {
			return del(instancePath(id) + ids(broker, small))
		}, http.StatusOK, http.StatusGone},
		{"state", true, func(id, _, _ string) harness.Request {
			return get(statePath(id))
		}, http.StatusOK, http.StatusNotFound},
		{"disable", true, func(id, _, _ string) harness.Request {
			return put(statePath(id), `{"enabled":false}`)
		}, http.StatusNoContent, http.StatusGone},
	}
}

// crnOf is an id, percent-encoded, that names the offering of a broker.
func crnOf(broker string) string {
	return "crn%3Av1%3Abluemix%3Apublic%3A" + serviceName(broker) + "%3Aus-south%3Aa%2F42%3A" + newGUID() + "%3A%3A"
}

// unseen is a broker's instance with a binding, for one case.
type unseen struct {
	existingCase
	broker, id, binding string
}

// putBehind starts a gateway in front of brokers that hold an instance for each case.
func putBehind(t *testing.T, store, unknownInstances string) (*world, []unseen) {
	t.Helper()
	var all []unseen
	existing := make(map[string][]samplebroker.ExistingInstance)
	for _, broker := range brokerNames {
		for _, c := range existingCases() {
			u := unseen{c, broker, newGUID(), newGUID()}
			if c.crn {
				u.id = crnOf(broker)
			}
			all = append(all, u)
			existing[broker] = append(existing[broker], samplebroker.ExistingInstance{
				InstanceID: decoded(t, u.id), ServiceID: serviceID(broker), PlanID: planID(broker, small),
				Organization: "org", Space: "space", Parameters: []byte(`{"n":12345678901234567890,"u":"é"}`),
				Bindings: []samplebroker.ExistingBinding{{BindingID: u.binding, AppGUID: "app"}},
			})
		}
	}
	w := brokersOnly(t, existing)
	w.start(t, harness.Options{
		Block: store + "\n" + harness.Platform("cf", "unknown_instances "+unknownInstances) + w.backends(""),
	})
	return w, all
}

func TestBrokerWithInstances(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w, all := putBehind(t, store, "forward")
		for _, u := range all {
			t.Run(u.name+" at "+u.broker, func(t *testing.T) {
				w.expect(t, u.call(u.id, u.binding, u.broker), u.known, u.broker)
				mutating := u.call(u.id, u.binding, u.broker).Method != http.MethodGet
				switch {
				case u.name == "deprovision", u.name == "unbind", u.crn:
				case mutating:
					// From now on the instance is known.
					w.expect(t, get(instancePath(u.id)+"/last_operation"), http.StatusOK, u.broker)
				default:
					// Reading makes nobody the owner.
					refused(t, w.expect(t, get(instancePath(u.id)), http.StatusNotFound, ""), "NotFound")
				}
			})
		}
		for _, broker := range brokerNames {
			for _, c := range existingCases() {
				t.Run(c.name+" of nothing at "+broker, func(t *testing.T) {
					id := newGUID()
					if c.crn {
						id = crnOf(broker)
					}
					w.expect(t, c.call(id, newGUID(), broker), c.unknown, broker)
				})
			}
		}
	})
}

// TestAdoptedInstanceLivesOn takes an instance that the gateway did not see being created through the rest of its life.
func TestAdoptedInstanceLivesOn(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w, all := putBehind(t, store, "forward")
		u := all[slices.IndexFunc(all, func(u unseen) bool { return u.name == "fetch" && u.broker == gamma })]
		instance, binding := instancePath(u.id), newGUID()
		accepted := w.expect(t, patch(instance+asynchronous, change(gamma, small, slow)), http.StatusAccepted, gamma)
		w.pollTo(t, instance, operation(t, accepted), gamma, small, http.StatusOK)
		w.expect(t, put(bindingPath(u.id, binding)+asynchronous, bind(gamma, slow)), http.StatusAccepted, gamma)
		w.Kill(t)
		w.Restart(t)
		w.expect(t, get(bindingPath(u.id, binding)+"/last_operation"), http.StatusOK, gamma)
		w.expect(t, get(instance), http.StatusOK, gamma)
		// The binding that was there before is found through its instance.
		w.expect(t, get(bindingPath(u.id, u.binding)), http.StatusOK, gamma)
		accepted = w.expect(t, del(instance+ids(gamma, slow)+"&accepts_incomplete=true"), http.StatusUnprocessableEntity, gamma)
		if got := field(t, accepted.Body, "error"); got != "ConcurrencyError" {
			t.Errorf("deletion while a binding is in the making: got %s, want the broker's ConcurrencyError", accepted.Body)
		}
		w.expect(t, get(bindingPath(u.id, binding)+"/last_operation"), http.StatusOK, gamma)
		accepted = w.expect(t, del(instance+ids(gamma, slow)+"&accepts_incomplete=true"), http.StatusAccepted, gamma)
		w.pollTo(t, instance, operation(t, accepted), gamma, slow, http.StatusGone)
	})
}

// TestUnknownWithoutHint has the answers of the gateway for calls that do not tell whose they are.
func TestUnknownWithoutHint(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w, all := putBehind(t, store, "forward")
		guid := all[slices.IndexFunc(all, func(u unseen) bool { return !u.crn })]
		for name, id := range map[string]string{
			"unknown": newGUID(), "held": guid.id, "CRN of nobody": "crn%3Av1%3Abluemix%3Apublic%3Anobody%3A%3Aa%2F1%3Ab%3A%3A",
		} {
			t.Run(name, func(t *testing.T) {
				w.expectRefusals(t, harness.Request{}, id, guid.binding, []refusal{
					{http.MethodGet, instancePath, http.StatusNotFound, "NotFound"},
					{http.MethodPatch, instancePath, http.StatusNotFound, "NotFound"},
					{http.MethodDelete, instancePath, http.StatusBadRequest, "BadRequest"},
					{http.MethodPut, instancePath, http.StatusBadRequest, "BadRequest"},
					{http.MethodGet, instancePoll, http.StatusServiceUnavailable, "OwnershipUnavailable"},
					{http.MethodGet, statePath, http.StatusNotFound, "NotFound"},
					{http.MethodPut, statePath, http.StatusNotFound, "NotFound"},
				}, []refusal{
					{http.MethodPut, nil, http.StatusNotFound, "NotFound"},
					{http.MethodGet, nil, http.StatusNotFound, "NotFound"},
					{http.MethodDelete, nil, http.StatusBadRequest, "BadRequest"},
				}, "{}")
			})
		}
	})
}

// TestReject has the answers for calls on instances that this gateway did not create, however well they are told.
func TestReject(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w, all := putBehind(t, store, "reject")
		for _, u := range all {
			if u.name != "fetch" && u.name != "state" {
				continue
			}
			for name, id := range map[string]string{"held": u.id, "unknown": newGUID()} {
				t.Run(name+" at "+u.broker+", "+u.name, func(t *testing.T) {
					w.expectUnreachable(t, harness.Request{}, id, u.binding, u.broker, http.StatusNotFound)
				})
			}
			t.Run("created again at "+u.broker+", "+u.name, func(t *testing.T) {
				w.expect(t, put(instancePath(u.id), create(u.broker, large)), http.StatusConflict, u.broker)
				// That the broker has it does not make it this platform's.
				w.expectUnreachable(t, harness.Request{}, u.id, u.binding, u.broker, http.StatusGone)
				if !holds(w.brokers[u.broker], decoded(t, u.id)) {
					t.Errorf("%s does not have %s any more", u.broker, u.id)
				}
			})
		}
		// What this gateway creates is reached as ever.
		id := newGUID()
		w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
		w.expect(t, get(instancePath(id)), http.StatusOK, beta)
		w.expect(t, del(instancePath(id)+ids(beta, small)), http.StatusOK, beta)
		w.expect(t, del(instancePath(id)+ids(beta, small)), http.StatusGone, beta)
	})
}
