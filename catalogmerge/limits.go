package catalogmerge

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The limits of Cloud Foundry. All count characters, not bytes.
const (
	maxDescriptionChars     = 10_000
	maxTagsChars            = 2048
	maxMaintenanceInfoChars = 2000
)

func description(value []byte) (Rule, string) {
	if rule, detail := nonBlank(value); rule != "" {
		return rule, detail
	}
	s, _ := text(value)
	if chars := utf8.RuneCountInString(s); chars > maxDescriptionChars {
		return RuleLength, fmt.Sprintf("has %d characters, more than %d", chars, maxDescriptionChars)
	}
	return "", ""
}

func tags(value []byte) (Rule, string) {
	chars := 0
	rule, detail := eachString(value, func(tag string) (Rule, string) {
		chars += utf8.RuneCountInString(tag)
		return "", ""
	})
	if rule == "" && chars > maxTagsChars {
		return RuleLength, fmt.Sprintf("have %d characters together, more than %d", chars, maxTagsChars)
	}
	return rule, detail
}

func permissions(value []byte) (Rule, string) {
	return eachString(value, func(permission string) (Rule, string) {
		if slices.Contains([]string{"syslog_drain", "route_forwarding", "volume_mount"}, permission) {
			return "", ""
		}
		return RuleRequires, "holds " + quote(permission) +
			"; there are only syslog_drain, route_forwarding and volume_mount"
	})
}

// eachString checks an array of strings, and each of them.
func eachString(value []byte, check func(string) (Rule, string)) (Rule, string) {
	if value[0] != '[' {
		return wrongType(value, "an array of strings")
	}
	for e := range elements(value) {
		if e[0] != '"' {
			return RuleType, "holds " + kindOf(e) + " among its strings"
		}
		s, ok := text(e)
		if !ok {
			return RuleText, "holds a string with bytes or escapes that stand for no character"
		}
		if rule, detail := check(s); rule != "" {
			return rule, detail
		}
	}
	return "", ""
}

// duration checks a number of seconds that is stored in 32 bits. Only Cloud Foundry reads it, to which false is nothing.
func duration(value []byte) (Rule, string) {
	if value[0] == 'f' {
		return "", ""
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return wrongType(value, "an integer")
	}
	if bytes.ContainsAny(value, ".eE") {
		return RuleNumber, "is not written as an integer"
	}
	if _, err := strconv.ParseInt(string(value), 10, 32); err != nil {
		return RuleNumber, "does not fit into 32 bits"
	}
	return "", ""
}

func durationHint(value []byte) (Rule, string) {
	if value[0] == 'f' {
		return RuleType, "is false, not an integer; Cloud Foundry takes it for absent"
	}
	return "", ""
}

// opaque checks an object whose content is for platforms to show. Those written in Go keep its numbers in 64 bits and
// fail at a number that is too large for that.
func opaque(value []byte) (Rule, string) {
	if value[0] != '{' {
		return wrongType(value, "an object")
	}
	if number := hugeNumber(value); number != nil {
		return RuleNumber, "holds a number that is too large for 64 bits: " + quote(string(number))
	}
	return "", ""
}

// hugeNumber returns the first number in a value that floating point of 64 bits cannot hold.
func hugeNumber(value []byte) []byte {
	// The longest number without an exponent that surely fits.
	const surelyFits = 300
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '"':
			i = skipString(value, i)
		case c == '-' || '0' <= c && c <= '9':
			end := skipValue(value, i)
			number := value[i:end]
			if len(number) > surelyFits || bytes.ContainsAny(number, "eE") {
				if _, err := strconv.ParseFloat(string(number), 64); err != nil {
					return number
				}
			}
			i = end
		default:
			i++
		}
	}
	return nil
}

// jsonChars returns how many characters a value has as Cloud Foundry writes it: without white space, and with the
// characters that mean something in HTML escaped.
func jsonChars(value []byte) int {
	chars := 0
	for i := 0; i < len(value); {
		switch value[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := skipString(value, i)
			s, ok := text(value[i:end])
			if !ok {
				s = string(value[i:end])
			}
			chars += 2
			for _, r := range s {
				chars += writtenChars(r)
			}
			i = end
		default:
			chars++
			i++
		}
	}
	return chars
}

func writtenChars(r rune) int {
	switch {
	case r == '"' || r == '\\' || '\b' <= r && r <= '\r' && r != '\v':
		return len(`\n`)
	case r < ' ' || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029':
		return len(`\u0000`)
	default:
		return 1
	}
}
