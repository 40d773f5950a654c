package samplebroker

import "net/http"

// readDeletion reads what the two deletions have in common: the ids, and whether the caller copes with asynchronous
// operations.
func readDeletion(c *call) (serviceID, planID string, acceptsIncomplete bool, err error) {
	if serviceID, err = c.requiredQuery("service_id"); err != nil {
		return "", "", false, err
	}
	if planID, err = c.requiredQuery("plan_id"); err != nil {
		return "", "", false, err
	}
	acceptsIncomplete, err = c.acceptsIncomplete()
	return serviceID, planID, acceptsIncomplete, err
}

// deprovision is DELETE /v2/service_instances/{id} (§ Deprovisioning). Bindings that are left go with the instance.
func (b *Broker) deprovision(c *call) (answer, error) {
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
	if err := i.checkIDs(serviceID, planID); err != nil {
		return answer{}, err
	}
	settings := b.planOf(i).settings
	running := i.history.running()
	if running != nil && running.kind == kindDeprovision {
		if !acceptsIncomplete {
			return answer{}, errAsyncRequired
		}
		return reply(http.StatusAccepted, instanceBody{Operation: running.id})
	}
	if i.bindingRuns() || running != nil && (running.kind != kindProvision || !settings.Interruptible) {
		return answer{}, errConcurrency
	}
	if settings.Async && !acceptsIncomplete {
		return answer{}, errAsyncRequired
	}
	if !settings.Async {
		if err := b.planOf(i).failing(kindDeprovision); err != nil {
			return answer{}, err
		}
	}
	if running != nil {
		running.halt()
	}
	if !settings.Async {
		i.history.add(finished(kindDeprovision))
		b.buryInstance(i)
		return reply(http.StatusOK, emptyObject{})
	}
	o := b.newOperation(kindDeprovision, settings)
	o.succeed = func() { b.buryInstance(i) }
	if i.phase == phaseCreating {
		o.fail = func() { i.phase = phaseFailed }
	}
	i.history.add(o)
	return reply(http.StatusAccepted, instanceBody{Operation: o.id})
}
