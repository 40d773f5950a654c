//go:build osb_newer_record

package routing

import (
	"encoding/json"
	"os"
)

// RecordVersion is that of a later gateway where the environment has OSB_NEWER_VERSION.
var RecordVersion = func() int {
	if os.Getenv("OSB_NEWER_VERSION") != "" {
		return 2
	}
	return 1
}()

// newerFields are what a later schema adds.
type newerFields struct {
	Newer newerWrites `json:"newer"`
}

// newerWrites counts the writes of a record by gateways that know this field.
type newerWrites struct{ writes int }

// MarshalJSON counts the write that it is part of.
func (n *newerWrites) MarshalJSON() ([]byte, error) {
	n.writes++
	return json.Marshal(map[string]int{"writes": n.writes})
}

// UnmarshalJSON reads it.
func (n *newerWrites) UnmarshalJSON(data []byte) error {
	var fields struct{ Writes int }
	err := json.Unmarshal(data, &fields)
	n.writes = fields.Writes
	return err
}
