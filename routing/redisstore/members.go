package redisstore

import (
	"fmt"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	instanceMember = "instance:"
	bindingMember  = "binding:"
)

// members returns what stands for the records of a key in the sets of their bucket and in messages. The second is empty
// where the key names no binding.
func members(key routing.Key) (instance, binding string) {
	escaped := escape(string(key.Instance))
	if key.Binding != "" {
		binding = bindingMember + escaped + ":" + escape(string(key.Binding))
	}
	return instanceMember + escaped, binding
}

// parseMember undoes members.
func parseMember(member string) (routing.Key, error) {
	if escaped, ok := strings.CutPrefix(member, instanceMember); ok {
		instance, ok := unescape(escaped)
		if ok {
			return routing.Key{Instance: routing.InstanceID(instance)}, nil
		}
	}
	if escaped, ok := strings.CutPrefix(member, bindingMember); ok {
		escapedInstance, escapedBinding, _ := strings.Cut(escaped, ":")
		instance, instanceOK := unescape(escapedInstance)
		binding, bindingOK := unescape(escapedBinding)
		if instanceOK && bindingOK && binding != "" {
			return routing.Key{Instance: routing.InstanceID(instance), Binding: routing.BindingID(binding)}, nil
		}
	}
	return routing.Key{}, fmt.Errorf("%.200q stands for no record; does another program use the same key prefix?", member)
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

// unescape undoes escape. It refuses what escape never makes, so that no two texts stand for the same.
func unescape(s string) (string, bool) {
	var plain strings.Builder
	plain.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '%' {
			if !unreserved(c) {
				return "", false
			}
			plain.WriteByte(c)
			continue
		}
		if len(s)-i < 3 {
			return "", false
		}
		high, highOK := digit(s[i+1])
		low, lowOK := digit(s[i+2])
		c = high<<4 | low
		if !highOK || !lowOK || unreserved(c) {
			return "", false
		}
		plain.WriteByte(c)
		i += 2
	}
	return plain.String(), true
}

// digit is the value of a hexadecimal digit as escape writes it.
func digit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
