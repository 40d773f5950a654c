package osb

import "strings"

// HeaderGateways lists the gateways that a request has passed, by their marks, the first one first. In the answer to a
// gateway that asks for a catalog it lists those that the catalog comes from. With it a gateway notices that a backend's
// URL leads back to itself. Nothing is believed because of it.
const HeaderGateways = "X-Osb-Gateway-Path"

const (
	// MaxGateways is how many gateways may stand behind each other.
	MaxGateways = 32
	// maxMark bounds the length of a mark.
	maxMark = 64
)

// Gateways are the marks in a header. What is no mark is left out: anybody may have written it.
func Gateways(values []string) []string {
	var marks []string
	for _, value := range values {
		for mark := range strings.SplitSeq(value, ",") {
			if mark = strings.TrimSpace(mark); isMark(mark) {
				marks = append(marks, mark)
			}
			if len(marks) > MaxGateways {
				return marks // too many, however many more
			}
		}
	}
	return marks
}

// FormatGateways makes a header of marks.
func FormatGateways(marks []string) []string { return []string{strings.Join(marks, ", ")} }

func isMark(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxMark
}
