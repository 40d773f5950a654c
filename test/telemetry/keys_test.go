package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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
	checkFetchSpans(t, receiver, "osb.keys.fetch", good.URL, bad.URL, nobody)
}

// TestTokenFetchesAreTraced has a token server that answers, one that does not as it should, and one that is not there.
func TestTokenFetchesAreTraced(t *testing.T) {
	t.Parallel()
	receiver, broker := otlptest.Start(t), startBroker(t, "db")
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL + "/token"
	}
	good := serve(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"a-token","token_type":"bearer","expires_in":3600}`)
	})
	bad := serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	const nobody = "http://127.0.0.1:1/token"
	backends := ""
	for name, url := range map[string]string{"good": good, "bad": bad, "nobody": nobody} {
		backends += "backend " + name + " " + broker.URL + " {\n\toauth2 " + url + "?query {\n\t\tclient gateway {env.SECRET}\n\t}\n}\n"
	}
	harness.Start(t, harness.Options{
		Block:       "name traced\nstore memory\n" + harness.Platform("cf", "") + broker.Backend("pg", "") + backends,
		Environment: append(receiver.Env(otlptest.GRPC), "SECRET=s"),
	})
	for _, span := range checkFetchSpans(t, receiver, "osb.token.fetch", good, bad, nobody) {
		want := map[any]string{good: "good", bad: "bad", nobody: "nobody"}[span.Attributes["url.full"]]
		if span.Attributes["osb.backend"] != want {
			t.Errorf("the backend of %+v is not %s", span, want)
		}
	}
}

// checkFetchSpans waits until the fetches of three addresses were traced, of which the first alone is good, and returns
// the spans.
func checkFetchSpans(t *testing.T, receiver *otlptest.Receiver, name, good, bad, nobody string) []otlptest.Span {
	t.Helper()
	traced := func(spans []otlptest.Span, url string) bool {
		return slices.ContainsFunc(spans, func(s otlptest.Span) bool { return s.Name == name && s.Attributes["url.full"] == url })
	}
	spans := otlptest.Named(receiver.Await(t, func(spans []otlptest.Span) bool {
		return traced(spans, good) && traced(spans, bad) && traced(spans, nobody)
	}), name)
	for _, span := range spans {
		url, _ := span.Attributes["url.full"].(string)
		failed := url != good
		if span.Kind != otlptest.KindClient || span.ParentID != "" || (span.Status == otlptest.StatusError) != failed ||
			span.Attributes["osb.gateway"] != "traced" || strings.Contains(url, "query") {
			t.Errorf("the span of a fetch is %+v", span)
		}
	}
	return spans
}
