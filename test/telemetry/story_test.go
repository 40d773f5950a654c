package telemetry_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/doctest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// update has the story in docs/observability.md written anew.
var update = flag.Bool("update", false, "write the real output into docs/observability.md")

var observability = filepath.Join(harness.Root(), "docs", "observability.md")

// story is what the documented story shows, by the names of its examples.
type story map[string]string

// TestStory plays the documented story: a create that takes long, followed from the audit line to the trace to the
// broker. What is in the document is what came out, but for ids, times and addresses.
func TestStory(t *testing.T) {
	t.Parallel()
	told := playStory(t)
	document, err := os.ReadFile(observability)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := doctest.Examples(string(document))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(document), "\n")
	for _, example := range slices.Backward(examples) { // from the end, so that the numbers of lines stay right
		text, ok := told[example.Name]
		if !ok {
			continue
		}
		delete(told, example.Name)
		if *update {
			first := example.Line - 1
			lines = slices.Replace(lines, first, first+strings.Count(example.Text, "\n"), strings.SplitAfter(text, "\n")...)
			continue
		}
		if diff := cmp.Diff(inGeneral(example.Text), inGeneral(text)); diff != "" {
			t.Errorf("%s: the document tells it differently; run the test with -update (-document +now):\n%s",
				example.Name, diff)
		}
	}
	for name := range told {
		t.Errorf("the document does not tell %s", name)
	}
	if *update {
		if err := os.WriteFile(observability, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// particular is what is different each time.
var particular = regexp.MustCompile(`[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}-[0-9a-f-]+|\d+(\.\d+)?(e[+-]\d+)?| {2,}`)

// inGeneral is a text without that, and without reads of the store: whether a record is known without one depends on
// how soon the store began to tell of changes.
func inGeneral(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "osb.store.read ") {
			lines.WriteString(line)
		}
	}
	return particular.ReplaceAllString(lines.String(), "#")
}

func playStory(t *testing.T) story {
	t.Helper()
	receiver := otlptest.Start(t)
	broker := harness.StartBroker(t, samplebroker.Options{
		Catalog: catalog("postgres"),
		Faults: []samplebroker.Fault{{
			Method: http.MethodPut, DelayBefore: samplebroker.Duration(800 * time.Millisecond),
		}},
	})
	options := harness.Options{
		Block: block(redisStore(t), broker.Backend("postgres", "")), Environment: receiver.Env(otlptest.GRPC),
	}
	first, second := harness.Start(t, options), harness.Start(t, options)

	const instance = "5f3a7c0e-orders"
	created := newCall("provision", http.MethodPut, instancePath(instance)+"?accepts_incomplete=true", members{
		"service_id": "postgres", "plan_id": "postgres-slow", "organization_guid": "org-7", "space_guid": "space-3",
		"context": members{
			"platform": "cloudfoundry", "organization_guid": "org-7", "space_guid": "space-3", "instance_name": "orders-db",
		},
	}, http.StatusAccepted).with("X-Broker-API-Originating-Identity", originatingIdentity("cloudfoundry", members{
		"user_id": "jane@example.com",
	}))
	created.do(t, first)
	polls := []call{poll(instance), poll(instance)}
	for _, c := range polls {
		c.do(t, second)
	}
	told := story{"story-audit": pretty(t, auditLine(t, first, created))}

	spans := awaitCalls(t, receiver, append(polls, created)...)
	server, _ := serverSpan(spans, created)
	told["story-trace"] = tree(spans, server)
	for _, c := range polls {
		span, _ := serverSpan(spans, c)
		told["story-polls"] += tree(spans, span)
	}
	var got strings.Builder
	request := received(t, broker, created)
	fmt.Fprintf(&got, "%s %s\n", request.Method, request.RequestURI)
	for _, name := range []string{"Traceparent", "B3", "X-Broker-Api-Request-Identity"} {
		fmt.Fprintf(&got, "%s: %s\n", name, request.Header.Get(name))
	}
	told["story-broker"] = got.String()
	told["story-metrics"] = inProgress(t, second)
	return told
}

// pretty is a line of a log without what belongs to the machine, over several lines.
func pretty(t *testing.T, line map[string]any) string {
	t.Helper()
	text, err := json.MarshalIndent(line, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// inProgress waits until the gateway has counted the operation, and returns the series about it.
func inProgress(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	var found []string
	harness.Await(t, "the operation to be counted", func() bool {
		found = nil
		for line := range strings.Lines(page(t, g.Admin+"/metrics")) {
			if strings.HasPrefix(line, metricPrefix+"operations_") && strings.Contains(line, `operation="provision"`) {
				found = append(found, line)
			}
		}
		return len(found) == 2
	})
	return strings.Join(found, "")
}

// tree shows a span with those below it, and what one wants to know of each.
func tree(spans []otlptest.Span, root otlptest.Span) string {
	var text bytes.Buffer
	fmt.Fprintf(&text, "trace %s\n", root.TraceID)
	writeTree(&text, spans, root, "")
	return text.String()
}

func writeTree(text *bytes.Buffer, spans []otlptest.Span, span otlptest.Span, indent string) {
	fmt.Fprintf(text, "%-34s %7.1f ms", indent+span.Name, float64(span.End.Sub(span.Start).Microseconds())/1000)
	shown := []string{"http.response.status_code", "osb.backend"}
	if span.Kind == otlptest.KindServer {
		shown = []string{"http.response.status_code", "osb.platform", "osb.identity.user"}
	}
	for _, name := range shown {
		if value, ok := span.Attributes[name]; ok {
			fmt.Fprintf(text, "  %s=%v", name, value)
		}
	}
	text.WriteString("\n")
	for _, link := range span.Links {
		fmt.Fprintf(text, "%s  linked to span %s of trace %s\n", indent, link.SpanID, link.TraceID)
	}
	below := children(spans, span)
	slices.SortFunc(below, func(a, b otlptest.Span) int { return a.Start.Compare(b.Start) })
	for _, child := range below {
		writeTree(text, spans, child, indent+"  ")
	}
}
