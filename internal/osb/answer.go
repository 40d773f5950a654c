package osb

import (
	"bytes"
	"encoding/json"
)

// Answer is what the gateway reads of a broker's answer. Credentials, parameters and everything else stay in the body,
// which is sent on as it came.
type Answer struct {
	// Object tells that the body is a well-formed JSON object. Without it the rest is empty.
	Object bool
	// Error is the broker's error code, such as ConcurrencyError.
	Error string
	// State is the state of a polled operation: "in progress", "succeeded" or "failed", if the broker kept to them.
	State string
	// Operation is what the platform is to poll with.
	Operation string
	// HasOperation tells that there is an operation, which some brokers leave empty, and that it is not null.
	HasOperation bool
}

// ReadAnswer reads a broker's answer. It takes what encoding/json takes, invalid UTF-8 and names that come twice (of
// which the last counts) included, because an answer that the platform can read must not be a failure here. Fields of
// the wrong type count as absent. It copies the few strings that it returns and nothing else.
func ReadAnswer(body []byte) Answer {
	scanner := jsonScanner{text: body}
	if scanner.peek() != '{' {
		return Answer{}
	}
	var code, state, operation optionalString
	for first := true; ; first = false {
		key, more, ok := scanner.nextMember(first)
		if !ok {
			return Answer{}
		}
		if !more {
			break
		}
		var field *optionalString
		switch string(key.bytes()) {
		case "error":
			field = &code
		case "state":
			field = &state
		case "operation":
			field = &operation
		}
		if field == nil {
			ok = scanner.skip(1)
		} else {
			*field, ok = scanner.optionalStr()
		}
		if !ok {
			return Answer{}
		}
	}
	if !scanner.atEnd() {
		return Answer{}
	}
	return Answer{
		Object:       true,
		Error:        code.text.String(),
		State:        state.text.String(),
		Operation:    operation.text.String(),
		HasOperation: operation.present,
	}
}

// optionalString is the value of a member that ought to be a string.
type optionalString struct {
	text    jsonString
	present bool
}

// optionalStr reads the value of a member of the outermost object, of any type, and keeps it if it is a string.
func (s *jsonScanner) optionalStr() (value optionalString, ok bool) {
	if s.peek() != '"' {
		return optionalString{}, s.skip(1)
	}
	value.text, ok = s.str()
	value.present = ok
	return value, ok
}

// EncodeError returns the body of an error: a JSON object with the error's code, one word in CamelCase, and a
// description for users. An empty one is left out. Characters that only matter in HTML stay as they are.
func EncodeError(code, description string) []byte {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	// Two strings and a buffer: there is nothing that could fail.
	_ = encoder.Encode(struct {
		Error       string `json:"error,omitempty"`
		Description string `json:"description,omitempty"`
	}{code, description})
	return bytes.TrimSuffix(body.Bytes(), []byte("\n"))
}
