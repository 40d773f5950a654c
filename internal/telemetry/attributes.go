package telemetry

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// The attributes that the gateway's spans have beside those of the semantic conventions.
const (
	KeyGateway          = attribute.Key("osb.gateway")
	KeyPlatform         = attribute.Key("osb.platform")
	KeyOperation        = attribute.Key("osb.operation")
	KeyBackend          = attribute.Key("osb.backend")
	KeyInstanceID       = attribute.Key("osb.instance_id")
	KeyBindingID        = attribute.Key("osb.binding_id")
	KeyServiceID        = attribute.Key("osb.service_id")
	KeyPlanID           = attribute.Key("osb.plan_id")
	KeyAsync            = attribute.Key("osb.async")
	KeyIdentityPlatform = attribute.Key("osb.identity.platform")
	KeyIdentityUser     = attribute.Key("osb.identity.user")
	KeyRequestIdentity  = attribute.Key("osb.request_identity")
)

// ServerAttributes describes a request to the gateway by the semantic conventions for HTTP servers. The route is Route,
// with the base path before it. Headers and the query are left out: they may hold credentials and operation strings.
func ServerAttributes(r *http.Request, route string) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 24) // with room for those of the gateway
	attributes = appendMethod(attributes, r.Method)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	attributes = append(attributes, semconv.URLScheme(scheme), semconv.URLPath(validText(osb.EscapedPath(r.URL))))
	attributes = appendServer(attributes, r.Host, "")
	if route != "" {
		attributes = append(attributes, semconv.HTTPRoute(route))
	}
	if version := protocolVersion(r); version != "" {
		attributes = append(attributes, semconv.NetworkProtocolVersion(version))
	}
	if agent := r.UserAgent(); agent != "" {
		attributes = append(attributes, semconv.UserAgentOriginal(validText(agent)))
	}
	return attributes
}

// ClientAddress is the attribute that says which host a call came from.
func ClientAddress(address string) attribute.KeyValue { return semconv.ClientAddress(address) }

// ClientAttributes describes a request to a backend by the semantic conventions for HTTP clients: base is the address
// of the backend, escapedPath what is appended to it. User info and query are left out of url.full.
func ClientAttributes(method string, base *url.URL, escapedPath string) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 5)
	attributes = appendMethod(attributes, method)
	path := strings.TrimSuffix(osb.EscapedPath(base), "/") + escapedPath
	attributes = append(attributes, semconv.URLFull(base.Scheme+"://"+base.Host+path))
	port := "80"
	if base.Scheme == "https" {
		port = "443"
	}
	return appendServer(attributes, base.Host, port)
}

// validText replaces what is not UTF-8 in a text that somebody else chose. OTLP has no room for it: an exporter refuses a
// whole batch for one such text, and everybody's spans in it are lost.
func validText(text string) string { return strings.ToValidUTF8(text, "?") }

// appendMethod keeps the method to those that are known, as it is meant for grouping.
func appendMethod(attributes []attribute.KeyValue, method string) []attribute.KeyValue {
	switch method {
	case http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost, http.MethodHead,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return append(attributes, semconv.HTTPRequestMethodKey.String(method))
	default:
		return append(attributes, semconv.HTTPRequestMethodOther, semconv.HTTPRequestMethodOriginal(method))
	}
}

// appendServer splits a host and its port, which may be missing.
func appendServer(attributes []attribute.KeyValue, address, defaultPort string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), defaultPort
	}
	if host != "" {
		attributes = append(attributes, semconv.ServerAddress(host))
	}
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		attributes = append(attributes, semconv.ServerPort(int(number)))
	}
	return attributes
}

func protocolVersion(r *http.Request) string {
	switch {
	case r.ProtoMajor >= 2:
		return strconv.Itoa(r.ProtoMajor)
	case r.ProtoMajor == 1 && r.ProtoMinor == 1:
		return "1.1"
	case r.ProtoMajor == 1:
		return "1.0"
	default:
		return ""
	}
}
