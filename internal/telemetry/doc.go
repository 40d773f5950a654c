// Package telemetry makes the spans and the metrics of the gateway. It knows OpenTelemetry and Prometheus, and nothing
// of the server that it runs in.
//
// Spans are named after what the gateway does, not after paths, so that there are few names:
//
//	osb.<operation>           SERVER    one call of a platform
//	osb.store.<operation>     CLIENT    one round trip to the ownership store; INTERNAL where it is in this process
//	osb.backend.<operation>   CLIENT    one sending to a backend
//	osb.catalog.fetch         INTERNAL  a round of the background refresh for one backend
//	osb.keys.fetch            CLIENT    a fetch of the keys of an issuer of tokens
//	osb.token.fetch           CLIENT    a fetch of a token that a backend wants
//	osb.operation.unpolled    INTERNAL  the gateway's own poll of an operation that no platform polls
//	osb.outcome.retry         INTERNAL  one more attempt to write down what became of a call, below the call's span
//
// Attributes are those of OpenTelemetry's semantic conventions for HTTP and for databases, version 1.43.0, and osb.*.
//
// A span's status is Error when the gateway failed its caller: a 5xx on a SERVER span; on a CLIENT span whatever kept
// the backend or the store from answering, and any status of 400 or more but the 410 that tells that something to be
// deleted is gone, which is a success of the Open Service Broker API. Errors are kept as a short class, in the
// attribute error.type; their texts may hold addresses and queries and belong into the log.
package telemetry
