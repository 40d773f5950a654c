package catalogmerge_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

var update = flag.Bool("update", false, "write what is wrong with the catalogs of testdata/catalogs beside them")

// catalogFiles are catalogs with the mistakes that brokers make.
func catalogFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "catalogs", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("found %d catalogs", len(files))
	}
	return files
}

func copyOfFile(t testing.TB, path string) *catalogmerge.Copy {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".json")
	c, err := refreshed(nil, name, data, "", noon)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	checkRefreshed(t, c, data)
	return c
}

// TestCatalogs compares what is found in each catalog with the list beside it.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	for _, path := range catalogFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			c := copyOfFile(t, path)
			var got strings.Builder
			for _, o := range c.Offerings {
				fmt.Fprintf(&got, "published %s\n", o.ID)
			}
			for _, p := range c.Problems {
				fmt.Fprintf(&got, "%s %s %s: %s\n", map[bool]string{true: "hard", false: "soft"}[p.Hard], p.Path, p.Rule, p.Detail)
			}
			list := strings.TrimSuffix(path, ".json") + ".problems"
			if *update {
				if err := os.WriteFile(list, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			merged := checkAccepted(t, []*catalogmerge.Copy{c})
			// Unmerged, the platforms take the catalog only if nothing was left out.
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			whole := acceptedByCloudFoundry(data) == nil && acceptedByServiceCatalog(data) == nil &&
				acceptedByKorifi(data) == nil
			if sound := len(hardOf(merged.Problems)) == 0; whole != sound {
				t.Errorf("the platforms accept the catalog as it is: %t; all of it is published: %t", whole, sound)
			}
		})
	}
}

// TestCatalogsMerged merges all catalogs at once, and all pairs of them in both orders.
func TestCatalogsMerged(t *testing.T) {
	t.Parallel()
	var copies []*catalogmerge.Copy
	for _, path := range catalogFiles(t) {
		copies = append(copies, copyOfFile(t, path))
	}
	all := checkAccepted(t, copies)
	if again := checkAccepted(t, copies); string(again.Body) != string(all.Body) || again.ETag != all.ETag {
		t.Error("merging twice gives other bytes")
	}
	for i, a := range copies {
		for j, b := range copies {
			if i != j {
				checkAccepted(t, []*catalogmerge.Copy{a, b})
			}
		}
	}
}

// checkAccepted checks that the platforms accept what is merged of some copies.
func checkAccepted(t testing.TB, copies []*catalogmerge.Copy) *catalogmerge.Catalog {
	t.Helper()
	merged := merge(copies)
	checkCatalog(t, merged, copies)
	if err := acceptedByCloudFoundry(merged.Body); err != nil {
		t.Errorf("Cloud Foundry: %v\n%s", err, merged.Body)
	}
	if err := acceptedByServiceCatalog(merged.Body); err != nil {
		t.Errorf("service-catalog: %v\n%s", err, merged.Body)
	}
	if err := acceptedByKorifi(merged.Body); err != nil {
		t.Errorf("Korifi: %v\n%s", err, merged.Body)
	}
	return merged
}
