package samplebroker

import (
	"encoding/json"
	"net/http"
	"time"
)

// binding is a service binding.
type binding struct {
	id string
	bindingAttributes
	phase   phase
	history history
	body    bindingBody
	// expires is when the binding is of no use any more; zero for never.
	expires time.Time
}

// bindingAttributes are what a platform chooses when it binds.
type bindingAttributes struct {
	// appGUID is that of bind_resource, or else the deprecated field.
	appGUID                  string
	bindResource, parameters json.RawMessage
	// predecessor is the id of the binding that this one is to replace (§ Binding Rotation).
	predecessor string
}

func (a bindingAttributes) same(other bindingAttributes) bool {
	if a.predecessor != other.predecessor {
		return false
	}
	// A successor has what its predecessor had, and the request does not repeat it.
	return a.predecessor != "" || a.appGUID == other.appGUID &&
		canonical(a.bindResource) == canonical(other.bindResource) &&
		canonical(a.parameters) == canonical(other.parameters)
}

// bindingBody is what answers say of a binding.
type bindingBody struct {
	Metadata        *bindingMetadata `json:"metadata,omitempty"`
	Credentials     *credentials     `json:"credentials,omitempty"`
	SyslogDrainURL  string           `json:"syslog_drain_url,omitempty"`
	RouteServiceURL string           `json:"route_service_url,omitempty"`
	VolumeMounts    []volumeMount    `json:"volume_mounts,omitempty"`
	Endpoints       []endpoint       `json:"endpoints,omitempty"`
	Parameters      json.RawMessage  `json:"parameters,omitempty"`
	Operation       string           `json:"operation,omitempty"`
}

type bindingMetadata struct {
	ExpiresAt   string `json:"expires_at"`
	RenewBefore string `json:"renew_before"`
}

// binding returns a binding that is not a tombstone, or nil.
func (i *instance) binding(id string) *binding {
	if bound := i.bindings[id]; bound != nil && bound.phase != phaseGone {
		return bound
	}
	return nil
}

// bindingRuns tells whether an operation on a binding is in progress.
func (i *instance) bindingRuns() bool {
	for _, bound := range i.bindings {
		if bound.history.running() != nil {
			return true
		}
	}
	return false
}

// buryBinding makes a tombstone of a binding.
func (b *Broker) buryBinding(i *instance, bound *binding) {
	bound.phase = phaseGone
	b.observe(i.id, bound.id, false)
	if oldest, full := i.graves.bury(bound.id); full {
		if forgotten := i.bindings[oldest]; forgotten != nil && forgotten.phase == phaseGone {
			delete(i.bindings, oldest)
		}
	}
}

// fetchBinding is GET of a binding (§ Fetching a Service Binding).
func (b *Broker) fetchBinding(c *call) (answer, error) {
	if _, _, err := c.hints(); err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil {
		return answer{}, errNoBinding
	}
	bound := i.binding(c.route.binding)
	if bound == nil || bound.phase != phaseReady {
		return answer{}, errNoBinding
	}
	if !b.planOf(i).offering.bindingsRetrievable {
		return answer{}, badRequest("The service offering is not bindings_retrievable.")
	}
	body := bound.body
	body.Parameters = bound.parameters
	return reply(http.StatusOK, body)
}

// pollBinding is GET of a binding's last_operation (§ Polling Last Operation for Service Bindings).
func (b *Broker) pollBinding(c *call) (answer, error) {
	serviceID, planID, err := c.hints()
	if err != nil {
		return answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instances[c.route.instance]
	if i == nil || i.bindings[c.route.binding] == nil {
		return answer{}, errNoBinding
	}
	if err := i.checkIDs(serviceID, planID); err != nil {
		return answer{}, err
	}
	return pollLast(c, i.bindings[c.route.binding].history, errNoBinding)
}
