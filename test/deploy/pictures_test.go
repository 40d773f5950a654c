package deploy_test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// picture is a page of Prometheus that a document shows.
type picture struct {
	file, expression string
}

// takenPictures are the pictures in docs/pictures.
var takenPictures = []picture{
	{"calls.png", `sum by (operation) (rate(caddy_osb_gateway_requests_total[30s]))`},
	{
		"latency.png",
		`histogram_quantile(0.95, sum by (backend, le) (rate(caddy_osb_gateway_backend_request_duration_seconds_bucket[30s])))`,
	},
	{"errors.png", `sum by (backend, code) (rate(caddy_osb_gateway_backend_requests_total{code=~"4..|5..|other"}[30s]))`},
	{"operations.png", `max by (backend, operation) (caddy_osb_gateway_operations_in_progress) > 0`},
}

// takePictures shows the pages in a browser without a window, after there is something to see on them.
func (w *workload) takePictures(t *testing.T, p *prometheus) {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not on the PATH; install it (apt-get install chromium)")
	}
	time.Sleep(100 * time.Second) // a picture of one moment shows nothing
	directory := filepath.Join(harness.Root(), "docs", "pictures")
	if err := os.MkdirAll(directory, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, picture := range takenPictures {
		page := p.url + "/classic/graph?" + url.Values{
			"g0.expr": {picture.expression}, "g0.tab": {"0"}, "g0.range_input": {"2m"}, "g0.stacked": {"0"},
		}.Encode()
		file := filepath.Join(directory, picture.file)
		command := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir="+t.TempDir(), "--hide-scrollbars", "--window-size=900,900", "--virtual-time-budget=8000",
			"--screenshot="+file, page)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", picture.file, err, output)
		}
		if info, err := os.Stat(file); err != nil || info.Size() > 150<<10 {
			t.Errorf("%s: %v, %v", picture.file, info, err)
		}
	}
}

// TestPicturesAreThere: the documents show them.
func TestPicturesAreThere(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range takenPictures {
		if _, err := os.Stat(filepath.Join(harness.Root(), "docs", "pictures", picture.file)); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(document, []byte("](pictures/"+picture.file+")")) {
			t.Errorf("docs/observability.md does not show %s", picture.file)
		}
	}
}
