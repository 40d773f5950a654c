package crash_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The brokers. Everything is made on alpha; beta is where an id goes that is free.
const (
	alpha = "alpha"
	beta  = "beta"
)

// The plans of both brokers: everything at once, again, and everything asynchronous.
const (
	small = "small"
	large = "large"
	slow  = "slow"
)

func serviceID(broker string) string    { return broker + "-service-id" }
func planID(broker, plan string) string { return broker + "-" + plan + "-id" }

func catalog(broker string) []byte {
	plan := func(name, settings string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"description":"a plan","metadata":{"samplebroker":%s}}`,
			planID(broker, name), name, settings)
	}
	return fmt.Appendf(nil, `{"services":[{"name":"%s-service","id":%q,"description":"a service","bindable":true,`+
		`"instances_retrievable":true,"bindings_retrievable":true,"plan_updateable":true,"plans":[%s]}]}`,
		broker, serviceID(broker), strings.Join([]string{
			plan(small, `{}`), plan(large, `{}`), plan(slow, `{"async":true,"async_bindings":true}`),
		}, ","))
}

// subject is what one killed call was about.
type subject struct{ instance, binding, plan string }

// path is that of the binding if there is one, else that of the instance.
func (s subject) path() string {
	if s.binding == "" {
		return s.instancePath()
	}
	return s.instancePath() + "/service_bindings/" + s.binding
}

func (s subject) instancePath() string { return "/v2/service_instances/" + s.instance }

func (s subject) ids(broker string) string {
	return "?service_id=" + serviceID(broker) + "&plan_id=" + planID(broker, s.plan) + "&accepts_incomplete=true"
}

// put creates the instance or the binding.
func (s subject) put(broker string) harness.Request {
	body := fmt.Sprintf(`{"service_id":%q,"plan_id":%q,"organization_guid":"o","space_guid":"s"}`,
		serviceID(broker), planID(broker, s.plan))
	if s.binding != "" {
		body = fmt.Sprintf(`{"service_id":%q,"plan_id":%q}`, serviceID(broker), planID(broker, s.plan))
	}
	return harness.Request{Method: http.MethodPut, Target: s.path() + "?accepts_incomplete=true", Body: body}
}

func (s subject) patch() harness.Request {
	body := fmt.Sprintf(`{"service_id":%q,"parameters":{"size":2}}`, serviceID(alpha))
	return harness.Request{Method: http.MethodPatch, Target: s.path() + "?accepts_incomplete=true", Body: body}
}

func (s subject) delete(broker string) harness.Request {
	return harness.Request{Method: http.MethodDelete, Target: s.path() + s.ids(broker)}
}

// get and poll say nothing but the path.
func (s subject) get() harness.Request {
	return harness.Request{Method: http.MethodGet, Target: s.path()}
}

func (s subject) poll() harness.Request {
	return harness.Request{Method: http.MethodGet, Target: s.path() + "/last_operation"}
}

// of is the instance of a binding.
func (s subject) of() subject { return subject{instance: s.instance, plan: s.plan} }

// operation is a call in whose middle the gateway dies.
type operation struct {
	name, plan string
	onBinding  bool
	// before has what must be there; each call is repeated until it is not 202 any more.
	before func(subject) []harness.Request
	call   func(subject) harness.Request
}

func nothing(subject) []harness.Request { return nil }

func itself(s subject) []harness.Request { return []harness.Request{s.put(alpha)} }

func itsInstance(s subject) []harness.Request { return []harness.Request{s.of().put(alpha)} }

func both(s subject) []harness.Request { return []harness.Request{s.of().put(alpha), s.put(alpha)} }

// operations are all that change something, at once and asynchronously.
func operations() []operation {
	create := func(s subject) harness.Request { return s.put(alpha) }
	remove := func(s subject) harness.Request { return s.delete(alpha) }
	return []operation{
		{"create", small, false, nothing, create},
		{"create-async", slow, false, nothing, create},
		{"update", small, false, itself, subject.patch},
		{"update-async", slow, false, itself, subject.patch},
		{"delete", small, false, itself, remove},
		{"delete-async", slow, false, itself, remove},
		{"bind", small, true, itsInstance, create},
		{"bind-async", slow, true, itsInstance, create},
		{"unbind", small, true, both, remove},
		{"unbind-async", slow, true, both, remove},
	}
}

// next is what a platform may do when its call died.
type next struct {
	name string
	call func(operation, subject) harness.Request
}

func nexts() []next {
	return []next{
		{"repeat", func(o operation, s subject) harness.Request { return o.call(s) }},
		{"delete", func(_ operation, s subject) harness.Request { return s.delete(alpha) }},
		{"create", func(_ operation, s subject) harness.Request { return s.put(alpha) }},
		{"get", func(_ operation, s subject) harness.Request { return s.get() }},
		{"poll", func(_ operation, s subject) harness.Request { return s.poll() }},
		// The same id for an offering of another broker: only an id that is known to be free may go there.
		{"elsewhere", func(_ operation, s subject) harness.Request { return s.put(beta) }},
	}
}

// newID returns a random id.
func newID() string { return strings.ToLower(rand.Text()) }
