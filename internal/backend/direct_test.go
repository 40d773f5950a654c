package backend_test

import (
	"os"
	"os/exec"
	"testing"
)

// directly: backends that have no transport of a test's own send without any.
var directly = os.Getenv("TEST_BACKEND_DIRECTLY") != ""

// TestDirectly has all tests done once more, with backends that send without a transport.
func TestDirectly(t *testing.T) {
	t.Parallel()
	if directly {
		return // it is being done
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=5m")
	command.Env = append(os.Environ(), "TEST_BACKEND_DIRECTLY=yes")
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
