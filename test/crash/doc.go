// Package crash holds tests that kill the gateway at each step between reading a call and answering it, and look at what the
// next calls see, with the embedded store and with a real Redis.
package crash
