package deploy_test

import (
	"flag"
	"os"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// pictures has the pictures of the documents taken anew, with chromium.
var pictures = flag.Bool("pictures", false, "take the pictures in docs/ anew, which needs chromium")

func TestMain(m *testing.M) {
	os.Exit(harness.Main(harness.RunnerFunc(func() int { return redistest.Main(m) })))
}
