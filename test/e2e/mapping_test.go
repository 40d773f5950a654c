package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// twins starts two deployments of one broker, alpha's: alpha and beta have the same ids and names.
func twins(t *testing.T) *world {
	t.Helper()
	w := brokersOnly(t, nil)
	w.brokers[beta] = harness.StartBroker(t, samplebroker.Options{Catalog: brokerCatalog(alpha)})
	return w
}

// side is how a platform knows the offering of one of the twins, and which of them that is.
type side struct {
	broker string
	// spell puts the ids that the platform knows in the place of the broker's own.
	spell *strings.Replacer
	// service and plans are those ids.
	service string
	plans   map[string]string
}

// plain is a side that knows the broker's own ids.
func plain(broker string) side {
	s := side{broker: broker, spell: strings.NewReplacer(), service: serviceID(alpha), plans: make(map[string]string)}
	for _, plan := range []string{small, large, slow} {
		s.plans[plan] = planID(alpha, plan)
	}
	return s
}

// published reads from the catalog how an offering of a twin is published.
func (w *world) published(t *testing.T, broker, name string) side {
	t.Helper()
	var catalog struct {
		Services []struct {
			ID, Name string
			Plans    []struct{ ID, Name string }
		}
	}
	answer := w.expect(t, get("/v2/catalog"), http.StatusOK, "")
	if err := json.Unmarshal([]byte(answer.Body), &catalog); err != nil {
		t.Fatal(err)
	}
	for _, offering := range catalog.Services {
		if offering.Name != name {
			continue
		}
		s := side{broker: broker, service: offering.ID, plans: make(map[string]string)}
		pairs := []string{serviceID(alpha), offering.ID}
		for _, plan := range offering.Plans {
			s.plans[plan.Name] = plan.ID
			pairs = append(pairs, planID(alpha, plan.Name), plan.ID)
		}
		s.spell = strings.NewReplacer(pairs...)
		return s
	}
	t.Fatalf("%s is not in the catalog: %s", name, answer.Body)
	return side{}
}

var uuidV5 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// wantMapped checks that all ids of a side are mapped ones.
func (s side) wantMapped(t *testing.T) {
	t.Helper()
	for _, id := range append([]string{s.service}, s.plans[small], s.plans[large], s.plans[slow]) {
		if !uuidV5.MatchString(id) {
			t.Errorf("got the id %q, want a UUID", id)
		}
	}
}

// expectFrom sends a call as the platform spells it, and checks that it arrives at the broker as it was given.
func (w *world) expectFrom(t *testing.T, s side, r harness.Request, status int) harness.Response {
	t.Helper()
	header := http.Header{identityHeader: {originatingIdentity}, requestIdentityHeader: {newGUID()}}
	maps.Copy(header, r.Header)
	r.Header = header
	asked := r
	asked.Target, asked.Body = s.spell.Replace(r.Target), s.spell.Replace(r.Body)
	w.forget()
	answer := w.Do(t, asked)
	if answer.Status != status {
		t.Errorf("%s %s: got %d %s, want %d", asked.Method, asked.Target, answer.Status, answer.Body, status)
	}
	for _, name := range brokerNames {
		arrived := w.arrivals(name)
		switch {
		case name != s.broker && len(arrived) > 0:
			t.Errorf("%s %s: %s got it, want %s", asked.Method, asked.Target, name, s.broker)
		case name == s.broker && len(arrived) != 1:
			t.Errorf("%s %s: %s got %d calls, want 1", asked.Method, asked.Target, name, len(arrived))
		case name == s.broker:
			checkArrival(t, r, arrived[0])
		}
	}
	return answer
}

// wantIDs checks the ids in the answer to the fetching of an instance.
func (s side) wantIDs(t *testing.T, answer harness.Response, plan string) {
	t.Helper()
	if got := field(t, answer.Body, "service_id"); got != s.service {
		t.Errorf("service_id: got %q, want %q", got, s.service)
	}
	if got := field(t, answer.Body, "plan_id"); got != s.plans[plan] {
		t.Errorf("plan_id: got %q, want %q", got, s.plans[plan])
	}
}

// changeAll is the body of a PATCH to a plan, with all previous values.
func changeAll(from, to string) string {
	return `{"service_id":"` + serviceID(alpha) + `","plan_id":"` + planID(alpha, to) + `","previous_values":{"plan_id":"` +
		planID(alpha, from) + `","service_id":"` + serviceID(alpha) + `"},"parameters":{"n":12345678901234567890}}`
}

