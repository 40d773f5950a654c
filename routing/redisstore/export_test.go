package redisstore

import "github.com/osb-gateway/caddy-osb-gateway/routing"

// Bucket is bucket, for tests.
func Bucket(instance routing.InstanceID) byte { return bucket(instance) }

// DocumentMessage is documentMessage, for tests.
func DocumentMessage(name string, version uint64) string { return documentMessage(name, version) }

// ParseDocumentMessage is parseDocumentMessage, for tests.
func ParseDocumentMessage(message string) (name string, version uint64, err error) {
	return parseDocumentMessage(message)
}

// Escape is escape, for tests.
func Escape(s string) string { return escape(s) }

// Unescape is unescape, for tests.
func Unescape(s string) (string, bool) { return unescape(s) }
