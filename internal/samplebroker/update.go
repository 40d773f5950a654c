package samplebroker

import (
	"encoding/json"
	"maps"
	"net/http"
)

// updateRequest is the body of an update. What was not given is empty or nil.
type updateRequest struct {
	serviceID, planID  string
	context            json.RawMessage
	parameters         object
	maintenanceVersion string
	previousServiceID  string
	previousPlanID     string
	acceptsIncomplete  bool
	fingerprint        string
}

// readUpdate reads the request (§ Updating a Service Instance).
func readUpdate(c *call) (updateRequest, error) {
	var r updateRequest
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
	if r.planID, err = o.text("plan_id"); err != nil {
		return r, err
	}
	if r.context, err = o.raw("context"); err != nil {
		return r, err
	}
	if r.parameters, err = o.object("parameters"); err != nil {
		return r, err
	}
	if r.maintenanceVersion, err = o.maintenanceVersion(); err != nil {
		return r, err
	}
	previous, err := o.object("previous_values")
	if err != nil {
		return r, err
	}
	if r.previousServiceID, err = previous.text("service_id"); err != nil {
		return r, err
	}
	if r.previousPlanID, err = previous.text("plan_id"); err != nil {
		return r, err
	}
	fingerprint, err := marshal(o)
	r.fingerprint = canonical(fingerprint)
	return r, err
}

// update is PATCH /v2/service_instances/{id}. Parameters that are given replace those of the same name.
func (b *Broker) update(c *call) (answer, error) {
	request, err := readUpdate(c)
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil {
		return answer{}, errNoInstance
	}
	if running := i.history.running(); running != nil {
		return updateAgain(running, request)
	}
	if i.phase == phaseFailed {
		return answer{}, errCreationFailed
	}
	if err := i.checkIDs(request.serviceID, ""); err != nil {
		return answer{}, err
	}
	if err := i.checkIDs(request.previousServiceID, request.previousPlanID); err != nil {
		return answer{}, err
	}
	target, err := b.targetPlan(i, request.planID)
	if err != nil {
		return answer{}, err
	}
	if err := target.checkMaintenance(request.maintenanceVersion); err != nil {
		return answer{}, err
	}
	change, err := i.change(request, target)
	if err != nil {
		return answer{}, err
	}
	if change == nil {
		return reply(http.StatusOK, emptyObject{})
	}
	if !target.settings.Async {
		if err := target.failing(kindUpdate); err != nil {
			return answer{}, err
		}
		b.apply(i, change)
		i.history.add(finished(kindUpdate))
		return reply(http.StatusOK, emptyObject{})
	}
	if !request.acceptsIncomplete {
		return answer{}, errAsyncRequired
	}
	o := b.newOperation(kindUpdate, target.settings)
	o.request = request.fingerprint
	o.succeed = func() { b.apply(i, change) }
	i.history.add(o)
	return reply(http.StatusAccepted, instanceBody{Operation: o.id})
}

// updateAgain answers while something is in progress.
func updateAgain(running *operation, request updateRequest) (answer, error) {
	if running.kind != kindUpdate || running.request != request.fingerprint {
		return answer{}, errConcurrency
	}
	if !request.acceptsIncomplete {
		return answer{}, errAsyncRequired
	}
	return reply(http.StatusAccepted, instanceBody{Operation: running.id})
}

// targetPlan returns the plan that the instance is to have. Whether it may change is said by the plan that it has.
func (b *Broker) targetPlan(i *instance, planID string) (*plan, error) {
	current := b.planOf(i)
	if planID == "" || planID == i.planID {
		return current, nil
	}
	target, err := b.catalog.plan(i.serviceID, planID)
	if err != nil {
		return nil, err
	}
	if !current.planUpdateable {
		return nil, errPlanUnsupported
	}
	return target, nil
}

// instanceChange is what an update makes of an instance.
type instanceChange struct {
	plan                *plan
	context, parameters json.RawMessage
	maintenanceVersion  string
}

// change returns nil when the update would leave the instance as it is. A context alone changes something only where
// the offering says allow_context_updates.
func (i *instance) change(request updateRequest, target *plan) (*instanceChange, error) {
	change := &instanceChange{
		plan: target, context: i.context, parameters: i.parameters, maintenanceVersion: i.maintenanceVersion,
	}
	changed := target.id != i.planID
	if changed || request.maintenanceVersion != "" {
		changed = changed || i.maintenanceVersion != target.maintenanceVersion
		change.maintenanceVersion = target.maintenanceVersion
	}
	if request.parameters != nil {
		merged, err := mergeParameters(i.parameters, request.parameters)
		if err != nil {
			return nil, err
		}
		if canonical(merged) != canonical(i.parameters) {
			changed, change.parameters = true, merged
		}
	}
	if request.context != nil && (changed || target.offering.allowContextUpdates) {
		changed = changed || canonical(request.context) != canonical(i.context)
		change.context = request.context
	}
	if !changed {
		return nil, nil
	}
	return change, nil
}

func mergeParameters(held json.RawMessage, given object) (json.RawMessage, error) {
	merged := make(object)
	if !isNull(held) {
		if err := json.Unmarshal(held, &merged); err != nil {
			return nil, err
		}
	}
	maps.Copy(merged, given)
	return marshal(merged)
}

func (b *Broker) apply(i *instance, change *instanceChange) {
	i.plan, i.planID = change.plan, change.plan.id
	i.plans[i.planID] = true
	i.context, i.parameters = change.context, change.parameters
	i.maintenanceVersion = change.maintenanceVersion
	i.lastActive = b.now()
}