// liveAs is the life of an instance of plans that do everything at once, with the ids of one side.
func (w *world) liveAs(t *testing.T, s side) {
	t.Helper()
	instance, binding := instancePath(newGUID()), newGUID()
	bound := instance + "/service_bindings/" + binding
	w.expectFrom(t, s, put(instance, create(alpha, small)), http.StatusCreated)
	w.expectFrom(t, s, put(instance, create(alpha, small)), http.StatusOK)
	s.wantIDs(t, w.expectFrom(t, s, get(instance), http.StatusOK), small)
	s.wantIDs(t, w.expectFrom(t, s, get(instance+ids(alpha, small)), http.StatusOK), small)
	w.expectFrom(t, s, patch(instance, changeAll(small, large)), http.StatusOK)
	s.wantIDs(t, w.expectFrom(t, s, get(instance), http.StatusOK), large)
	w.expectFrom(t, s, put(bound, bind(alpha, large)), http.StatusCreated)
	w.expectFrom(t, s, put(bound, bind(alpha, large)), http.StatusOK)
	w.expectFrom(t, s, get(bound), http.StatusOK)
	w.expectFrom(t, s, get(bound+ids(alpha, large)), http.StatusOK)
	w.expectFrom(t, s, del(bound+ids(alpha, large)), http.StatusOK)
	w.expectFrom(t, s, del(bound+ids(alpha, large)), http.StatusGone)
	w.expectFrom(t, s, del(instance+ids(alpha, large)), http.StatusOK)
	w.expectFrom(t, s, del(instance+ids(alpha, large)), http.StatusGone)
}

// liveSlowlyAs is the life of an instance of a plan that does everything asynchronously.
func (w *world) liveSlowlyAs(t *testing.T, s side) {
	t.Helper()
	instance, binding := instancePath(newGUID()), newGUID()
	bound := instance + "/service_bindings/" + binding
	poll := func(path string, accepted harness.Response, plan string, end int) {
		t.Helper()
		target := path + "/last_operation" + ids(alpha, plan) + "&operation=" + url.QueryEscape(operation(t, accepted))
		w.expectFrom(t, s, get(target), http.StatusOK)
		w.expectFrom(t, s, get(target), end)
		w.expectFrom(t, s, get(path+"/last_operation"), end)
	}
	accepted := w.expectFrom(t, s, put(instance+asynchronous, create(alpha, slow)), http.StatusAccepted)
	poll(instance, accepted, slow, http.StatusOK)
	s.wantIDs(t, w.expectFrom(t, s, get(instance), http.StatusOK), slow)
	w.expectFrom(t, s, patch(instance, changeAll(slow, small)), http.StatusOK)
	accepted = w.expectFrom(t, s, patch(instance+asynchronous, changeAll(small, slow)), http.StatusAccepted)
	poll(instance, accepted, small, http.StatusOK)
	s.wantIDs(t, w.expectFrom(t, s, get(instance), http.StatusOK), slow)
	accepted = w.expectFrom(t, s, put(bound+asynchronous, bind(alpha, slow)), http.StatusAccepted)
	poll(bound, accepted, slow, http.StatusOK)
	accepted = w.expectFrom(t, s, del(bound+ids(alpha, slow)+"&accepts_incomplete=true"), http.StatusAccepted)
	poll(bound, accepted, slow, http.StatusGone)
	accepted = w.expectFrom(t, s, del(instance+ids(alpha, slow)+"&accepts_incomplete=true"), http.StatusAccepted)
	poll(instance, accepted, slow, http.StatusGone)
}

// TestTwins has two deployments of one broker side by side. The ids of the second are mapped.
func TestTwins(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := twins(t)
		w.start(t, harness.Options{
			Block: store + "\n" + harness.Platform("cf", "") + w.brokers[alpha].Backend(alpha, "") +
				w.brokers[beta].Backend(beta, "namespace_ids\n\tprefix twin-"),
		})
		first, second := plain(alpha), w.published(t, beta, "twin-"+serviceName(alpha))
		second.wantMapped(t)
		if got := w.published(t, alpha, serviceName(alpha)); got.service != first.service {
			t.Errorf("the first twin has the id %q, want its own", got.service)
		}
		for name, s := range map[string]side{"own ids": first, "mapped ids": second} {
			t.Run(name, func(t *testing.T) {
				w.liveAs(t, s)
				w.liveSlowlyAs(t, s)
				// An instance that nobody knows of: the ids lead.
				w.expectFrom(t, s, get(instancePath(newGUID())+ids(alpha, small)), http.StatusNotFound)
				w.expectFrom(t, s, get(instancePath(newGUID())+"?plan_id="+planID(alpha, small)), http.StatusNotFound)
				w.expectFrom(t, s, del(instancePath(newGUID())+ids(alpha, small)), http.StatusGone)
			})
		}
		// One twin's ids on the other's instance contradict its record.
		id := newGUID()
		w.expectFrom(t, first, put(instancePath(id), create(alpha, small)), http.StatusCreated)
		other := put(instancePath(id), second.spell.Replace(create(alpha, small)))
		refused(t, w.expect(t, other, http.StatusConflict, ""), "Conflict")
		changed := patch(instancePath(id), second.spell.Replace(changeAll(small, large)))
		refused(t, w.expect(t, changed, http.StatusBadRequest, ""), "BadRequest")
		if logged := w.Output(); !strings.Contains(logged, `"service_id":"`+second.service+`"`) {
			t.Error("the audit log does not have the ids that the platform used")
		}
	})
}

