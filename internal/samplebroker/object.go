package samplebroker

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// object is a JSON object whose fields were not looked at yet. The encoding/json package would match the names of
// fields without regard to case; here they are what they are.
type object map[string]json.RawMessage

var (
	errNotJSON   = errors.New("it is not one JSON value")
	errTwice     = errors.New("an object has a field twice")
	errNotObject = errors.New("it is not a JSON object")
)

// decodeObject reads one JSON object that nothing follows, in which no object has a field twice.
func decodeObject(content []byte) (object, error) {
	if !utf8.Valid(content) || !json.Valid(content) {
		return nil, errNotJSON
	}
	if hasDuplicates(content) {
		return nil, errTwice
	}
	var o object
	if err := json.Unmarshal(content, &o); err != nil || o == nil {
		return nil, errNotObject
	}
	return o, nil
}

// parseObject is decodeObject for bodies.
func parseObject(content []byte) (object, error) {
	o, err := decodeObject(content)
	if err != nil {
		return nil, badRequest("The body cannot be used: " + err.Error() + ".")
	}
	return o, nil
}

// nesting is an object or an array that is being read.
type nesting struct {
	// names are those of an object's fields so far; nil in an array.
	names map[string]bool
	// atName tells that the next string is a field's name.
	atName bool
}

// hasDuplicates looks through valid JSON. Names are compared decoded: one may be written in several ways.
func hasDuplicates(content []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var open []*nesting
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			// The content is valid, so this cannot happen; but then it would not be known to be free of duplicates.
			return true
		}
		var top *nesting
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		if name, isText := token.(string); isText && top != nil && top.atName {
			if top.names[name] {
				return true
			}
			top.names[name] = true
			top.atName = false
			continue
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		// A value begins, so what comes after it in an object is a name.
		if top != nil && top.names != nil {
			top.atName = true
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &nesting{names: make(map[string]bool), atName: true})
		case json.Delim('['):
			open = append(open, &nesting{})
		}
	}
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// text returns a string, or "" where the field is absent or null.
func (o object) text(name string) (string, error) {
	if isNull(o[name]) {
		return "", nil
	}
	var value string
	if err := json.Unmarshal(o[name], &value); err != nil {
		return "", badRequest("The field " + name + " has to be a string.")
	}
	return value, nil
}

// requiredText returns a string that has to be there.
func (o object) requiredText(name string) (string, error) {
	value, err := o.text(name)
	if err == nil && value == "" {
		err = badRequest("The field " + name + " is required.")
	}
	return value, err
}

// object returns an object, or nil where the field is absent or null.
func (o object) object(name string) (object, error) {
	if isNull(o[name]) {
		return nil, nil
	}
	var value object
	if err := json.Unmarshal(o[name], &value); err != nil {
		return nil, badRequest("The field " + name + " has to be an object.")
	}
	return value, nil
}

// raw returns an object as it was written, or nil where the field is absent or null.
func (o object) raw(name string) (json.RawMessage, error) {
	if value, err := o.object(name); err != nil || value == nil {
		return nil, err
	}
	return o[name], nil
}

// maintenanceVersion returns maintenance_info.version, or "" where there is none.
func (o object) maintenanceVersion() (string, error) {
	info, err := o.object("maintenance_info")
	if err != nil {
		return "", err
	}
	return info.text("version")
}

// canonical returns a text that is equal for equal values: the order of fields and white space do not count. Nothing
// is the same as an empty object.
func canonical(raw json.RawMessage) string {
	if isNull(raw) {
		return "{}"
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	// Numbers keep all their digits.
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return string(raw)
	}
	content, err := marshal(value)
	if err != nil {
		return string(raw)
	}
	return string(content)
}
