package osb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// The functions here read the same as the package does, slowly and in the plainest way, for tests to compare with.

// fitID tells whether an id is fit to be a key and a log field.
func fitID(id string) bool {
	return len(id) <= 1024 && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// logText makes a text fit for the log.
func logText(s string) string {
	fit := ""
	for _, r := range s {
		if unicode.IsControl(r) || strings.ContainsRune("\u2028\u2029\u202a\u202b\u202c\u202d\u202e"+
			"\u2066\u2067\u2068\u2069", r) {
			r = '?'
		}
		if len(fit)+utf8.RuneLen(r) > 256 {
			break
		}
		fit += string(r)
	}
	return fit
}

// readMembers reads a JSON object whose names must differ. Names in read must not come in another case.
func readMembers(data []byte, read ...string) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %v, %w", token, err)
	}
	members := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, isString := token.(string)
		if _, twice := members[name]; twice || !isString {
			return nil, fmt.Errorf("name %v twice", token)
		}
		for _, known := range read {
			if name != known && strings.EqualFold(name, known) {
				return nil, fmt.Errorf("name %q in another case", name)
			}
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	return members, nil
}

// member returns a member that is a string, or one of another type as isOther.
func member(members map[string]any, name string) (text string, isOther bool) {
	raw, _ := members[name].(json.RawMessage)
	switch {
	case raw == nil || string(raw) == "null":
		return "", false
	case raw[0] != '"':
		return "", true
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", true
	}
	return text, false
}

// referenceReadBody is ReadBody by way of encoding/json.
func referenceReadBody(data []byte) (body osb.Body, err error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return body, errors.New("not JSON in UTF-8")
	}
	top, err := readMembers(data, "service_id", "plan_id", "predecessor_binding_id", "organization_guid", "space_guid",
		"previous_values", "context")
	if err != nil {
		return body, err
	}
	nested := func(name string, read ...string) (map[string]any, error) {
		raw, _ := top[name].(json.RawMessage)
		if len(raw) == 0 || raw[0] != '{' {
			return nil, nil
		}
		return readMembers(raw, read...)
	}
	previous, err := nested("previous_values", "service_id", "plan_id")
	if err != nil {
		return body, err
	}
	context, err := nested("context")
	if err != nil {
		return body, err
	}
	for _, id := range []struct {
		members map[string]any
		name    string
		to      *string
	}{
		{top, "service_id", &body.ServiceID},
		{top, "plan_id", &body.PlanID},
		{top, "predecessor_binding_id", &body.PredecessorBindingID},
		{previous, "service_id", &body.PreviousServiceID},
		{previous, "plan_id", &body.PreviousPlanID},
	} {
		text, isOther := member(id.members, id.name)
		if isOther || !fitID(text) {
			return osb.Body{}, fmt.Errorf("unfit %s", id.name)
		}
		*id.to = text
	}
	note := func(members map[string]any, name string) string {
		text, _ := member(members, name)
		return logText(text)
	}
	body.Context = osb.Context{
		Platform:     note(context, "platform"),
		Organization: note(context, "organization_guid"),
		Space:        note(context, "space_guid"),
		Namespace:    note(context, "namespace"),
		Cluster:      note(context, "clusterid"),
		Account:      note(context, "account_id"),
		CRN:          note(context, "crn"),
		InstanceName: note(context, "instance_name"),
	}
	if body.Context.Organization == "" {
		body.Context.Organization = note(top, "organization_guid")
	}
	if body.Context.Space == "" {
		body.Context.Space = note(top, "space_guid")
	}
	return body, nil
}

// referenceReadAnswer is ReadAnswer by way of encoding/json.
func referenceReadAnswer(data []byte) osb.Answer {
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // that no float holds a number is no fault of the answer
	if !json.Valid(data) || decoder.Decode(&members) != nil || members == nil {
		return osb.Answer{}
	}
	answer := osb.Answer{Object: true}
	answer.Error, _ = members["error"].(string)
	answer.State, _ = members["state"].(string)
	answer.Operation, answer.HasOperation = members["operation"].(string)
	return answer
}
