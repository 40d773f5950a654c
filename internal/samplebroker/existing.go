package samplebroker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ExistingInstance is an instance that a broker holds from the beginning.
type ExistingInstance struct {
	InstanceID string `json:"instance_id"`
	ServiceID  string `json:"service_id"`
	PlanID     string `json:"plan_id"`
	// Organization, Space, Context and Parameters are what the instance was provisioned with.
	Organization string          `json:"organization_guid,omitempty"`
	Space        string          `json:"space_guid,omitempty"`
	Context      json.RawMessage `json:"context,omitempty"`
	Parameters   json.RawMessage `json:"parameters,omitempty"`
	// Disabled tells that IBM Cloud disabled the instance.
	Disabled bool              `json:"disabled,omitempty"`
	Bindings []ExistingBinding `json:"bindings,omitempty"`
}

// ExistingBinding is a binding of an ExistingInstance. Its credentials are generated.
type ExistingBinding struct {
	BindingID  string          `json:"binding_id"`
	AppGUID    string          `json:"app_guid,omitempty"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
}

// ParseInstances reads a JSON list of instances. Fields that it does not know are an error.
func ParseInstances(content []byte) ([]ExistingInstance, error) {
	return decodeStrictly[[]ExistingInstance](content)
}

// decodeStrictly reads one JSON value that nothing follows, without unknown fields.
func decodeStrictly[T any](content []byte) (T, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return value, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return value, errors.New("something follows the value")
	}
	return value, nil
}

// adopt takes an instance over, as if it had been provisioned before.
func (b *Broker) adopt(existing ExistingInstance) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.catalog.plan(existing.ServiceID, existing.PlanID)
	if err != nil {
		return err
	}
	if existing.InstanceID == "" {
		return errors.New("it has no instance_id")
	}
	if b.instances[existing.InstanceID] != nil {
		return errors.New("it is there twice")
	}
	chosen := attributes{
		serviceID: existing.ServiceID, planID: existing.PlanID,
		organization: existing.Organization, spaceGUID: existing.Space,
	}
	if chosen.context, err = objectOrNothing(existing.Context); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	if chosen.parameters, err = objectOrNothing(existing.Parameters); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	i := b.newInstance(existing.InstanceID, chosen, p)
	i.phase, i.enabled = phaseReady, !existing.Disabled
	i.history.add(finished(kindProvision))
	for _, e := range existing.Bindings {
		if e.BindingID == "" || i.bindings[e.BindingID] != nil {
			return fmt.Errorf("binding %q: its binding_id has to be there, once", e.BindingID)
		}
		parameters, err := objectOrNothing(e.Parameters)
		if err != nil {
			return fmt.Errorf("binding %q: parameters: %w", e.BindingID, err)
		}
		bound := b.newBinding(i, e.BindingID, bindingAttributes{appGUID: e.AppGUID, parameters: parameters}, p)
		bound.phase = phaseReady
		bound.history.add(finished(kindBind))
	}
	return nil
}

// objectOrNothing returns nil for null and for what is absent.
func objectOrNothing(raw json.RawMessage) (json.RawMessage, error) {
	if isNull(raw) {
		return nil, nil
	}
	_, err := decodeObject(raw)
	return raw, err
}