// TestNamespaceIDsTurned turns namespace_ids on and off again. Instances stay reachable by the ids that they were created
// with and by the others, across restarts, and are answered for with the ids that the platform knows.
func TestNamespaceIDsTurned(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := twins(t)
		block := func(lines string) string {
			return store + "\n" + harness.Platform("cf", "") + w.brokers[alpha].Backend(alpha, lines)
		}
		w.start(t, harness.Options{Block: block("")})
		own := plain(alpha)
		first, second, third := instancePath(newGUID()), instancePath(newGUID()), instancePath(newGUID())
		w.expectFrom(t, own, put(first, create(alpha, small)), http.StatusCreated)

		w.reload(t, block("namespace_ids"))
		mapped := w.published(t, alpha, serviceName(alpha))
		mapped.wantMapped(t)
		w.expectFrom(t, mapped, put(second, create(alpha, small)), http.StatusCreated)
		w.expectFrom(t, own, put(third, create(alpha, small)), http.StatusCreated) // by a catalog that the platform still has
		// used does what a platform may do by either ids. By is the side that it knows the instance by, which changes with
		// an update of the plan.
		used := func(path string, by side) {
			t.Helper()
			by.wantIDs(t, w.expectFrom(t, by, get(path), http.StatusOK), small)
			for _, s := range []side{own, mapped} {
				s.wantIDs(t, w.expectFrom(t, s, get(path+ids(alpha, small)), http.StatusOK), small)
				w.expectFrom(t, s, put(path, create(alpha, small)), http.StatusOK)
				bound := path + "/service_bindings/" + newGUID()
				w.expectFrom(t, s, put(bound, bind(alpha, small)), http.StatusCreated)
				w.expectFrom(t, s, del(bound+ids(alpha, small)), http.StatusOK)
				w.expectFrom(t, s, patch(path, `{"service_id":"`+serviceID(alpha)+`","parameters":{}}`), http.StatusOK)
				by.wantIDs(t, w.expectFrom(t, by, get(path), http.StatusOK), small)
			}
			for _, s := range []side{own, mapped, by} {
				w.expectFrom(t, s, patch(path, changeAll(small, large)), http.StatusOK)
				s.wantIDs(t, w.expectFrom(t, s, get(path), http.StatusOK), large)
				w.expectFrom(t, s, patch(path, changeAll(large, small)), http.StatusOK)
			}
		}
		used(first, own)
		used(second, mapped)
		w.Kill(t)
		w.Restart(t)
		used(first, own)
		used(second, mapped)
		w.reload(t, block(""))
		if got := w.published(t, alpha, serviceName(alpha)); got.service != own.service {
			t.Errorf("the catalog has the id %q, want the broker's own", got.service)
		}
		used(first, own)
		used(second, mapped)
		w.Kill(t)
		w.Restart(t)
		used(second, mapped)
		w.liveAs(t, own)
		w.liveAs(t, mapped)
		w.expectFrom(t, own, del(second+ids(alpha, small)), http.StatusOK)
		w.expectFrom(t, mapped, del(first+ids(alpha, small)), http.StatusOK)
		w.expectFrom(t, mapped, del(third+ids(alpha, small)), http.StatusOK)
	})
}

// TestDrain has a backend that gets no new instances: all else goes on, in the catalog or hidden from it.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{"visible": "drain", "hidden": "drain hidden"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, store string) {
				w := newWorld(t, store)
				block := func(lines string) string {
					return store + "\n" + harness.Platform("cf", "") + w.brokers[alpha].Backend(alpha, "") +
						w.brokers[beta].Backend(beta, lines)
				}
				id, gone := newGUID(), newGUID()
				for _, id := range []string{id, gone} {
					w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
				}
				w.reload(t, block(lines))
				catalog := w.expect(t, get("/v2/catalog"), http.StatusOK, "").Body
				if shown := strings.Contains(catalog, serviceID(beta)); shown != (name == "visible") {
					t.Errorf("the catalog has the offering: got %t", shown)
				}
				w.expect(t, del(instancePath(gone)+ids(beta, small)), http.StatusOK, beta)
				for _, id := range []string{newGUID(), gone} {
					for _, body := range []string{create(beta, small), `{"service_id":"` + serviceID(beta) + `"}`} {
						refused(t, w.expect(t, put(instancePath(id), body), http.StatusForbidden, ""), "NotAllowed")
					}
				}
				w.useAll(t, id)
				w.expect(t, del(instancePath(id)+ids(beta, small)), http.StatusOK, beta)
				w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)

				w.reload(t, block(""))
				w.expect(t, put(instancePath(gone), create(beta, small)), http.StatusCreated, beta)
			})
		})
	}
}

