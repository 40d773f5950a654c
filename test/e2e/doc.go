// Package e2e holds the end-to-end tests: the built gateway as a process, a real redis-server, and sample brokers over real
// HTTP. What a broker received is compared byte for byte with what the platform sent.
package e2e
