package osb

import "bytes"

// keySet holds the member names of one JSON object, to find those that come twice. The few names that bodies have cost
// no allocation; a body made of names costs a map.
type keySet struct {
	few  [24][]byte
	n    int
	many map[string]struct{}
}

// add enters a name, which must not change afterwards. It returns false when the name is there already.
func (k *keySet) add(name []byte) bool {
	if k.many != nil {
		before := len(k.many)
		k.many[string(name)] = struct{}{}
		return len(k.many) > before
	}
	for _, other := range k.few[:k.n] {
		if bytes.Equal(other, name) {
			return false
		}
	}
	if k.n < len(k.few) {
		k.few[k.n] = name
		k.n++
		return true
	}
	k.many = make(map[string]struct{}, 4*len(k.few))
	for _, other := range k.few {
		k.many[string(other)] = struct{}{}
	}
	k.many[string(name)] = struct{}{}
	return true
}
