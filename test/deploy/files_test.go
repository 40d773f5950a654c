package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// composeFile is what of the compose file is looked at. What it has beside these, the test refuses: a key that is
// misspelt would otherwise do nothing, and nobody would notice.
type composeFile struct {
	Name     string
	Services map[string]struct {
		Image           string
		Build           struct{ Context, Dockerfile string }
		Command         []string
		Environment     map[string]string
		Ports           []string
		Volumes         []string
		DependsOn       []string `yaml:"depends_on"`
		StopGracePeriod string   `yaml:"stop_grace_period"`
	}
	Volumes map[string]any
}

// fixedImage is an image by its name and its whole version, of no registry's in particular.
var fixedImage = regexp.MustCompile(`^([a-z-]+/)?[a-z-]+:v?\d+\.\d+\.\d+$`)

// TestCompose reads the compose file. It is not started by any test.
func TestCompose(t *testing.T) {
	t.Parallel()
	file, err := os.Open(deployed("compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var c composeFile
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gateway", "redis", "collector", "prometheus", "grafana", "jaeger"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	for name, service := range c.Services {
		if !fixedImage.MatchString(service.Image) && service.Image != "osb-gateway:local" {
			t.Errorf("%s: the image %q has no fixed version", name, service.Image)
		}
		if service.Build.Dockerfile != "" {
			exists(t, name, filepath.Join(service.Build.Context, service.Build.Dockerfile))
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[source]; !named {
				exists(t, name, source)
			}
		}
		for _, other := range service.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: the port %s is open to others than this machine", name, port)
			}
		}
	}
	// The others know each other by these names and ports.
	for file, hosts := range map[string][]string{
		"prometheus/prometheus.yml":                         {"gateway:9180"},
		"otel-collector/config.yaml":                        {"jaeger:4317"},
		"grafana/provisioning/datasources/datasources.yaml": {"http://prometheus:9090", "http://jaeger:16686"},
		"Caddyfile":    {"http://postgres-broker:9101", "http://queue-broker:9102", ":9180"},
		"compose.yaml": {"http://collector:4317", "redis://redis:6379"},
		"grafana/provisioning/dashboards/dashboards.yaml": {"/var/lib/grafana/dashboards"},
	} {
		text, err := os.ReadFile(deployed(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range hosts {
			if !strings.Contains(string(text), host) {
				t.Errorf("%s does not name %s", file, host)
			}
		}
	}
}

// exists expects a file or directory, seen from the directory deploy.
func exists(t *testing.T, service, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(deployed("."), path)); err != nil {
		t.Errorf("%s: %v", service, err)
	}
}

// TestCollector reads the configuration of the Collector: its pipelines use what there is, and all of it.
func TestCollector(t *testing.T) {
	t.Parallel()
	var config struct {
		Receivers, Processors, Exporters map[string]any
		Service                          struct {
			Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
		}
	}
	readYAML(t, "otel-collector/config.yaml", &config)
	traces, ok := config.Service.Pipelines["traces"]
	if !ok {
		t.Fatal("there is no pipeline of traces")
	}
	for kind, part := range map[string]struct {
		defined map[string]any
		used    []string
	}{
		"receiver":  {config.Receivers, traces.Receivers},
		"processor": {config.Processors, traces.Processors},
		"exporter":  {config.Exporters, traces.Exporters},
	} {
		for _, name := range part.used {
			if _, ok := part.defined[name]; !ok {
				t.Errorf("the %s %s is not defined", kind, name)
			}
		}
		for name := range part.defined {
			if !slices.Contains(part.used, name) {
				t.Errorf("the %s %s is not used", kind, name)
			}
		}
	}
	protocols, _ := config.Receivers["otlp"].(map[string]any)["protocols"].(map[string]any)
	if protocols["grpc"] == nil || protocols["http"] == nil {
		t.Errorf("the receiver speaks %v, want gRPC and HTTP", protocols)
	}
}

// TestProvisioning: the data source that the dashboard's exemplars lead to exists.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	var file struct {
		Datasources []struct {
			UID, Type string
			JSONData  struct {
				Exemplars []struct {
					Name          string
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"exemplarTraceIdDestinations"`
			} `yaml:"jsonData"`
		}
	}
	readYAML(t, "grafana/provisioning/datasources/datasources.yaml", &file)
	types := make(map[string]string)
	for _, source := range file.Datasources {
		types[source.UID] = source.Type
	}
	if types["prometheus"] != "prometheus" || types["jaeger"] != "jaeger" {
		t.Errorf("got the data sources %v", types)
	}
	exemplars := file.Datasources[0].JSONData.Exemplars
	if len(exemplars) != 1 || exemplars[0].Name != "trace_id" || types[exemplars[0].DatasourceUID] == "" {
		t.Errorf("exemplars lead to %v", exemplars)
	}
}

// TestCaddyfile lets Caddy check the configuration of the gateway in the compose file.
func TestCaddyfile(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("demo"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"validate", "--adapter", "caddyfile", "--config"}, {"fmt"}} {
		command := exec.Command(harness.Binary(t), append(arguments, deployed("Caddyfile"))...)
		command.Env = []string{
			"HOME=" + t.TempDir(), "OSB_REDIS_URL=redis://redis:6379/0", "OSB_BROKER_PASSWORD=demo",
			"OSB_PLATFORM_PASSWORD_HASH=" + string(hash),
		}
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("caddy %s: %v\n%s", arguments[0], err, output)
		}
	}
}
