package telemetry_test

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// metricPrefix begins the names of all metrics of the gateway.
const metricPrefix = "caddy_osb_gateway_"

// sample is one line of a scrape. The name is without metricPrefix.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// matches tells whether it has these labels, given as name, value, name, value, and perhaps others.
func (s sample) matches(name string, labels []string) bool {
	if s.name != name {
		return false
	}
	for n := 0; n < len(labels); n += 2 {
		if s.labels[labels[n]] != labels[n+1] {
			return false
		}
	}
	return true
}

// labelNames are the names of its labels, sorted and separated by spaces.
func (s sample) labelNames() string { return strings.Join(slices.Sorted(maps.Keys(s.labels)), " ") }

// samples are all samples of the gateway in one scrape.
type samples []sample

// value returns the value of the one sample with these labels, 0 where there is none.
func (list samples) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	var found samples
	for _, s := range list {
		if s.matches(name, labels) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return 0
	case 1:
		return found[0].value
	}
	t.Fatalf("%s %v: got the samples %+v, want one", name, labels, found)
	return 0
}

// count tells how many samples have these labels; the name may be empty for any.
func (list samples) count(name string, labels ...string) int {
	n := 0
	for _, s := range list {
		if s.matches(name, labels) || name == "" && s.matches(s.name, labels) {
			n++
		}
	}
	return n
}

// page fetches a page as text.
func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatalf("fetching %s: %v", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("fetching %s: status %d, error %v", url, response.StatusCode, err)
	}
	return string(text)
}

// scrape reads the metrics of the gateway from the admin endpoint.
func scrape(t *testing.T, g *harness.Gateway) samples {
	t.Helper()
	return parseSamples(t, page(t, g.Admin+"/metrics"))
}

// scrapeSite reads them from a site that has `metrics /metrics`.
func scrapeSite(t *testing.T, g *harness.Gateway) samples {
	t.Helper()
	return parseSamples(t, page(t, g.URL+"/metrics"))
}

// parseSamples reads Prometheus' text format.
func parseSamples(t *testing.T, text string) samples {
	t.Helper()
	var list samples
	for line := range strings.Lines(text) {
		line, ours := strings.CutPrefix(strings.TrimSpace(line), metricPrefix)
		if !ours {
			continue
		}
		s := sample{labels: make(map[string]string)}
		nameEnd := strings.IndexAny(line, "{ ")
		if nameEnd < 0 {
			t.Fatalf("malformed sample %q", line)
		}
		s.name, line = line[:nameEnd], line[nameEnd:]
		if rest, labelled := strings.CutPrefix(line, "{"); labelled {
			for !strings.HasPrefix(rest, "}") {
				name, after, _ := strings.Cut(rest, "=")
				quoted, err := strconv.QuotedPrefix(after)
				if err != nil {
					t.Fatalf("malformed labels in %q: %v", line, err)
				}
				value, err := strconv.Unquote(quoted)
				if err != nil {
					t.Fatalf("malformed label in %q: %v", line, err)
				}
				s.labels[name] = value
				rest = strings.TrimPrefix(after[len(quoted):], ",")
			}
			line = rest[1:]
		}
		var err error
		if s.value, err = strconv.ParseFloat(strings.TrimSpace(line), 64); err != nil {
			t.Fatalf("malformed value of %s: %v", s.name, err)
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		t.Fatal("the scrape has no metrics of the gateway")
	}
	return list
}
