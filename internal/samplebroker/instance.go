package samplebroker

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// phase is where in its life an instance or a binding is. What is being done to it is in its history.
type phase uint8

const (
	// phaseGone is a tombstone: the history is kept for polls that repeat.
	phaseGone phase = iota
	phaseCreating
	phaseReady
	// phaseFailed is what an asynchronous creation left behind that failed. It can be deleted.
	phaseFailed
)

// instance is a service instance.
type instance struct {
	id string
	attributes
	phase   phase
	history history
	// plan is the plan as it was known last, in case the catalog loses it.
	plan *plan
	// plans are the ids of all plans that the instance ever had: a platform that lost an answer knows the old one only.
	plans              map[string]bool
	maintenanceVersion string
	enabled            bool
	lastActive         time.Time
	bindings           map[string]*binding
	graves             graveyard
}

// attributes are what a platform chooses when it provisions.
type attributes struct {
	serviceID, planID       string
	organization, spaceGUID string
	context, parameters     json.RawMessage
}

// same tells whether a request that is sent again asks for what is there. The context is not looked at: names and
// annotations in it change by themselves.
func (a attributes) same(other attributes) bool {
	return a.serviceID == other.serviceID && a.planID == other.planID &&
		a.organization == other.organization && a.spaceGUID == other.spaceGUID &&
		canonical(a.parameters) == canonical(other.parameters)
}

// instanceBody is what answers say of an instance.
type instanceBody struct {
	ServiceID       string            `json:"service_id,omitempty"`
	PlanID          string            `json:"plan_id,omitempty"`
	DashboardURL    string            `json:"dashboard_url,omitempty"`
	Parameters      json.RawMessage   `json:"parameters,omitempty"`
	MaintenanceInfo *maintenanceInfo  `json:"maintenance_info,omitempty"`
	Metadata        *instanceMetadata `json:"metadata,omitempty"`
	Operation       string            `json:"operation,omitempty"`
}

type maintenanceInfo struct {
	Version string `json:"version"`
}

type instanceMetadata struct {
	Labels     map[string]string `json:"labels"`
	Attributes map[string]string `json:"attributes"`
}

// created returns what the answers to provisioning say.
func (i *instance) created() instanceBody {
	return instanceBody{
		DashboardURL: "https://dashboard.example.com/instances/" + url.PathEscape(i.id),
		Metadata: &instanceMetadata{
			Labels:     map[string]string{"plan": i.plan.name},
			Attributes: map[string]string{"samplebroker.service": i.plan.offering.name},
		},
	}
}

// instance returns an instance that is not a tombstone, or nil.
func (b *Broker) instance(id string) *instance {
	if i := b.instances[id]; i != nil && i.phase != phaseGone {
		return i
	}
	return nil
}

// planOf returns the instance's plan as the catalog has it today, or as it was when the catalog had it.
func (b *Broker) planOf(i *instance) *plan {
	if p, err := b.catalog.plan(i.serviceID, i.planID); err == nil {
		i.plan = p
	}
	return i.plan
}

// checkIDs compares ids of a request with the instance's. Empty ones were not given.
func (i *instance) checkIDs(serviceID, planID string) error {
	if serviceID != "" && serviceID != i.serviceID {
		return badRequest("The service_id is not that of the service instance.")
	}
	if planID != "" && !i.plans[planID] {
		return badRequest("The plan_id is not that of the service instance.")
	}
	return nil
}

// fetchInstance is GET /v2/service_instances/{id} (§ Fetching a Service Instance).
func (b *Broker) fetchInstance(c *call) (answer, error) {
	if _, _, err := c.hints(); err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil || i.phase != phaseReady {
		return answer{}, errNoInstance
	}
	if running := i.history.running(); running != nil && running.kind == kindUpdate {
		return answer{}, errConcurrency
	}
	p := b.planOf(i)
	if !p.offering.instancesRetrievable {
		return answer{}, badRequest("The service offering is not instances_retrievable.")
	}
	body := i.created()
	body.ServiceID, body.PlanID, body.Parameters = i.serviceID, i.planID, i.parameters
	if i.maintenanceVersion != "" {
		body.MaintenanceInfo = &maintenanceInfo{Version: i.maintenanceVersion}
	}
	return reply(http.StatusOK, body)
}

// pollInstance is GET /v2/service_instances/{id}/last_operation (§ Polling Last Operation for Service Instances).
func (b *Broker) pollInstance(c *call) (answer, error) {
	serviceID, planID, err := c.hints()
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instances[c.route.instance]
	if i == nil {
		return answer{}, errNoInstance
	}
	if err := i.checkIDs(serviceID, planID); err != nil {
		return answer{}, err
	}
	return pollLast(c, i.history, errNoInstance)
}

// buryInstance makes a tombstone of an instance and of its bindings.
func (b *Broker) buryInstance(i *instance) {
	i.phase = phaseGone
	b.observe(i.id, "", false)
	for _, bound := range i.bindings {
		if bound.phase != phaseGone {
			bound.history.add(finished(kindUnbind))
			b.buryBinding(i, bound)
		}
	}
	if oldest, full := b.graves.bury(i.id); full {
		if forgotten := b.instances[oldest]; forgotten != nil && forgotten.phase == phaseGone {
			delete(b.instances, oldest)
		}
	}
}
