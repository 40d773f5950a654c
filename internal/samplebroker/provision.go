package samplebroker

import "net/http"

// provisionRequest is the body of a provisioning.
type provisionRequest struct {
	attributes
	maintenanceVersion string
	acceptsIncomplete  bool
}

// readProvision reads the request (§ Provisioning). The organization and the space are read where they are given: the
// specification wants them, and platforms that have neither send none.
func readProvision(c *call) (provisionRequest, error) {
	var r provisionRequest
	o, err := c.object()
	if err != nil {
		return r, err
	}
	if r.acceptsIncomplete, err = c.acceptsIncomplete(); err != nil {
		return r, err
	}
	if r.serviceID, err = o.requiredText("service_id"); err != nil {
		return r, err
	}
	if r.planID, err = o.requiredText("plan_id"); err != nil {
		return r, err
	}
	if r.organization, err = o.text("organization_guid"); err != nil {
		return r, err
	}
	if r.spaceGUID, err = o.text("space_guid"); err != nil {
		return r, err
	}
	if r.context, err = o.raw("context"); err != nil {
		return r, err
	}
	if r.parameters, err = o.raw("parameters"); err != nil {
		return r, err
	}
	r.maintenanceVersion, err = o.maintenanceVersion()
	return r, err
}

// provision is PUT /v2/service_instances/{id}.
func (b *Broker) provision(c *call) (answer, error) {
	request, err := readProvision(c)
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if existing := b.instance(c.route.instance); existing != nil {
		a, again, err := provisionAgain(existing, request)
		if !again {
			return a, err
		}
	}
	p, err := b.catalog.plan(request.serviceID, request.planID)
	if err != nil {
		return answer{}, err
	}
	if err := p.checkMaintenance(request.maintenanceVersion); err != nil {
		return answer{}, err
	}
	if p.settings.Async && !request.acceptsIncomplete {
		return answer{}, errAsyncRequired
	}
	if !p.settings.Async {
		if err := p.failing(kindProvision); err != nil {
			return answer{}, err
		}
	}
	i := b.newInstance(c.route.instance, request.attributes, p)
	body, status := i.created(), http.StatusCreated
	if p.settings.Async {
		o := b.newOperation(kindProvision, p.settings)
		o.succeed = func() { i.phase = phaseReady }
		o.fail = func() { i.phase = phaseFailed }
		i.history.add(o)
		body.Operation, status = o.id, http.StatusAccepted
	} else {
		i.phase = phaseReady
		i.history.add(finished(kindProvision))
	}
	return reply(status, body)
}

// provisionAgain answers for an id that is in use. Again tells that the creation is to begin once more, since it failed
// before.
func provisionAgain(i *instance, request provisionRequest) (a answer, again bool, err error) {
	running := i.history.running()
	switch {
	case running != nil && running.kind != kindProvision:
		return answer{}, false, errConcurrency
	case !i.same(request.attributes):
		return answer{}, false, refuse(http.StatusConflict, "A service instance with this id has other attributes.")
	case running != nil && !request.acceptsIncomplete:
		return answer{}, false, errAsyncRequired
	case running != nil:
		body := i.created()
		body.Operation = running.id
		a, err = reply(http.StatusAccepted, body)
		return a, false, err
	case i.phase == phaseFailed:
		return answer{}, true, nil
	default:
		a, err = reply(http.StatusOK, i.created())
		return a, false, err
	}
}

// newInstance returns an instance that is being created. A tombstone under its id leaves it its history, for polls of
// the old operations.
func (b *Broker) newInstance(id string, chosen attributes, p *plan) *instance {
	i := &instance{
		id:                 id,
		attributes:         chosen,
		phase:              phaseCreating,
		plan:               p,
		plans:              map[string]bool{chosen.planID: true},
		maintenanceVersion: p.maintenanceVersion,
		enabled:            true,
		lastActive:         b.now(),
		bindings:           make(map[string]*binding),
	}
	held := b.instance(id) != nil
	if old := b.instances[id]; old != nil {
		i.history, i.bindings, i.graves = old.history, old.bindings, old.graves
	}
	b.instances[id] = i
	if !held {
		b.observe(id, "", true)
	}
	return i
}
