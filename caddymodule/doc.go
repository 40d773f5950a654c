// Package caddymodule is the OSB Gateway as a Caddy module: configuration, the directive, the life of a configuration,
// and the handler that takes a call through the gateway. It is the only package that knows Caddy.
package caddymodule
