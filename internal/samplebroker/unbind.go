package samplebroker

import "net/http"

// unbind is DELETE of a binding (§ Unbinding).
func (b *Broker) unbind(c *call) (answer, error) {
	serviceID, planID, acceptsIncomplete, err := readDeletion(c)
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil {
		return answer{}, errGone
	}
	bound := i.binding(c.route.binding)
	if bound == nil {
		return answer{}, errGone
	}
	if err := i.checkIDs(serviceID, planID); err != nil {
		return answer{}, err
	}
	p := b.planOf(i)
	running := bound.history.running()
	if running != nil && running.kind == kindUnbind {
		if !acceptsIncomplete {
			return answer{}, errAsyncBindings
		}
		return reply(http.StatusAccepted, bindingBody{Operation: running.id})
	}
	if i.history.running() != nil || running != nil && !p.settings.Interruptible {
		return answer{}, errConcurrency
	}
	if p.settings.AsyncBindings && !acceptsIncomplete {
		return answer{}, errAsyncBindings
	}
	if !p.settings.AsyncBindings {
		if err := p.failing(kindUnbind); err != nil {
			return answer{}, err
		}
	}
	if running != nil {
		running.halt()
	}
	if !p.settings.AsyncBindings {
		bound.history.add(finished(kindUnbind))
		b.buryBinding(i, bound)
		return reply(http.StatusOK, emptyObject{})
	}
	o := b.newOperation(kindUnbind, p.settings)
	o.succeed = func() { b.buryBinding(i, bound) }
	if bound.phase == phaseCreating {
		o.fail = func() { bound.phase = phaseFailed }
	}
	bound.history.add(o)
	return reply(http.StatusAccepted, bindingBody{Operation: o.id})
}
