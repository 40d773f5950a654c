package osb

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// IDs are the ids of an offering and a plan, and of those in the previous_values of an update. An empty one says
// nothing.
type IDs struct {
	ServiceID, PlanID                 string
	PreviousServiceID, PreviousPlanID string
}

// RespellBody puts ids in the place of those that a body has, and leaves every other byte as it is: the order of the
// fields, white space, escapes and numbers. An empty id leaves what there is, and a field that the body lacks, or has
// empty, stays so. A body that ReadBody does not take is returned as it is.
//
// The body is not changed; where nothing is to be changed, it is the body that is returned.
func RespellBody(body []byte, ids IDs) []byte {
	reader := bodyReader{scanner: jsonScanner{text: body}}
	if reader.read() != nil {
		return body
	}
	if _, err := reader.body(); err != nil {
		return body
	}
	return respell(body, []respelling{
		{reader.values[bodyServiceID], ids.ServiceID},
		{reader.values[bodyPlanID], ids.PlanID},
		{reader.values[bodyPreviousServiceID], ids.PreviousServiceID},
		{reader.values[bodyPreviousPlanID], ids.PreviousPlanID},
	})
}

// RespellFetched does the same to a broker's answer to the fetching of an instance, with the ids that spell makes of
// the service_id and the plan_id in it. An answer in which it is not certain what they are is returned as it is, and
// spell is not called: one that is not a JSON object, or has one of the names twice, be it in another case.
func RespellFetched(answer []byte, spell func(serviceID, planID string) (string, string)) []byte {
	scanner := jsonScanner{text: answer}
	if scanner.peek() != '{' {
		return answer
	}
	var values [len(fetchedMembers)]jsonString
	var seen [len(fetchedMembers)]bool
	for first := true; ; first = false {
		key, more, ok := scanner.nextMember(first)
		if !ok {
			return answer
		}
		if !more {
			break
		}
		member, variant := memberNamed(fetchedMembers[:], key.bytes())
		if member == nil {
			if !scanner.skip(1) {
				return answer
			}
			continue
		}
		if seen[member.field] {
			return answer
		}
		seen[member.field] = true
		value, ok := scanner.optionalStr()
		if !ok {
			return answer
		}
		if !variant {
			values[member.field] = value.text
		}
	}
	if !scanner.atEnd() {
		return answer
	}
	service, plan := values[bodyServiceID], values[bodyPlanID]
	newService, newPlan := spell(service.String(), plan.String())
	return respell(answer, []respelling{{service, newService}, {plan, newPlan}})
}

// fetchedMembers are those of the answer to a fetch that are read.
var fetchedMembers = [...]bodyMember{
	bodyServiceID: {name: []byte("service_id"), field: bodyServiceID},
	bodyPlanID:    {name: []byte("plan_id"), field: bodyPlanID},
}

// RespellQuery puts ids in the place of the service_id and the plan_id that a raw query has, and leaves every other
// byte as it is: the order of the parameters, their names and how the others are escaped. An empty id leaves what there
// is, and a parameter that the query lacks, or has empty, stays so.
func RespellQuery(raw string, ids IDs) string {
	var respelled strings.Builder
	done := 0 // how much of raw has been written
	for start := 0; start < len(raw); {
		end := len(raw)
		if i := strings.IndexByte(raw[start:], '&'); i >= 0 {
			end = start + i
		}
		key, value, _ := strings.Cut(raw[start:end], "=")
		id := ""
		if value != "" {
			switch queryParameterNamed(key) { //nolint:exhaustive // the others stay as they are
			case queryServiceID:
				id = ids.ServiceID
			case queryPlanID:
				id = ids.PlanID
			}
		}
		if id != "" {
			respelled.WriteString(raw[done : end-len(value)])
			// Every reader takes %20 for a space, but not a plus.
			respelled.WriteString(strings.ReplaceAll(url.QueryEscape(id), "+", "%20"))
			done = end
		}
		start = end + 1
	}
	if done == 0 {
		return raw
	}
	respelled.WriteString(raw[done:])
	return respelled.String()
}

// respelling is a string of a JSON text, and what it is to say.
type respelling struct {
	value jsonString
	id    string
}

// respell writes a text anew with other strings, which must be parts of it.
func respell(text []byte, respellings []respelling) []byte {
	respellings = slices.DeleteFunc(respellings, func(r respelling) bool {
		return r.id == "" || len(r.value.raw) == 0 || r.value.String() == r.id
	})
	if len(respellings) == 0 {
		return text
	}
	slices.SortFunc(respellings, func(a, b respelling) int {
		return cmp.Compare(offsetIn(text, a.value.raw), offsetIn(text, b.value.raw))
	})
	size := len(text)
	for _, r := range respellings {
		size += len(r.id)
	}
	respelled := make([]byte, 0, size)
	done := 0
	for _, r := range respellings {
		at := offsetIn(text, r.value.raw)
		respelled = append(respelled, text[done:at]...)
		respelled = appendEscaped(respelled, r.id)
		done = at + len(r.value.raw)
	}
	return append(respelled, text[done:]...)
}

// offsetIn tells where in a text a part of it begins, which was sliced out of it and so shares the end of its memory.
func offsetIn(text, part []byte) int { return cap(text) - cap(part) }

// appendEscaped appends a string as it stands between the quotes of a JSON text.
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			var quoted bytes.Buffer
			encoder := json.NewEncoder(&quoted)
			encoder.SetEscapeHTML(false)
			_ = encoder.Encode(s) // a string and a buffer: there is nothing that could fail
			return append(dst, quoted.Bytes()[1:quoted.Len()-len("\"\n")]...)
		}
	}
	return append(dst, s...)
}
