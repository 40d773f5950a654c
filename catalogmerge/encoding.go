package catalogmerge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrBadCopy is matched by the errors of DecodeCopy.
var ErrBadCopy = errors.New("not a copy of a catalog")

// copyVersion is the version of the encoding. A change that older versions would misread raises it; a new field does
// not.
const copyVersion = 1

// encodedOffering is how a copy holds an offering. Its bytes are a JSON string, because JSON tools, encoding/json among
// them, feel free to change the white space of a nested object. All else is read from them again.
type encodedOffering struct {
	Raw          string    `json:"raw"`
	MissingSince time.Time `json:"missing_since,omitzero"`
}

// encodedField is a field of an encoded copy: its name and where its value is, or goes to.
type encodedField struct {
	name  string
	value any
}

// Encode returns the copy as one JSON object. Equal copies give equal bytes.
func (c *Copy) Encode() ([]byte, error) {
	offerings := make([]encodedOffering, len(c.Offerings))
	for i, o := range c.Offerings {
		offerings[i] = encodedOffering{string(o.Raw), o.MissingSince}
	}
	problems := c.Problems
	if problems == nil {
		problems = []Problem{}
	}
	fields := []encodedField{
		{"v", copyVersion},
		{"backend", c.Backend},
		{"fetched_at", c.FetchedAt},
		{"etag", c.ETag},
		{"offerings", offerings},
		{"known", c.Known},
		{"problems", problems},
	}
	if x := c.Known.Exposures(); x != nil {
		fields = append(fields, encodedField{exposuresField, x})
	}
	fields = slices.Grow(fields, len(c.Unknown))
	for _, name := range slices.Sorted(maps.Keys(c.Unknown)) {
		fields = append(fields, encodedField{name, c.Unknown[name]})
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for i, f := range fields {
		b.WriteByte("{,"[min(i, 1)])
		if err := encoder.Encode(f.name); err != nil {
			return nil, fmt.Errorf("encoding the copy of %s: %w", quote(c.Backend), err)
		}
		b.Truncate(b.Len() - 1) // the encoder's newline
		b.WriteByte(':')
		if err := encoder.Encode(f.value); err != nil {
			return nil, fmt.Errorf("encoding %s of the copy of %s: %w", f.name, quote(c.Backend), err)
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// DecodeCopy reads what Encode wrote. Its errors match ErrBadCopy; a copy in an encoding of a newer version is one of
// them, since a guess could lose what that version knows.
func DecodeCopy(data []byte) (*Copy, error) {
	c, err := decodeCopy(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadCopy, err)
	}
	return c, nil
}

func decodeCopy(data []byte) (*Copy, error) {
	// A map keeps names exact: decoding into a struct would take "ETAG" for "etag".
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, err
	}
	var version int
	var offerings []encodedOffering
	c := new(Copy)
	fields := []encodedField{
		{"v", &version},
		{"backend", &c.Backend},
		{"fetched_at", &c.FetchedAt},
		{"etag", &c.ETag},
		{"offerings", &offerings},
		{"known", &c.Known},
		{"problems", &c.Problems},
	}
	for _, f := range fields {
		value, ok := values[f.name]
		if !ok {
			return nil, fmt.Errorf("%s is missing", f.name)
		}
		if err := json.Unmarshal(value, f.value); err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.name, err)
		}
		delete(values, f.name)
		if f.name == "v" && version != copyVersion {
			return nil, fmt.Errorf("version %d, not %d", version, copyVersion)
		}
	}
	if value, ok := values[exposuresField]; ok {
		var x Exposures
		if err := json.Unmarshal(value, &x); err != nil {
			return nil, fmt.Errorf("reading %s: %w", exposuresField, err)
		}
		c.Known.AddExposures(&x)
		delete(values, exposuresField)
	}
	if len(values) > 0 {
		c.Unknown = values
	}
	if len(c.Problems) == 0 {
		c.Problems = nil
	}
	c.FetchedAt = stamp(c.FetchedAt)
	for i, o := range offerings {
		offering, err := decodeOffering([]byte(o.Raw))
		if err != nil {
			return nil, fmt.Errorf("reading offering %d: %w", i, err)
		}
		offering.MissingSince = o.MissingSince
		c.Offerings = append(c.Offerings, offering)
	}
	return c, nil
}

// decodeOffering reads the bytes of an offering that was good when it was put into a copy. It asks only for what the
// index needs: rules that came later do not make published offerings disappear.
func decodeOffering(raw []byte) (Offering, error) {
	if !json.Valid(raw) {
		return Offering{}, errors.New("its bytes are not JSON")
	}
	if len(bytes.Trim(raw, jsonSpace)) != len(raw) {
		return Offering{}, errors.New("its bytes do not begin and end with the object")
	}
	d := parseOffering(raw)
	if !d.readable {
		return Offering{}, errors.New("it lacks an id or a name")
	}
	return d.Offering, nil
}
