package osb

import (
	"net/url"
	"strings"
)

// Query is what the gateway reads of a query. An empty string means that the parameter is absent or empty. The query
// itself is sent on as it came. The strings may be parts of it: what keeps one for long clones it.
type Query struct {
	// ServiceID and PlanID hint at the owner of an instance.
	ServiceID, PlanID string
	// Operation is what the platform polls for, as a broker named it earlier. It is opaque.
	Operation string
	// AcceptsIncomplete tells that the platform takes 202 for an answer. It is the first accepts_incomplete that
	// counts, and only the value "true".
	AcceptsIncomplete bool
}

// ParseQuery reads a raw query, without its question mark, as a form: parts end at `&`, escapes and `+` are decoded,
// and `;` means nothing.
//
// It returns a *RequestError of KindBadRequest when service_id, plan_id or operation comes twice or with a broken
// escape, and when one of the two ids is not fit to be one: not UTF-8, with control characters, longer than 1024
// bytes. It does not look at other parameters.
func ParseQuery(raw string) (Query, error) {
	var (
		query   Query
		seen    [queryParameters]bool
		problem string
	)
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(part, "=")
		parameter := queryParameterNamed(key)
		if parameter == queryOther {
			continue
		}
		first := !seen[parameter]
		seen[parameter] = true
		if parameter == queryAcceptsIncomplete {
			if first {
				value, _ = unescapeForm(value)
				query.AcceptsIncomplete = value == "true"
			}
			continue
		}
		if !first {
			return Query{}, badRequest(parameter.String() + " is in the query twice")
		}
		value, ok := unescapeForm(value)
		if !ok {
			return Query{}, badRequest(parameter.String() + " has a broken percent-encoding")
		}
		switch parameter {
		case queryServiceID:
			query.ServiceID, problem = value, idProblem(value)
		case queryPlanID:
			query.PlanID, problem = value, idProblem(value)
		case queryOperation:
			query.Operation = value
		default: // the others are not kept as text
		}
		if problem != "" {
			return Query{}, badRequest(parameter.String() + problem)
		}
	}
	return query, nil
}

type queryParameter uint8

const (
	queryOther queryParameter = iota
	queryServiceID
	queryPlanID
	queryOperation
	queryAcceptsIncomplete
	queryParameters // how many there are
)

var queryParameterNames = [queryParameters]string{
	queryServiceID:         "service_id",
	queryPlanID:            "plan_id",
	queryOperation:         "operation",
	queryAcceptsIncomplete: "accepts_incomplete",
}

func (p queryParameter) String() string { return queryParameterNames[p] }

// queryParameterNamed returns the parameter of an undecoded name. A name with a broken escape names none.
func queryParameterNamed(key string) queryParameter {
	if key == "" {
		return queryOther
	}
	name, ok := unescapeForm(key)
	if !ok {
		return queryOther
	}
	for p := queryOther + 1; p < queryParameters; p++ {
		if queryParameterNames[p] == name {
			return p
		}
	}
	return queryOther
}

// unescapeForm decodes a name or a value of a query. It allocates only when there is something to decode.
func unescapeForm(s string) (decoded string, ok bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	decoded, err := url.QueryUnescape(s)
	return decoded, err == nil
}
