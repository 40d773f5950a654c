package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep the JSON of a token may be nested.
const maxDepth = 16

var errJSON = errors.New("it is not a JSON object that every reader takes for the same")

// decodeObject reads a JSON object: valid UTF-8, no name twice in one object, nothing behind it, and not too deep.
// Numbers stay as they are written. Names keep their case, which encoding/json would overlook in a struct.
func decodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := decodeValue(decoder, maxDepth)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if _, err := decoder.Token(); !ok || !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return object, nil
}

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, errJSON
	}
	opening, nested := token.(json.Delim)
	switch {
	case !nested:
		return token, nil
	case depth == 0:
		return nil, errJSON
	case opening == '[':
		array := []any{}
		for decoder.More() {
			value, err := decodeValue(decoder, depth-1)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		return array, closed(decoder)
	}
	object := make(map[string]any)
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, errJSON
		}
		if _, twice := object[name]; twice {
			return nil, errJSON
		}
		if object[name], err = decodeValue(decoder, depth-1); err != nil {
			return nil, err
		}
	}
	return object, closed(decoder)
}

// closed reads the bracket at the end of an array or object.
func closed(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return errJSON
	}
	return nil
}
