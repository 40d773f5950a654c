package catalogmerge

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rule names what an offering broke. The values are stable: logs and metrics may carry them.
type Rule string

// The rules.
const (
	// RuleMissing: a required field is absent.
	RuleMissing Rule = "missing"
	// RuleType: a field, or the offering itself, has the wrong JSON type.
	RuleType Rule = "wrong_type"
	// RuleBlank: a required string is empty or white space.
	RuleBlank Rule = "blank"
	// RuleNoPlans: the list of plans is empty.
	RuleNoPlans Rule = "no_plans"
	// RuleDuplicateKey: an object names a field twice, and readers disagree on which one counts.
	RuleDuplicateKey Rule = "duplicate_key"
	// RuleText: the bytes are not UTF-8, or an escape stands for half a character.
	RuleText Rule = "invalid_text"
	// RuleOfferingID: another offering has the id.
	RuleOfferingID Rule = "duplicate_offering_id"
	// RuleOfferingName: another offering has the name.
	RuleOfferingName Rule = "duplicate_offering_name"
	// RulePlanID: another plan has the id. Plan ids are unique over the whole catalog, not only within their offering.
	RulePlanID Rule = "duplicate_plan_id"
	// RulePlanName: another plan of the offering has the name.
	RulePlanName Rule = "duplicate_plan_name"
	// RuleDashboardClientID: another offering has the dashboard client's id.
	RuleDashboardClientID Rule = "duplicate_dashboard_client_id"
	// RuleMore stands for problems that are not listed one by one.
	RuleMore Rule = "more_problems"
	// RuleLength: a text is longer than Cloud Foundry takes; or, soft, an id, a name or the metadata is longer than some
	// platforms can keep.
	RuleLength Rule = "too_long"
	// RuleNumber: a number is not an integer where one is demanded, or too large to be kept.
	RuleNumber Rule = "number_range"
	// RuleRequires: requires holds a permission that is none.
	RuleRequires Rule = "unknown_permission"
	// RuleMaintenanceKey: maintenance_info holds more than a version and a description.
	RuleMaintenanceKey Rule = "unknown_maintenance_info"
	// RuleSemVer: the version of maintenance_info is not one of Semantic Versioning 2.0.
	RuleSemVer Rule = "not_semantic_version"
	// RuleSchemaSize: a schema is larger than 64 KiB, or nests too deeply to be checked.
	RuleSchemaSize Rule = "schema_too_large"
	// RuleSchemaDraft: a schema does not say which draft of JSON Schema it is written in, or names one that is not
	// understood.
	RuleSchemaDraft Rule = "schema_draft"
	// RuleSchemaShape: a schema does not conform to its draft.
	RuleSchemaShape Rule = "schema_malformed"
	// RuleSchemaReference: a schema refers to something outside itself, to nothing, or to itself without end.
	RuleSchemaReference Rule = "schema_reference"
	// RuleSchemaPattern: a pattern of a schema is no regular expression that programs in Go can read. Always soft.
	RuleSchemaPattern Rule = "schema_pattern"
	// RuleDefault: plans leave out a field whose absence platforms read in different ways. Always soft.
	RuleDefault Rule = "default_absent"
	// RuleSpelling: a field has the name of a known one but for case, hyphens or a letter. Always soft.
	RuleSpelling Rule = "misspelt"
	// RuleCharacter: an id or a name begins or ends with white space, or holds control characters. Always soft.
	RuleCharacter Rule = "odd_characters"
)

// Problem is one thing that is wrong with an offering: the reason why it, or its newest version, is not in the catalog,
// or a warning. Problems are comparable, so that a caller can tell new ones from those that it already reported.
type Problem struct {
	// Backend is the stable id of the backend that sent the offering; empty if Unmatched found the problem.
	Backend string `json:"backend"`
	// Offering is the offering's id or, where that is unreadable, its name; empty where both are. If Unmatched found the
	// problem it is the selector.
	Offering string `json:"offering,omitempty"`
	// Path is where the problem is: from the root of the backend's answer ("services[3].plans[0].id") if Refresh found
	// it, from the offering ("plans[0].id") if Merge did, else in the configuration of the backend ("include[0]") or of
	// the platform ("offerings.deny[0]").
	Path string `json:"path"`
	Rule Rule   `json:"rule"`
	// Detail says what is wrong, in words for the operator. It never holds a secret.
	Detail string `json:"detail"`
	// Hard tells that a platform would reject the whole catalog, so the offering is left out. One that has only soft
	// problems is published: some platform misreads a part of it, or may.
	Hard bool `json:"hard"`
	// Kept tells that the last good version of the offering stays in the backend's copy in place of the bad one.
	Kept bool `json:"kept,omitempty"`
}

// String returns the problem as one line for a log.
func (p Problem) String() string {
	var b strings.Builder
	if p.Backend != "" {
		fmt.Fprintf(&b, "backend %s, ", quote(p.Backend))
		if p.Offering != "" {
			fmt.Fprintf(&b, "offering %s, ", quote(p.Offering))
		}
	}
	fmt.Fprintf(&b, "%s: %s (%s)", p.Path, p.Detail, p.Rule)
	if p.Kept {
		b.WriteString("; its last good version stays")
	}
	return b.String()
}

// quote returns s in quotes, cut to a length that suits a log line.
func quote(s string) string {
	const maxBytes = 120
	if len(s) <= maxBytes {
		return strconv.Quote(s)
	}
	end := maxBytes
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strconv.Quote(s[:end]) + "..."
}
