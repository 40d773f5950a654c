// Package ibmsdk calls the gateway as programs for IBM Cloud do: with IBM's SDK core for Go. It is a module of its own, so
// that the gateway does not depend on the SDK.
package ibmsdk
