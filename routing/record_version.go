//go:build !osb_newer_record

package routing

// RecordVersion is the schema version that this package writes. Records of a newer version are refused, never guessed
// at.
const RecordVersion = 1

// newerFields are those of a later schema, which only a test build has.
type newerFields struct{} //nolint:unused // see above
