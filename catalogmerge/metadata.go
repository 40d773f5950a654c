package catalogmerge

import "fmt"

// metadataObject holds what platforms look for in the metadata of an offering; all else in it is for people.
var metadataObject = &objectRules{fields: []field{
	{name: "shareable", check: boolean},
	{name: "documentationUrl", notNull: true, check: anything, hint: documentationHint},
}}

// checkMetadata checks the metadata of the offering. Nobody looks into that of plans.
func (d *draft) checkMetadata(value []byte) {
	if d.unchecked || value == nil || value[0] != '{' {
		return
	}
	var store [maxFields][]byte
	d.readFields(value, metadataObject, store[:], place{plan: none, object: "metadata"})
}

func anything([]byte) (Rule, string) { return "", "" }

// documentationHint looks at a value that Korifi takes for a string without looking.
func documentationHint(value []byte) (Rule, string) {
	if value[0] == '"' {
		return "", ""
	}
	return RuleType, "is " + kindOf(value) + ", at which Korifi stops reading the catalog"
}

func metadataHint(value []byte) (Rule, string) {
	if len(value) <= databaseMetadataBytes {
		return "", ""
	}
	return RuleLength, fmt.Sprintf("has %d bytes; Cloud Foundry with MySQL keeps at most %d", len(value), databaseMetadataBytes)
}