// useAll does everything with an instance of beta's that may be done although its backend is drained.
func (w *world) useAll(t *testing.T, id string) {
	t.Helper()
	w.expect(t, put(instancePath(id), create(beta, small)), http.StatusOK, beta)
	w.expect(t, patch(instancePath(id), change(beta, small, large)), http.StatusOK, beta)
	w.expect(t, patch(instancePath(id), change(beta, large, small)), http.StatusOK, beta)
	w.expect(t, put(bindingPath(id, "b"), bind(beta, small)), http.StatusCreated, beta)
	w.expect(t, get(bindingPath(id, "b")), http.StatusOK, beta)
	w.expect(t, del(bindingPath(id, "b")+ids(beta, small)), http.StatusOK, beta)
	w.expect(t, get(instancePath(id)), http.StatusOK, beta)
	w.expect(t, get(instancePath(id)+"/last_operation"), http.StatusOK, beta)
}

// TestOfferingsNotVisible takes an offering from a platform that has instances of it. It keeps control of them, and gets
// nothing new; the other platform sees no difference.
func TestOfferingsNotVisible(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]string{
		"deny by name": "offerings deny " + serviceName(beta), "deny by id": "offerings deny " + serviceID(beta),
		"deny the backend": "offerings deny backend:beta", "allow others": "offerings allow backend:alpha gamma-*",
		"allow and deny": "offerings allow *\n\tofferings deny beta-*",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := redisStore(t)
			w := brokersOnly(t, nil)
			block := func(lines string) string {
				return store + "\n" + harness.Platform("first", "unknown_instances forward\n\t"+lines) +
					"platform second {\n\tbasic_auth " + otherUser + " " + harness.PasswordHash +
					"\n\tunknown_instances reject\n}\n" + w.backends("")
			}
			w.start(t, harness.Options{Block: block("")})
			id, theirs := newGUID(), newGUID()
			second := func(r harness.Request) harness.Request {
				r.User, r.Password = otherUser, harness.Password
				return r
			}
			w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
			w.expect(t, put(bindingPath(id, "old"), bind(beta, small)), http.StatusCreated, beta)
			w.expect(t, second(put(instancePath(theirs), create(beta, small))), http.StatusCreated, beta)

			w.reload(t, block(lines))
			for _, seen := range []struct {
				r    harness.Request
				want bool
			}{{get("/v2/catalog"), false}, {second(get("/v2/catalog")), true}} {
				catalog := w.expect(t, seen.r, http.StatusOK, "").Body
				if got := strings.Contains(catalog, serviceID(beta)); got != seen.want || !strings.Contains(catalog, serviceID(alpha)) {
					t.Errorf("%s sees the offering: got %t, want %t", seen.r.User, got, seen.want)
				}
			}
			for _, r := range []harness.Request{
				put(instancePath(newGUID()), create(beta, small)),
				patch(instancePath(id), change(beta, small, large)),
				put(bindingPath(id, "new"), bind(beta, small)),
				put(bindingPath(newGUID(), "new"), bind(beta, small)),
				patch(instancePath(newGUID()), change(beta, small, large)),
			} {
				refused(t, w.expect(t, r, http.StatusForbidden, ""), "NotAllowed")
			}
			w.expect(t, put(instancePath(id), create(beta, small)), http.StatusOK, beta)
			w.expect(t, patch(instancePath(id), change(beta, small, small)), http.StatusOK, beta)
			w.expect(t, get(instancePath(id)), http.StatusOK, beta)
			w.expect(t, put(bindingPath(id, "old"), bind(beta, small)), http.StatusOK, beta)
			w.expect(t, get(bindingPath(id, "old")), http.StatusOK, beta)
			w.expect(t, del(bindingPath(id, "old")+ids(beta, small)), http.StatusOK, beta)
			refused(t, w.expect(t, put(bindingPath(id, "old"), bind(beta, small)), http.StatusForbidden, ""), "NotAllowed")
			w.expect(t, del(instancePath(id)+ids(beta, small)), http.StatusOK, beta)
			refused(t, w.expect(t, put(instancePath(id), create(beta, small)), http.StatusForbidden, ""), "NotAllowed")

			w.expect(t, second(patch(instancePath(theirs), change(beta, small, large))), http.StatusOK, beta)
			w.expect(t, second(put(bindingPath(theirs, "b"), bind(beta, large))), http.StatusCreated, beta)
			w.expect(t, second(put(instancePath(newGUID()), create(beta, small))), http.StatusCreated, beta)
		})
	}
}
