package redisstore

import (
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// bucket is the number of the bucket that an instance and its bindings live in: the 32-bit FNV-1a hash of the bytes of
// the decoded instance id, its four bytes combined by exclusive or. It is part of the layout and must never change.
func bucket(instance routing.InstanceID) byte {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(instance))
	sum := hash.Sum32()
	return byte(sum>>24) ^ byte(sum>>16) ^ byte(sum>>8) ^ byte(sum) //nolint:gosec // the low bytes are meant
}

// layout builds the keys of one gateway.
type layout struct {
	// base is the prefix and the gateway, with a colon after each.
	base string
}

func newLayout(prefix, gateway string) layout {
	return layout{base: prefix + ":" + escape(gateway) + ":"}
}

// recordKeys are the keys that one record or one pair of records needs.
type recordKeys struct {
	ids, unfinished string
	// instanceMember and bindingMember are the record keys without tag, as members of the sets; bindingMember is empty
	// where the key names no binding.
	instanceMember, bindingMember string
	// tag is what comes before a member in the key of its record.
	tag string
}

func (l layout) records(key routing.Key) recordKeys {
	instance := escape(string(key.Instance))
	tag := l.base + "{" + strconv.Itoa(int(bucket(key.Instance))) + "}:"
	keys := recordKeys{
		tag:            tag,
		ids:            tag + "ids",
		unfinished:     tag + "unfinished",
		instanceMember: "instance:" + instance,
	}
	if key.Binding != "" {
		keys.bindingMember = "binding:" + instance + ":" + escape(string(key.Binding))
	}
	return keys
}

// read lists the keys of the read script.
func (k recordKeys) read() []string {
	if k.bindingMember == "" {
		return []string{k.tag + k.instanceMember}
	}
	return []string{k.tag + k.instanceMember, k.tag + k.bindingMember}
}

// swap lists the keys of the swap script.
func (k recordKeys) swap() []string {
	if k.bindingMember == "" {
		return []string{k.ids, k.unfinished, k.tag + k.instanceMember}
	}
	return []string{k.ids, k.unfinished, k.tag + k.instanceMember, k.tag + k.bindingMember}
}

func (l layout) document(name string) string {
	return l.base + "{documents}:" + escape(name)
}

// escape percent-encodes all bytes but the ones that RFC 3986 calls unreserved.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	odd := 0
	for i := range len(s) {
		if !unreserved(s[i]) {
			odd++
		}
	}
	if odd == 0 {
		return s
	}
	var escaped strings.Builder
	escaped.Grow(len(s) + 2*odd)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			escaped.WriteByte(c)
		} else {
			escaped.WriteByte('%')
			escaped.WriteByte(digits[c>>4])
			escaped.WriteByte(digits[c&0xf])
		}
	}
	return escaped.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
