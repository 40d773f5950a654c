package catalogmerge_test

import (
	"path/filepath"
	"testing"
)

// TestSampleCatalogs: the sample brokers' catalogs, which people copy, are right to all platforms.
func TestSampleCatalogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../cmd/samplebroker/catalogs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, path := range files {
		if c := copyOfFile(t, path); len(c.Problems) > 0 {
			t.Errorf("%s: %v", path, c.Problems)
		}
	}
}
