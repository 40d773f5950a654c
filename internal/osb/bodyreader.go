package osb

import (
	"bytes"
	"cmp"
	"unicode/utf8"
)

// bodyReader reads a body once and notes where the texts are that are kept of it.
type bodyReader struct {
	scanner jsonScanner
	values  [bodyFields]jsonString
}

func (r *bodyReader) read() error {
	switch {
	case len(r.scanner.text) == 0:
		return badRequest("the body is empty")
	case !utf8.Valid(r.scanner.text):
		return badRequest("the body is not valid UTF-8")
	case r.scanner.peek() != '{':
		return badRequest("the body is not a JSON object")
	}
	if err := r.object(&bodyMember{members: bodyMembers}, 1); err != nil {
		return err
	}
	if !r.scanner.atEnd() {
		return badRequest("the body goes on behind its JSON object")
	}
	return nil
}

// body makes a Body of the values. It puts all texts one behind the other, so that the strings of the Body are parts
// of one string and cost one allocation. Of texts for the audit log only what fits there is kept, so that a Body never
// holds on to much.
func (r *bodyReader) body() (Body, error) {
	var (
		inline [512]byte // enough for a usual body
		texts  = inline[:0]
		ends   [bodyFields]int
	)
	for f := range bodyFields {
		start := len(texts)
		texts = r.values[f].appendTo(texts)
		if f >= bodyIDs {
			texts = appendLogSafe(texts[:start], texts[start:])
		} else if len(texts)-start > maxIDBytes {
			return Body{}, badRequest(idNames[f] + idTooLong)
		}
		ends[f] = len(texts)
	}

	var (
		all    = string(texts)
		fields [bodyFields]string
		start  int
	)
	for f, end := range ends {
		fields[f] = all[start:end]
		start = end
	}
	for f, id := range fields[:bodyIDs] {
		if problem := idProblem(id); problem != "" {
			return Body{}, badRequest(idNames[f] + problem)
		}
	}
	return Body{
		ServiceID:            fields[bodyServiceID],
		PlanID:               fields[bodyPlanID],
		PreviousServiceID:    fields[bodyPreviousServiceID],
		PreviousPlanID:       fields[bodyPreviousPlanID],
		PredecessorBindingID: fields[bodyPredecessorBindingID],
		Context: Context{
			Platform:     fields[contextPlatform],
			Organization: cmp.Or(fields[contextOrganization], fields[bodyOrganization]),
			Space:        cmp.Or(fields[contextSpace], fields[bodySpace]),
			Namespace:    fields[contextNamespace],
			Cluster:      fields[contextCluster],
			Account:      fields[contextAccount],
			CRN:          fields[contextCRN],
			InstanceName: fields[contextInstanceName],
		},
	}, nil
}

// object reads an object whose members are those of the given one, with the scanner at its brace. Depth counts the
// object itself.
func (r *bodyReader) object(of *bodyMember, depth int) error {
	var names keySet
	for first := true; ; first = false {
		key, more, ok := r.scanner.nextMember(first)
		switch {
		case !ok:
			return errBodyNotJSON()
		case !more:
			return nil
		}
		name := key.bytes()
		if !names.add(name) {
			return badRequest("a JSON object of the body has the same name twice")
		}
		member, variant := memberNamed(of.members, name)
		switch {
		case variant && of.audit:
			member = nil
		case variant:
			return badRequest("the body has a name that differs from " + string(member.name) + " only in case")
		}
		if err := r.value(member, depth); err != nil {
			return err
		}
	}
}

// value reads the value of a member, which is nil for one that is not read.
func (r *bodyReader) value(member *bodyMember, depth int) error {
	next := r.scanner.peek()
	switch {
	case member != nil && member.members != nil && next == '{':
		return r.object(member, depth+1)
	case member != nil && member.members == nil && next == '"':
		text, ok := r.scanner.str()
		if !ok {
			return errBodyNotJSON()
		}
		r.values[member.field] = text
		return nil
	case member != nil && member.members == nil && member.field < bodyIDs && next != 'n':
		return badRequest(idNames[member.field] + " is not a string")
	case !r.scanner.skip(depth):
		return errBodyNotJSON()
	default:
		return nil
	}
}

// memberNamed returns the member of a name, or nil if that is not read. Variant tells that the name differs from the
// member's in case.
func memberNamed(members []bodyMember, name []byte) (member *bodyMember, variant bool) {
	for i := range members {
		known := members[i].name
		if string(known) == string(name) {
			return &members[i], false
		}
		// Most names differ in their first letter already; what is not ASCII may still be the variant of one.
		if len(name) > 0 && (name[0]|0x20 == known[0] || name[0] >= utf8.RuneSelf) && bytes.EqualFold(known, name) {
			return &members[i], true
		}
	}
	return nil, false
}

func errBodyNotJSON() error { return badRequest("the body is not valid JSON") }
