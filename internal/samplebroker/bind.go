package samplebroker

import (
	"net/http"
	"time"
)

// bindRequest is the body of a bind.
type bindRequest struct {
	bindingAttributes
	serviceID, planID string
	acceptsIncomplete bool
}

// readBind reads the request (§ Binding). A rotation needs no other field than predecessor_binding_id.
func readBind(c *call) (bindRequest, error) {
	var r bindRequest
	o, err := c.object()
	if err != nil {
		return r, err
	}
	if r.acceptsIncomplete, err = c.acceptsIncomplete(); err != nil {
		return r, err
	}
	if r.predecessor, err = o.text("predecessor_binding_id"); err != nil {
		return r, err
	}
	read := o.requiredText
	if r.predecessor != "" {
		read = o.text
	}
	if r.serviceID, err = read("service_id"); err != nil {
		return r, err
	}
	if r.planID, err = read("plan_id"); err != nil {
		return r, err
	}
	if _, err = o.object("context"); err != nil {
		return r, err
	}
	if r.parameters, err = o.raw("parameters"); err != nil {
		return r, err
	}
	if r.bindResource, err = o.raw("bind_resource"); err != nil {
		return r, err
	}
	resource, err := o.object("bind_resource")
	if err != nil {
		return r, err
	}
	if _, err = resource.text("route"); err != nil {
		return r, err
	}
	if r.appGUID, err = resource.text("app_guid"); err == nil && r.appGUID == "" {
		r.appGUID, err = o.text("app_guid")
	}
	return r, err
}

// bind is PUT of a binding.
func (b *Broker) bind(c *call) (answer, error) {
	request, err := readBind(c)
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil {
		return answer{}, errNoInstance
	}
	if err := i.checkIDs(request.serviceID, request.planID); err != nil {
		return answer{}, err
	}
	if !i.enabled {
		return answer{}, refuse(http.StatusForbidden, "The service instance is disabled. Enable it to bind it.")
	}
	if existing := i.binding(c.route.binding); existing != nil {
		a, again, err := bindAgain(existing, request)
		if !again {
			return a, err
		}
	}
	if i.history.running() != nil {
		return answer{}, errConcurrency
	}
	if i.phase == phaseFailed {
		return answer{}, errCreationFailed
	}
	p := b.planOf(i)
	if !p.bindable {
		return answer{}, badRequest("Instances of this service plan cannot be bound.")
	}
	if request.bindingAttributes, err = b.inherit(i, p, request.bindingAttributes); err != nil {
		return answer{}, err
	}
	if p.settings.RequiresApp && request.appGUID == "" {
		return answer{}, errRequiresApp
	}
	if p.settings.AsyncBindings && !request.acceptsIncomplete {
		return answer{}, errAsyncBindings
	}
	if !p.settings.AsyncBindings {
		if err := p.failing(kindBind); err != nil {
			return answer{}, err
		}
	}
	bound := b.newBinding(i, c.route.binding, request.bindingAttributes, p)
	if !p.settings.AsyncBindings {
		bound.phase = phaseReady
		bound.history.add(finished(kindBind))
		return reply(http.StatusCreated, bound.body)
	}
	o := b.newOperation(kindBind, p.settings)
	o.succeed = func() { bound.phase = phaseReady }
	o.fail = func() { bound.phase = phaseFailed }
	bound.history.add(o)
	return reply(http.StatusAccepted, bindingBody{Operation: o.id})
}

// bindAgain answers for an id that is in use. Again tells that the creation is to begin once more, since it failed
// before.
func bindAgain(bound *binding, request bindRequest) (a answer, again bool, err error) {
	running := bound.history.running()
	switch {
	case running != nil && running.kind != kindBind:
		return answer{}, false, errConcurrency
	case !bound.same(request.bindingAttributes):
		return answer{}, false, refuse(http.StatusConflict, "A service binding with this id has other parameters.")
	case running != nil && !request.acceptsIncomplete:
		return answer{}, false, errAsyncBindings
	case running != nil:
		a, err = reply(http.StatusAccepted, bindingBody{Operation: running.id})
		return a, false, err
	case bound.phase == phaseFailed:
		return answer{}, true, nil
	default:
		a, err = reply(http.StatusOK, bound.body)
		return a, false, err
	}
}

// inherit gives a successor what its predecessor has (§ Binding Rotation). Other bindings stay as they are.
func (b *Broker) inherit(i *instance, p *plan, chosen bindingAttributes) (bindingAttributes, error) {
	if chosen.predecessor == "" {
		return chosen, nil
	}
	if !p.bindingRotatable {
		return chosen, badRequest("Bindings of this service plan cannot be rotated.")
	}
	old := i.binding(chosen.predecessor)
	if old == nil || old.phase != phaseReady || old.history.running() != nil {
		return chosen, badRequest("The field predecessor_binding_id names no binding of this service instance.")
	}
	if !old.expires.IsZero() && !b.now().Before(old.expires) {
		return chosen, badRequest("The binding that predecessor_binding_id names has expired.")
	}
	inherited := old.bindingAttributes
	inherited.predecessor = chosen.predecessor
	return inherited, nil
}

// timeForm is the one form of binding metadata, which is in UTC (§ Binding Metadata Object).
const timeForm = "2006-01-02T15:04:05.0Z"

// newBinding returns a binding that is being created, with what it will be answered with.
func (b *Broker) newBinding(i *instance, id string, chosen bindingAttributes, p *plan) *binding {
	bound := &binding{id: id, bindingAttributes: chosen, phase: phaseCreating}
	bound.body = b.generate(i, bound, p.offering)
	if seconds := p.settings.BindingLifetimeSeconds; seconds > 0 {
		lifetime := time.Duration(seconds) * time.Second
		now := b.now().UTC()
		bound.expires = now.Add(lifetime)
		bound.body.Metadata = &bindingMetadata{
			ExpiresAt: bound.expires.Format(timeForm),
			// Four fifths of the time are for use, the last for the exchange.
			RenewBefore: now.Add(lifetime / 5 * 4).Format(timeForm),
		}
	}
	held := i.binding(id) != nil
	if old := i.bindings[id]; old != nil {
		bound.history = old.history
	}
	i.bindings[id] = bound
	if !held {
		b.observe(i.id, id, true)
	}
	i.lastActive = b.now()
	return bound
}
