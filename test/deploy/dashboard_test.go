package deploy_test

import (
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// dashboard is what of a dashboard is looked at.
type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
}

type panel struct {
	ID                       int
	Title, Type, Description string
	GridPos                  struct{ H, W, X, Y int }
	Targets                  []struct{ Expr, LegendFormat string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(deployed("grafana/dashboards/osb-gateway.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) == 0 {
		t.Fatal("the dashboard has no panels")
	}
	return d
}

// grafanaVariable is a variable in a query of the dashboard.
var grafanaVariable = regexp.MustCompile(`\$\{?(\w+)\}?`)

// expression is a query as Grafana sends it to Prometheus with everything chosen.
func expression(t *testing.T, d dashboard, query string) string {
	t.Helper()
	return grafanaVariable.ReplaceAllStringFunc(query, func(found string) string {
		name := strings.Trim(found, "${}")
		if name == "__rate_interval" {
			return "1m"
		}
		for _, variable := range d.Templating.List {
			if variable.Name == name {
				return ".*"
			}
		}
		t.Errorf("%s: the dashboard has no variable %s", query, name)
		return found
	})
}

// metricName is a metric of the gateway in a query.
var metricName = regexp.MustCompile(`caddy_osb_gateway_\w+`)

// quiet are the metrics that a run in which nothing goes wrong with them need not have.
var quiet = []string{"caddy_osb_gateway_breaker_open"}

func mayBeEmpty(query string) bool {
	return slices.ContainsFunc(metricName.FindAllString(query, -1), func(name string) bool {
		return slices.Contains(quiet, name)
	})
}

// hasData tells whether a query has an answer with a number in it.
func hasData(answer []series) bool {
	return slices.ContainsFunc(answer, func(s series) bool { return s.Value[1] != "NaN" })
}

// TestDashboard runs every query of the dashboard against a Prometheus that scrapes a gateway at work. None may be
// refused, and all must have data.
func TestDashboard(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	w := newWorkload(t)
	p := startPrometheus(t, w.metrics)
	w.run(t)

	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			query := expression(t, d, target.Expr)
			if _, err := p.query(query); err != nil {
				t.Errorf("%s: %s: %v", panel.Title, query, err)
				continue
			}
			if mayBeEmpty(query) {
				continue
			}
			var answer []series
			harness.Await(t, "data of "+panel.Title+": "+query, func() bool {
				answer, _ = p.query(query)
				return hasData(answer)
			})
			// What the legend names, the series have.
			for _, label := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if answer[0].Metric[label[1]] == "" {
					t.Errorf("%s: the series have no label %s: %v", panel.Title, label[1], answer[0].Metric)
				}
			}
		}
	}
	for _, variable := range d.Templating.List {
		if variable.Type != "query" {
			continue
		}
		match := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(variable.Definition)
		if match == nil {
			t.Errorf("variable %s: %q is no label_values", variable.Name, variable.Definition)
			continue
		}
		var values []string
		err := p.get("label/"+match[2]+"/values", url.Values{"match[]": {expression(t, d, match[1])}}, &values)
		if err != nil || len(values) == 0 {
			t.Errorf("variable %s: got the values %v and the error %v", variable.Name, values, err)
		}
	}
	w.checkExemplars(t, p)
	checkRules(t, p)
	if *pictures {
		w.takePictures(t, p)
	}
}

// checkExemplars expects that the latency of calls leads to traces that the collector has.
func (w *workload) checkExemplars(t *testing.T, p *prometheus) {
	t.Helper()
	for _, name := range []string{"request_duration_seconds_bucket", "backend_request_duration_seconds_bucket"} {
		var found []struct {
			Exemplars []struct{ Labels map[string]string }
		}
		harness.Await(t, "exemplars of "+name, func() bool {
			// The end of the range is a little ahead of now, the start long ago.
			err := p.get("query_exemplars", url.Values{
				"query": {"caddy_osb_gateway_" + name}, "start": {"0"}, "end": {"4102444800"},
			}, &found)
			return err == nil && len(found) > 0
		})
		for _, series := range found {
			for _, exemplar := range series.Exemplars {
				if id := exemplar.Labels["trace_id"]; len(id) != 32 {
					t.Errorf("%s: got the exemplar %v, want one with a trace_id", name, exemplar.Labels)
				}
			}
		}
		first := found[0].Exemplars[0].Labels["trace_id"]
		w.receiver.Await(t, func(spans []otlptest.Span) bool { // which the metrics may be ahead of
			return slices.ContainsFunc(spans, func(span otlptest.Span) bool { return span.TraceID == first })
		})
	}
}

// checkRules expects that Prometheus can evaluate all rules.
func checkRules(t *testing.T, p *prometheus) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	harness.Await(t, "all rules to be evaluated", func() bool {
		if err := p.get("rules", nil, &data); err != nil {
			return false
		}
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				if rule.Health == "unknown" {
					return false
				}
			}
		}
		return len(data.Groups) > 0
	})
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				t.Errorf("%s: %s %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	}
}

// TestDashboardIsWhole: what can be seen without a run.
func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	ids := make(map[int]bool)
	shown := make(map[string]bool)
	taken := make(map[[2]int]string)
	for _, panel := range d.Panels {
		if ids[panel.ID] {
			t.Errorf("%s: the id %d is another panel's too", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		place := panel.GridPos
		for x := place.X; x < place.X+place.W; x++ {
			for y := place.Y; y < place.Y+place.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Errorf("%q lies on %q", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
		if place.X+place.W > 24 {
			t.Errorf("%q is wider than the page", panel.Title)
		}
		if panel.Type == "row" {
			continue
		}
		if panel.Description == "" || len(panel.Targets) == 0 {
			t.Errorf("%q has no description or no query", panel.Title)
		}
		for _, target := range panel.Targets {
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[strings.TrimPrefix(name, "caddy_osb_gateway_")] = true
			}
		}
	}
	for _, name := range []string{
		"requests_total", "request_duration_seconds_bucket", "backend_requests_total",
		"backend_request_duration_seconds_bucket", "backend_up", "backend_in_flight", "breaker_open",
		"catalog_age_seconds", "catalog_offerings", "store_operations_total", "store_operation_duration_seconds_bucket",
		"store_commit_retries_total", "operations_in_progress", "operations_oldest_age_seconds", "trace_spans_total",
	} {
		if !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}
