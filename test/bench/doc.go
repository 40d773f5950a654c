// Package bench measures the gateway side by side with what Caddy has: its basic_auth and reverse_proxy in front of the
// same broker, and its respond, which asks nobody. All are sites of one process, called by one loader in turns, so that
// what else the machine does meets all of them. `make bench` runs it.
package bench
