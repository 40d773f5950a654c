package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrBadDocument is matched when a document in the store is damaged, or of a newer version than this gateway
// understands. Nothing is concluded from such a document, and it is not overwritten.
var ErrBadDocument = errors.New("a document in the store cannot be read")

// unknownFields are fields of a document that a newer gateway wrote. They survive being rewritten.
type unknownFields map[string]json.RawMessage

// decodeFields reads a document into a pointer to a struct and returns the fields that the struct does not have. what
// names the document in errors.
func decodeFields(what string, data []byte, newest int, target any) (unknownFields, error) {
	var fields unknownFields
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged: %w", ErrBadDocument, what, err)
	}
	var version int
	if err := json.Unmarshal(fields["v"], &version); err != nil || version < 1 {
		return nil, fmt.Errorf("%w: %s is damaged: it has no version", ErrBadDocument, what)
	}
	if version > newest {
		return nil, fmt.Errorf("%w: %s has version %d, and this gateway understands versions up to %d: update the gateway",
			ErrBadDocument, what, version, newest)
	}
	if err := fields.forget(target); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged: %w", ErrBadDocument, what, err)
	}
	if err := json.Unmarshal(data, target); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged: %w", ErrBadDocument, what, err)
	}
	return fields, nil
}

// forget leaves out what a struct has. Another spelling of such a field is refused: decoding would take it for the field,
// whichever comes last.
func (u unknownFields) forget(target any) error {
	for _, field := range reflect.VisibleFields(reflect.TypeOf(target).Elem()) {
		known, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(u, known)
		for name := range u {
			if strings.EqualFold(name, known) {
				return fmt.Errorf("it has the field %q as %q", known, name)
			}
		}
	}
	return nil
}

// encodeFields writes a struct as a document, with the fields that it does not have.
func encodeFields(source any, unknown unknownFields) ([]byte, error) {
	data, err := json.Marshal(source)
	if err != nil || len(unknown) == 0 {
		return data, err
	}
	more, err := json.Marshal(unknown)
	if err != nil {
		return nil, err
	}
	data[len(data)-1] = ','
	return append(data, more[1:]...), nil
}

// newerDocument tells whether a document says that it is of a newer version than this gateway understands.
func newerDocument(data []byte, newest int) bool {
	var version struct {
		V int `json:"v"`
	}
	_ = json.Unmarshal(data, &version) // a field that is no number is no version
	return version.V > newest
}
