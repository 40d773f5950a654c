package deploy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// deployed is the path of a file in the directory deploy.
func deployed(name string) string { return filepath.Join(harness.Root(), "deploy", name) }

// program finds a program of the package prometheus. Without it the test fails: rules that nobody tried are not tested.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not on the PATH; install it (apt-get install prometheus), or run `make prometheus`", name)
	}
	return path
}

// prometheus is a running server.
type prometheus struct{ url string }

// startPrometheus starts a server with the alert rules of deploy, which scrapes the targets twice a second. It ends with
// the test.
func startPrometheus(t testing.TB, targets ...string) *prometheus {
	t.Helper()
	path, directory := program(t, "prometheus"), t.TempDir()
	config := fmt.Sprintf(`
global:
  scrape_interval: 500ms
  evaluation_interval: 500ms
rule_files:
  - %s
scrape_configs:
  - job_name: osb-gateway
    static_configs:
      - targets: ['%s']
`, deployed("prometheus/alerts.yml"), strings.Join(targets, "', '"))
	file := filepath.Join(directory, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", harness.ReservePort(t))
	log, err := os.Create(filepath.Join(directory, "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "--config.file="+file, "--web.listen-address="+address,
		"--storage.tsdb.path="+filepath.Join(directory, "data"), "--enable-feature=exemplar-storage")
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = log.Close()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("prometheus said:\n%s", said)
		}
	})
	p := &prometheus{url: "http://" + address}
	harness.Await(t, "prometheus to be ready", func() bool {
		answer, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return p
}

// get asks the API and reads the data of its answer. The error is what Prometheus says is wrong.
func (p *prometheus) get(endpoint string, values url.Values, data any) error {
	answer, err := http.Get(p.url + "/api/v1/" + endpoint + "?" + values.Encode())
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var said struct {
		Status, Error string
		Data          json.RawMessage
		Warnings      []string
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return err
	}
	if said.Status != "success" || len(said.Warnings) > 0 {
		return fmt.Errorf("%s %s %v", said.Status, said.Error, said.Warnings)
	}
	return json.Unmarshal(said.Data, data)
}

// series is one element of an instant vector.
type series struct {
	Metric map[string]string
	Value  [2]any
}

// query runs an expression at this moment.
func (p *prometheus) query(expression string) ([]series, error) {
	var data struct{ Result []series }
	err := p.get("query", url.Values{"query": {expression}}, &data)
	return data.Result, err
}
