package catalogmerge

import "strings"

var maintenanceObject = &objectRules{fields: []field{
	{name: "version", required: true, check: semanticVersion},
	{name: "description", check: anyString},
}}

// checkMaintenanceInfo checks the maintenance_info of a plan. Cloud Foundry takes a version, a description and nothing
// else.
func (d *draft) checkMaintenanceInfo(value []byte, plan int) {
	if d.unchecked || value == nil || value[0] != '{' {
		return
	}
	at := place{plan: plan, object: "maintenance_info"}
	var store [maxFields][]byte
	d.readFields(value, maintenanceObject, store[:], at)
	for key := range members(value) {
		if name := keyName(key); maintenanceObject.find(name) == none {
			d.report(at, RuleMaintenanceKey, "holds %s; it may hold only version and description", quote(string(name)))
			break
		}
	}
	if chars := jsonChars(value); chars > maxMaintenanceInfoChars {
		d.report(at, RuleLength, "has %d characters as JSON, more than %d", chars, maxMaintenanceInfoChars)
	}
}

func anyString(value []byte) (Rule, string) {
	if value[0] != '"' {
		return wrongType(value, "a string")
	}
	return "", ""
}

func semanticVersion(value []byte) (Rule, string) {
	if value[0] != '"' {
		return wrongType(value, "a string")
	}
	if s, _ := text(value); !isSemanticVersion(s) {
		return RuleSemVer, "is " + quote(s) + ", which is not a version by Semantic Versioning 2.0, such as 1.2.3"
	}
	return "", ""
}

// isSemanticVersion tells whether s is a version by Semantic Versioning 2.0: three numbers, then perhaps identifiers
// of a pre-release after a hyphen, then perhaps those of a build after a plus sign.
func isSemanticVersion(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	core, release, hasRelease := strings.Cut(s, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return false
	}
	for _, n := range numbers {
		if !isNumber(n) || hasLeadingZero(n) {
			return false
		}
	}
	if hasRelease {
		for id := range strings.SplitSeq(release, ".") {
			if !isIdentifier(id) || isNumber(id) && hasLeadingZero(id) {
				return false
			}
		}
	}
	if hasBuild {
		for id := range strings.SplitSeq(build, ".") {
			if !isIdentifier(id) {
				return false
			}
		}
	}
	return true
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func hasLeadingZero(s string) bool { return len(s) > 1 && s[0] == '0' }

func isIdentifier(s string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		if r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}
