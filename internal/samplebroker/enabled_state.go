package samplebroker

import (
	"encoding/json"
	"net/http"
)

// enabledState is the state of an instance in IBM Cloud's extension.
type enabledState struct {
	Enabled bool `json:"enabled"`
	Active  bool `json:"active"`
	// LastActive is in milliseconds since 1970.
	LastActive int64 `json:"last_active"`
}

// enabledState returns the state of an instance that is there. One that is enabled is always active.
func (i *instance) enabledState() enabledState {
	return enabledState{Enabled: i.enabled, Active: i.enabled, LastActive: i.lastActive.UnixMilli()}
}

// getState is GET /bluemix_v1/service_instances/{id}.
func (b *Broker) getState(c *call) (answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	if i == nil || i.phase != phaseReady {
		return answer{}, errNoInstance
	}
	return reply(http.StatusOK, i.enabledState())
}

// setState is PUT /bluemix_v1/service_instances/{id}: it enables the instance or disables it. A disabled one cannot be
// bound. An instance that does not exist is 410, as IBM Cloud wants it.
func (b *Broker) setState(c *call) (answer, error) {
	o, err := c.object()
	if err != nil {
		return answer{}, err
	}
	for _, name := range []string{"initiator_id", "reason_code"} {
		if _, err := o.text(name); err != nil {
			return answer{}, err
		}
	}
	var enabled *bool
	if err := json.Unmarshal(o["enabled"], &enabled); err != nil || enabled == nil {
		return answer{}, badRequest("The field enabled is required and has to be true or false.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance(c.route.instance)
	switch {
	case i == nil:
		return answer{}, errGone
	case i.history.running() != nil:
		return answer{}, errConcurrency
	case i.phase != phaseReady:
		return answer{}, errCreationFailed
	}
	i.enabled, i.lastActive = *enabled, b.now()
	if b.stateStatus == http.StatusNoContent {
		return answer{status: http.StatusNoContent, header: make(http.Header)}, nil
	}
	return reply(http.StatusOK, i.enabledState())
}
