package samplebroker

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// State is what a broker holds, as GET /debug/state shows it. Credentials are not in it.
type State struct {
	Instances []InstanceState `json:"instances"`
}

// InstanceState is one service instance. Phase is creating, ready, updating, deleting or failed.
type InstanceState struct {
	InstanceID         string          `json:"instance_id"`
	ServiceID          string          `json:"service_id"`
	PlanID             string          `json:"plan_id"`
	Phase              string          `json:"phase"`
	Enabled            bool            `json:"enabled"`
	Organization       string          `json:"organization_guid,omitempty"`
	Space              string          `json:"space_guid,omitempty"`
	Context            json.RawMessage `json:"context,omitempty"`
	Parameters         json.RawMessage `json:"parameters,omitempty"`
	MaintenanceVersion string          `json:"maintenance_version,omitempty"`
	Bindings           []BindingState  `json:"bindings"`
}

// BindingState is one service binding. Phase is creating, ready, deleting or failed.
type BindingState struct {
	BindingID   string          `json:"binding_id"`
	Phase       string          `json:"phase"`
	AppGUID     string          `json:"app_guid,omitempty"`
	Predecessor string          `json:"predecessor_binding_id,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// State returns all that the broker holds, in the order of the ids.
func (b *Broker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := State{Instances: []InstanceState{}}
	for _, id := range slices.Sorted(maps.Keys(b.instances)) {
		i := b.instance(id)
		if i == nil {
			continue
		}
		shown := InstanceState{
			InstanceID: id, ServiceID: i.serviceID, PlanID: i.planID, Phase: phaseName(i.phase, i.history),
			Enabled: i.enabled, Organization: i.organization, Space: i.spaceGUID, Context: i.context,
			Parameters: i.parameters, MaintenanceVersion: i.maintenanceVersion, Bindings: []BindingState{},
		}
		for _, bindingID := range slices.Sorted(maps.Keys(i.bindings)) {
			if bound := i.binding(bindingID); bound != nil {
				shown.Bindings = append(shown.Bindings, BindingState{
					BindingID: bindingID, Phase: phaseName(bound.phase, bound.history), AppGUID: bound.appGUID,
					Predecessor: bound.predecessor, Parameters: bound.parameters,
				})
			}
		}
		state.Instances = append(state.Instances, shown)
	}
	return state
}

func phaseName(p phase, h history) string {
	running := h.running()
	switch {
	case running != nil && running.kind.deletes():
		return "deleting"
	case running != nil && running.kind == kindUpdate:
		return "updating"
	case p == phaseCreating:
		return "creating"
	case p == phaseFailed:
		return "failed"
	default:
		return "ready"
	}
}

// Instances returns the ids of all instances that the broker holds, sorted: those in the making, those that failed to
// be made and those being deleted too.
func (b *Broker) Instances() []string {
	held := b.State().Instances
	ids := make([]string, 0, len(held))
	for _, i := range held {
		ids = append(ids, i.InstanceID)
	}
	return ids
}

// Bindings returns the ids of all bindings likewise. An id that two instances have is in it twice.
func (b *Broker) Bindings() []string {
	ids := []string{}
	for _, i := range b.State().Instances {
		for _, bound := range i.Bindings {
			ids = append(ids, bound.BindingID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (b *Broker) debugState(*call) (answer, error) {
	return reply(http.StatusOK, b.State())
}

func (b *Broker) debugGetFaults(*call) (answer, error) {
	return reply(http.StatusOK, b.Faults())
}

// debugSetFaults replaces all rules.
func (b *Broker) debugSetFaults(c *call) (answer, error) {
	content, err := c.content()
	if err != nil {
		return answer{}, err
	}
	rules, err := ParseFaults(content)
	if err == nil {
		err = b.SetFaults(rules)
	}
	if err != nil {
		return answer{}, badRequest("The faults cannot be used: " + err.Error())
	}
	return b.debugGetFaults(c)
}
