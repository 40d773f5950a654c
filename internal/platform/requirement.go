package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Requirement says what a claim of a token must be.
type Requirement struct {
	// Claim is the name of a claim, or a JSON pointer (RFC 6901), which begins with a slash, to what stands within one.
	Claim string
	// Values are those of which the claim must have one. Strings are compared as they are; numbers, true and false as
	// they are written in JSON. Of an array one member must have one of the values.
	Values []string
}

// claimPath leads to a claim.
type claimPath []string

// parseClaimPath reads a name or a JSON pointer.
func parseClaimPath(claim string) (claimPath, error) {
	switch {
	case claim == "":
		return nil, errors.New("the name of the claim is empty")
	case claim[0] != '/':
		return claimPath{claim}, nil
	}
	path := strings.Split(claim[1:], "/")
	for i, token := range path {
		for rest := token; ; {
			_, after, escape := strings.Cut(rest, "~")
			if !escape {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, fmt.Errorf("%q is not a JSON pointer: behind ~ stands 0 (for ~) or 1 (for /)", claim)
			}
			rest = after[1:]
		}
		// In this order, so that ~01 becomes ~1.
		path[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// find returns what the path leads to.
func (p claimPath) find(claims map[string]any) (value any, ok bool) {
	value = claims
	for _, token := range p {
		switch parent := value.(type) {
		case map[string]any:
			if value, ok = parent[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || strconv.Itoa(i) != token || i < 0 || i >= len(parent) {
				return nil, false
			}
			value = parent[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// requirement is a Requirement, parsed.
type requirement struct {
	path   claimPath
	values []string
}

func (r requirement) holds(claims map[string]any) bool {
	value, ok := r.path.find(claims)
	if !ok {
		return false
	}
	if members, array := value.([]any); array {
		return slices.ContainsFunc(members, r.has)
	}
	return r.has(value)
}

// has tells whether a value is one of those that are wanted. Objects, arrays in arrays and null never are.
func (r requirement) has(value any) bool {
	switch value := value.(type) {
	case string:
		return slices.Contains(r.values, value)
	case json.Number:
		return slices.Contains(r.values, value.String())
	case bool:
		return slices.Contains(r.values, strconv.FormatBool(value))
	}
	return false
}

// within tells whether whatever r demands, other demands too.
func (r requirement) within(other requirement) bool {
	return slices.Equal(r.path, other.path) &&
		!slices.ContainsFunc(other.values, func(v string) bool { return !slices.Contains(r.values, v) })
}
