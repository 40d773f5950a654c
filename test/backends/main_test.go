package backends_test

import (
	"flag"
	"os"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// Most of the time these tests wait for other processes, and for brokers that are slow on purpose.
const parallelTests = "24"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		panic(err)
	}
	os.Exit(harness.Main(m))
}
