package telemetry

import "github.com/osb-gateway/caddy-osb-gateway/internal/osb"

// SpanCatalogFetch is the name of the span around the refresh of one backend's catalog.
const SpanCatalogFetch = "osb.catalog.fetch"

// SpanKeysFetch is the name of the span of a fetch of an issuer's keys.
const SpanKeysFetch = "osb.keys.fetch"

// SpanTokenFetch is the name of the span of a fetch of a token that a backend wants.
const SpanTokenFetch = "osb.token.fetch" //nolint:gosec // a name, and no token

// SpanUnpolled is the name of the span around the gateway's own poll of an operation that no platform polls.
const SpanUnpolled = "osb.operation.unpolled"

// SpanRetry is the name of the span around the writing of an outcome that the store did not take at once.
const SpanRetry = "osb.outcome.retry"

const operations = int(osb.SetState) + 1

var serverSpanNames, backendSpanNames = func() (server, backend [operations]string) {
	for i := range operations {
		name := osb.Operation(i).String()
		server[i], backend[i] = "osb."+name, "osb.backend."+name
	}
	return server, backend
}()

var storeSpanNames = map[string]string{
	"read":          "osb.store.read",
	"swap":          "osb.store.swap",
	"read_document": "osb.store.read_document",
	"swap_document": "osb.store.swap_document",
}

var routes = [operations]string{
	osb.Catalog:       "/v2/catalog",
	osb.Provision:     routeInstance,
	osb.FetchInstance: routeInstance,
	osb.Update:        routeInstance,
	osb.Deprovision:   routeInstance,
	osb.PollInstance:  routeInstance + "/last_operation",
	osb.Bind:          routeBinding,
	osb.FetchBinding:  routeBinding,
	osb.Unbind:        routeBinding,
	osb.PollBinding:   routeBinding + "/last_operation",
	osb.GetState:      routeState,
	osb.SetState:      routeState,
}

const (
	routeInstance = "/v2/service_instances/{instance_id}"
	routeBinding  = routeInstance + "/service_bindings/{binding_id}"
	routeState    = "/bluemix_v1/service_instances/{instance_id}"
)

// ServerSpanName names the span of a platform's call: osb.provision, osb.poll_binding.
func ServerSpanName(operation osb.Operation) string { return named(&serverSpanNames, operation) }

// BackendSpanName names the span of a sending to a backend: osb.backend.provision.
func BackendSpanName(operation osb.Operation) string { return named(&backendSpanNames, operation) }

// StoreSpanName names the span of a round trip to the store: osb.store.swap.
func StoreSpanName(operation string) string {
	if name, ok := storeSpanNames[operation]; ok {
		return name
	}
	return "osb.store." + operation
}

// Route is the path of an operation below the base path of the gateway, with its ids left open, for http.route. That of
// osb.Unknown is "".
func Route(operation osb.Operation) string { return named(&routes, operation) }

func named(names *[operations]string, operation osb.Operation) string {
	if int(operation) >= len(names) {
		operation = osb.Unknown
	}
	return names[operation]
}
