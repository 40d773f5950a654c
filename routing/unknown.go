package routing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// unknown are the fields of a record that this gateway does not know: a newer one, which shares the store with it,
// wrote them. They survive what this one writes, each with the thing that it belongs to.
type unknown struct {
	// record has the fields of the record itself.
	record members
	// op has those of the operation that has this number and kind: what is said of one operation is not true of the
	// next.
	op     members
	opSeq  uint64
	opKind Kind
	// calls has those of calls by their tokens, strays those of strays.
	calls  map[string]members
	strays map[Stray]members
}

// members are members of a JSON object without its braces: `"a":1,"b":{}`.
type members string

// fieldNames are the JSON names of a struct's fields.
func fieldNames[T any]() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

var (
	recordNames = fieldNames[Record]()
	opNames     = fieldNames[Op]()
	callNames   = fieldNames[Open]()
	strayNames  = fieldNames[Stray]()
)

// decodeKnown reads a record that has no fields but ours, which is nearly every one. It returns false for any other.
func decodeKnown(data []byte) (*Record, bool) {
	record := new(Record)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode((*recordFields)(record)) != nil || decoder.InputOffset() != int64(len(data)) {
		return nil, false
	}
	return record, true
}

// findUnknown finds the fields of an encoded record that this gateway does not know; record is what it was read as.
func findUnknown(data []byte, record *Record) (*unknown, error) {
	object, err := decodeObject(data)
	if err != nil {
		return nil, err
	}
	u := &unknown{
		opSeq: record.Op.Seq, opKind: record.Op.Kind, calls: make(map[string]members), strays: make(map[Stray]members),
	}
	for name, value := range object {
		switch {
		case strings.EqualFold(name, "op"):
			u.op, err = unknownMembers(value, opNames)
		case strings.EqualFold(name, "calls"):
			err = u.findInCalls(value)
		case strings.EqualFold(name, "strays"):
			err = u.findInStrays(value, record.Strays)
		}
		if err != nil {
			return nil, err
		}
	}
	if u.record, err = unknownMembers(data, recordNames); err != nil {
		return nil, err
	}
	if u.record == "" && u.op == "" && len(u.calls) == 0 && len(u.strays) == 0 {
		return nil, nil // its names are ours in another case
	}
	return u, nil
}

func (u *unknown) findInCalls(value json.RawMessage) error {
	calls, err := decodeObject(value)
	if err != nil {
		return err
	}
	for token, call := range calls {
		found, err := unknownMembers(call, callNames)
		if err != nil {
			return err
		}
		if found != "" {
			u.calls[token] = found
		}
	}
	return nil
}

func (u *unknown) findInStrays(value json.RawMessage, strays []Stray) error {
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return err
	}
	for i, stray := range list[:min(len(list), len(strays))] {
		found, err := unknownMembers(stray, strayNames)
		if err != nil {
			return err
		}
		if found != "" {
			u.strays[strays[i]] = found
		}
	}
	return nil
}

// addTo puts the fields back into a record as this gateway encodes it. Those of operations, calls and strays that the
// record does not have any more are gone with them.
func (u *unknown) addTo(record *Record, data []byte) ([]byte, error) {
	object, err := decodeObject(data)
	if err != nil {
		return nil, err
	}
	if u.op != "" && record.Op.Seq == u.opSeq && record.Op.Kind == u.opKind {
		object["op"] = u.op.appendedTo(object["op"])
	}
	if len(record.Calls) > 0 {
		calls, err := decodeObject(object["calls"])
		if err != nil {
			return nil, err
		}
		for token, call := range calls {
			calls[token] = u.calls[token].appendedTo(call)
		}
		if object["calls"], err = json.Marshal(calls); err != nil {
			return nil, err
		}
	}
	if len(record.Strays) > 0 {
		var strays []json.RawMessage
		if err := json.Unmarshal(object["strays"], &strays); err != nil {
			return nil, err
		}
		for i, stray := range strays {
			strays[i] = u.strays[record.Strays[i]].appendedTo(stray)
		}
		if object["strays"], err = json.Marshal(strays); err != nil {
			return nil, err
		}
	}
	encoded, err := json.Marshal(object)
	return u.record.appendedTo(encoded), err
}

// appendedTo returns a JSON object with the members added.
func (m members) appendedTo(object []byte) []byte {
	if m == "" {
		return object
	}
	body := bytes.TrimSuffix(object, []byte("}"))
	joined := append(make([]byte, 0, len(body)+len(m)+2), body...)
	if len(body) > 1 {
		joined = append(joined, ',')
	}
	return append(append(joined, m...), '}')
}

// unknownMembers returns the members of a JSON object that have none of the names. Like encoding/json, it takes names
// in any case for the same.
func unknownMembers(data []byte, names []string) (members, error) {
	object, err := decodeObject(data)
	if err != nil {
		return "", err
	}
	for name := range object {
		for _, known := range names {
			if strings.EqualFold(name, known) {
				delete(object, name)
			}
		}
	}
	if len(object) == 0 {
		return "", nil
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	return members(encoded[1 : len(encoded)-1]), nil
}

func decodeObject(data []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("keeping unknown fields of a record: %w", err)
	}
	return object, nil
}
