// Package chaos looks for ways in which the gateway loses an instance. Platforms create, use and delete instances through
// three gateways on one Redis, while processes are killed, connections are cut and brokers misbehave. In the end
// everything is healed, the platforms come to an end with what they began, and a verdict is given on all that was said
// and done: see [Judge] for the rules.
//
// What goes wrong, and when, comes from one seed. The machine adds to it, so that a seed is no replay.
package chaos
