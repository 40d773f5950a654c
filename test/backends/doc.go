// Package backends tests how brokers are called, with the built program: what authenticates the gateway to them, what
// becomes of brokers that are sick, and what platforms make of each answer.
package backends
