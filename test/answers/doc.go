// Package answers holds the tests of what the built gateway says, byte for byte: what reaches a broker of what a
// platform sent, what reaches the platform of what the broker answered, and every answer of the gateway's own.
package answers
