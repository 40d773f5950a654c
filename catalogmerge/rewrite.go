package catalogmerge

import (
	"bytes"
	"encoding/json"
)

// rewriting is what platforms see otherwise than a backend sent it. The zero value changes nothing.
type rewriting struct {
	// id and name are the offering's new ones; empty ones leave the old.
	id, name string
	// planIDs are the new ids of the plans, in their order; nil leaves the old.
	planIDs []string
	// dropped tells which plans to leave out; nil leaves out none.
	dropped []bool
	// defaults writes free and bindable into the plans that lack them, or have null for them.
	defaults bool
}

// apply returns the bytes of an offering with what is new in them, and raw itself if nothing is. Only the members
// concerned change; every other byte stays. raw is a JSON object.
func (r *rewriting) apply(raw []byte) []byte {
	if r.id == "" && r.name == "" && r.planIDs == nil && r.dropped == nil && !r.defaults {
		return raw
	}
	s := splicing{from: raw}
	var bindable []byte
	if r.defaults {
		bindable = literal(raw, "bindable")
	}
	for key, value := range memberSpans(raw) {
		switch string(keyName(key)) {
		case "id":
			s.replaceText(value, r.id)
		case "name":
			s.replaceText(value, r.name)
		case "plans":
			if raw[value.start] == '[' {
				r.plans(&s, value, bindable)
			}
		}
	}
	return s.result()
}

// plans rewrites the array of plans. What is between two plans of which one is left out stays with the one that follows.
func (r *rewriting) plans(s *splicing, array span, bindable []byte) {
	var plans []span
	for plan := range elementSpans(s.from[array.start:array.end]) {
		plans = append(plans, span{array.start + plan.start, array.start + plan.end})
	}
	kept := none
	for i, plan := range plans {
		if i < len(r.dropped) && r.dropped[i] {
			continue
		}
		switch {
		case kept == none && i > 0:
			s.replace(span{plans[0].start, plan.start}, nil)
		case kept != none && i > kept+1:
			s.replace(span{plans[kept].end, plans[i-1].end}, nil)
		}
		r.plan(s, plan, i, bindable)
		kept = i
	}
	if kept != none && kept < len(plans)-1 {
		s.replace(span{plans[kept].end, plans[len(plans)-1].end}, nil)
	}
}

// plan rewrites one plan. inherited is what bindable is where the plan does not say it.
func (r *rewriting) plan(s *splicing, object span, index int, inherited []byte) {
	raw := s.from[object.start:object.end]
	if raw[0] != '{' {
		return
	}
	var free, bindable bool
	end := 0
	for key, value := range memberSpans(raw) {
		value = span{object.start + value.start, object.start + value.end}
		end = value.end
		switch name := keyName(key); string(name) {
		case "id":
			if index < len(r.planIDs) {
				s.replaceText(value, r.planIDs[index])
			}
		case "free":
			free = true
			r.replaceNull(s, value, freeByDefault)
		case "bindable":
			bindable = true
			r.replaceNull(s, value, inherited)
		default:
			// To platforms written in Go this is the member, and a default beside it would be its duplicate.
			free = free || bytes.EqualFold(name, []byte("free"))
			bindable = bindable || bytes.EqualFold(name, []byte("bindable"))
		}
	}
	if !r.defaults || end == 0 {
		return
	}
	if !free {
		s.replace(span{end, end}, append([]byte(`,"free":`), freeByDefault...))
	}
	if !bindable && inherited != nil {
		s.replace(span{end, end}, append([]byte(`,"bindable":`), inherited...))
	}
}

// freeByDefault is what free is where a plan does not say it.
var freeByDefault = []byte("true")

// replaceNull puts a default in the place of null, which says as little as if the member were not there.
func (r *rewriting) replaceNull(s *splicing, value span, with []byte) {
	if r.defaults && with != nil && isNull(s.from[value.start:]) {
		s.replace(value, with)
	}
}

// literal returns the bytes of an object's boolean member; nil if it has none.
func literal(object []byte, name string) []byte {
	for key, value := range members(object) {
		if string(keyName(key)) == name && (value[0] == 't' || value[0] == 'f') {
			return value
		}
	}
	return nil
}

// splicing replaces pieces of some bytes, from the front to the back.
type splicing struct {
	from  []byte
	edits []edit
	size  int // of the result, less that of from
}

type edit struct {
	span
	with []byte
}

func (s *splicing) replace(piece span, with []byte) {
	s.edits = append(s.edits, edit{piece, with})
	s.size += len(with) - (piece.end - piece.start)
}

// replaceText puts a string in the place of a value; an empty one leaves the value.
func (s *splicing) replaceText(piece span, with string) {
	if with != "" {
		s.replace(piece, encodeText(with))
	}
}

// result returns from with the pieces replaced, or from itself if there are none.
func (s *splicing) result() []byte {
	if len(s.edits) == 0 {
		return s.from
	}
	result := make([]byte, 0, len(s.from)+s.size)
	at := 0
	for _, e := range s.edits {
		result = append(result, s.from[at:e.start]...)
		result = append(result, e.with...)
		at = e.end
	}
	return append(result, s.from[at:]...)
}

// encodeText writes a string as JSON, with no more escapes than JSON asks for.
func encodeText(s string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
