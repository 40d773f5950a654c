package catalogmerge

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// objectRules are the fields of one kind of object.
type objectRules struct {
	fields []field
	// likely finds a field by its name as people write it in configurations: without case, hyphens and underscores.
	likely map[string]int
	// misplaced are fields of plans that people write here.
	misplaced []string
}

// newObjectRules returns the rules of an object with these fields. others maps further spellings to names.
func newObjectRules(fields []field, others map[string]string) *objectRules {
	r := &objectRules{fields: fields, likely: make(map[string]int)}
	for i, f := range fields {
		r.likely[string(plainName(nil, []byte(f.name)))] = i
	}
	for other, name := range others {
		r.likely[other] = r.find([]byte(name))
	}
	return r
}

// without notes fields of plans that people write here.
func (r *objectRules) without(misplaced ...string) *objectRules {
	r.misplaced = misplaced
	return r
}

func (r *objectRules) find(name []byte) int {
	for i := range r.fields {
		if string(name) == r.fields[i].name {
			return i
		}
	}
	return none
}

// intended returns the field that a name which is none may have been meant for.
func (r *objectRules) intended(name []byte) int {
	const longest = 40
	if len(name) > longest {
		return none
	}
	var buffer [longest]byte
	if i, ok := r.likely[string(plainName(buffer[:0], name))]; ok {
		return i
	}
	return none
}

// plainName appends a name without case, hyphens and underscores. The two letters beyond ASCII that encoding/json takes
// for ASCII ones become those.
func plainName(plain, name []byte) []byte {
	for len(name) > 0 {
		r, size := utf8.DecodeRune(name)
		switch {
		case r == '-' || r == '_':
		case r == 'ſ':
			plain = append(plain, 's')
		case r == '\u212a': // the sign of the kelvin
			plain = append(plain, 'k')
		case 'A' <= r && r <= 'Z':
			plain = append(plain, byte(r)+'a'-'A')
		default:
			plain = append(plain, name[:size]...)
		}
		name = name[size:]
	}
	return plain
}

// adviseOnPlace warns of a member that belongs to the plans.
func (d *draft) adviseOnPlace(name []byte, misplaced []string, at place) {
	if i := slices.Index(misplaced, string(name)); i >= 0 {
		d.advise(at.named(misplaced[i]), RuleSpelling, "belongs to the plans, and platforms do not read it here")
	}
}

// stray is a member of an object that may have been meant for one of its fields.
type stray struct {
	field int
	name  []byte
	value []byte
}

// judgeStray judges a member that may have been meant for a field. Platforms written in Go do not mind the case of
// names: to them it is that field, while it is none to the others.
func (d *draft) judgeStray(s stray, f *field, present bool, at place) {
	switch at = at.named(f.name); {
	case d.unchecked:
	case !bytes.EqualFold(s.name, []byte(f.name)):
		d.advise(at, RuleSpelling, "is there as %s, which platforms do not read", quote(string(s.name)))
	case present || f.structured && !isNull(s.value):
		d.report(at, RuleDuplicateKey, "is there as %s, which platforms written in Go take for the same", quote(string(s.name)))
	case f.unread:
		d.advise(at, RuleSpelling, "is there as %s, which platforms do not read", quote(string(s.name)))
	default:
		// They do not check what they read, but they fail at what does not fit.
		if rule, detail := f.check(s.value); (rule == RuleType || rule == RuleNumber) && !isNull(s.value) {
			d.report(at, rule, "is there as %s, which platforms written in Go take for it, and %s", quote(string(s.name)), detail)
			return
		}
		d.advise(at, RuleSpelling, "is there as %s, which only platforms written in Go read", quote(string(s.name)))
	}
}
