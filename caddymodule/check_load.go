package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// gatewaysIn finds the gateways in a configuration of Caddy, whatever their handlers stand in, in the order in which they
// come. Handlers of one gateway are there once.
func gatewaysIn(config []byte) ([]*Gateway, error) {
	var found []json.RawMessage
	if err := findHandlers(caddy.RemoveMetaFields(config), &found); err != nil { // Caddy takes the @id of objects away
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var gateways []*Gateway
	seen := make(map[string]json.RawMessage)
	for _, raw := range found {
		gateway, err := decodeGateway(raw)
		if err != nil {
			return nil, err
		}
		name := orDefault(gateway.Name, defaultName)
		written, err := json.Marshal(gateway)
		switch before, known := seen[name]; {
		case err != nil:
			return nil, fmt.Errorf("osb_gateway %q: %w", name, err)
		case !known:
			seen[name] = written
			gateways = append(gateways, gateway)
		case !bytes.Equal(before, written):
			return nil, fmt.Errorf("osb_gateway %q is there twice, with different settings", name)
		}
	}
	if len(gateways) == 0 {
		return nil, errors.New("the configuration has no osb_gateway")
	}
	return gateways, nil
}

// findHandlers looks through a value of a configuration for handlers of the gateway.
func findHandlers(value json.RawMessage, found *[]json.RawMessage) error {
	switch value = bytes.TrimSpace(value); {
	case len(value) == 0:
		return nil
	case value[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		for _, element := range list {
			if err := findHandlers(element, found); err != nil {
				return err
			}
		}
	case value[0] == '{':
		return findInObject(value, found)
	}
	return nil
}

func findInObject(value json.RawMessage, found *[]json.RawMessage) error {
	var kind struct {
		Handler json.RawMessage `json:"handler"`
	}
	if err := json.Unmarshal(value, &kind); err != nil {
		return err
	}
	if string(kind.Handler) == `"osb_gateway"` {
		*found = append(*found, value)
		return nil
	}
	// A decoder keeps the members in their order, which a map does not.
	decoder := json.NewDecoder(bytes.NewReader(value))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		if _, err := decoder.Token(); err != nil {
			return err
		}
		var member json.RawMessage
		if err := decoder.Decode(&member); err != nil {
			return err
		}
		if err := findHandlers(member, found); err != nil {
			return err
		}
	}
	return nil
}

// decodeGateway reads a handler's settings as strictly as Caddy does.
func decodeGateway(raw json.RawMessage) (*Gateway, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("reading an osb_gateway: %w", err)
	}
	delete(members, "handler")
	settings, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("reading an osb_gateway: %w", err)
	}
	gateway := new(Gateway)
	if err := caddy.StrictUnmarshalJSON(settings, gateway); err != nil {
		return nil, fmt.Errorf("reading an osb_gateway: %w", err)
	}
	return gateway, nil
}
