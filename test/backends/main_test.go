package backends_test

import (
	"os"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
