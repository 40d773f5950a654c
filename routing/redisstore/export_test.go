package redisstore

import "github.com/osb-gateway/caddy-osb-gateway/routing"

// Bucket is bucket, for tests.
func Bucket(instance routing.InstanceID) byte { return bucket(instance) }

// Escape is escape, for tests.
func Escape(s string) string { return escape(s) }

// Unescape is unescape, for tests.
func Unescape(s string) (string, bool) { return unescape(s) }
