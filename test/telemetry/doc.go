// Package telemetry holds the tests of what can be seen of the built gateway from outside: traces as a collector gets
// them, metrics as a scraper gets them, the audit log, and the secrets that are in none of these.
package telemetry
