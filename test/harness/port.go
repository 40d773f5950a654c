package harness

import "testing"

// ReservePort finds a free port of 127.0.0.1 for somebody who listens there now and then. Where the system allows it, nobody
// else is given it until the test ends.
func ReservePort(t testing.TB) int {
	t.Helper()
	return reservePort(t)
}
