package telemetry_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestKeyFetchesAreTraced has an issuer that answers, one that does not as it should, and one that is not there.
func TestKeyFetchesAreTraced(t *testing.T) {
	t.Parallel()
	receiver, broker := otlptest.Start(t), startBroker(t, "db")
	good, bad := harness.StartIssuer(t), harness.StartIssuer(t)
	bad.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	const nobody = "http://127.0.0.1:1/keys"
	tokens := ""
	for name, url := range map[string]string{"good": good.URL, "bad": bad.URL, "nobody": nobody} {
		tokens += "jwt https://" + name + " {\n\tjwks_url " + url + "?query\n\taudience osb\n}\n"
	}
	harness.Start(t, harness.Options{
		Block:       "name traced\nstore memory\n" + harness.Platform("cf", tokens) + broker.Backend("pg", ""),
		Environment: receiver.Env(otlptest.GRPC),
	})
	spans := otlptest.Named(receiver.Await(t, func(spans []otlptest.Span) bool {
		return len(otlptest.Named(spans, "osb.keys.fetch")) >= 3
	}), "osb.keys.fetch")
	seen := make(map[string]bool)
	for _, span := range spans {
		url, _ := span.Attributes["url.full"].(string)
		seen[url] = true
		failed := url != good.URL
		if span.Kind != otlptest.KindClient || span.ParentID != "" || (span.Status == otlptest.StatusError) != failed ||
			span.Attributes["osb.gateway"] != "traced" || strings.Contains(url, "query") {
			t.Errorf("the span of a fetch is %+v", span)
		}
	}
	for _, url := range []string{good.URL, bad.URL, nobody} {
		if !seen[url] {
			t.Errorf("the fetch of %s is not traced", url)
		}
	}
}
