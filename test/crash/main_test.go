package crash_test

import (
	"os"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(harness.RunnerFunc(func() int { return redistest.Main(m) })))
}
