package telemetry_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// logUser has the placeholders of the identity in the access log, from which the header is removed.
const (
	logUser = "log\nlog_append user {http.osb_gateway.identity.user}\n" +
		"log_append kind {http.osb_gateway.identity.platform}\n"
	filterHeader = "log {\n\tformat filter {\n\t\twrap json\n" +
		"\t\trequest>headers>X-Broker-Api-Originating-Identity delete\n\t}\n}\n"
	accessLogger  = "http.log.access"
	identityUser  = "jane.doe@example.com"
	identityOther = "john.doe@example.com"
)

// seenAs returns how the user of a call appears, which must be the same in the audit log, on the span and in
// placeholders, and shows that the broker got the header as it came.
func seenAs(t *testing.T, g *harness.Gateway, broker *harness.Broker, receiver *otlptest.Receiver, user string) string {
	t.Helper()
	header := originatingIdentity("kubernetes", members{"username": user})
	c := provision("instance-"+nextIdentity(), "db", "sync").with("X-Broker-API-Originating-Identity", header)
	c.do(t, g)
	if got := received(t, broker, c).Header.Get("X-Broker-Api-Originating-Identity"); got != header {
		t.Errorf("the broker got the identity %q, want %q", got, header)
	}
	audit, span := auditLine(t, g, c), awaitCall(t, receiver, c)
	var access map[string]any
	harness.Await(t, "the line of the access log", func() bool {
		for _, line := range logLines(g.Output(), accessLogger) {
			request, _ := line["request"].(map[string]any)
			if uri, _ := request["uri"].(string); strings.HasSuffix(uri, c.Target) {
				access = line
			}
		}
		return access != nil
	})
	shown, _ := audit["identity_user"].(string)
	onSpan, _ := span.Attributes["osb.identity.user"].(string)
	inPlace, _ := access["user"].(string)
	if onSpan != shown || inPlace != shown {
		t.Errorf("the user is %q in the audit log, %q on the span and %q in the access log", shown, onSpan, inPlace)
	}
	for place, kind := range map[string]any{
		"audit": audit["identity_platform"], "span": span.Attributes["osb.identity.platform"], "access log": access["kind"],
	} {
		if kind != "kubernetes" {
			t.Errorf("%s: the platform of the identity is %v, want kubernetes", place, kind)
		}
	}
	return shown
}

// TestIdentityLog looks at a user everywhere where one can be seen.
func TestIdentityLog(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, setting string) (*harness.Gateway, *harness.Broker, *otlptest.Receiver, harness.Options) {
		t.Helper()
		receiver, broker := otlptest.Start(t), startBroker(t, "db")
		options := harness.Options{
			Block: setting + "\n" + block("store file", broker.Backend("pg", "")), Site: logUser, Global: filterHeader,
			Environment: append(receiver.Env(otlptest.GRPC), "IDENTITY_KEY=a key of one's own"),
		}
		return harness.Start(t, options), broker, receiver, options
	}
	// hidden checks that the user is nowhere in what the process wrote and sent.
	hidden := func(t *testing.T, g *harness.Gateway, receiver *otlptest.Receiver) {
		t.Helper()
		g.Stop(t)
		for place, text := range map[string]string{"output": g.Output(), "spans": string(receiver.Raw())} {
			if strings.Contains(text, identityUser) {
				t.Errorf("%s: the user is there in plain text", place)
			}
		}
	}

	t.Run("full", func(t *testing.T) {
		t.Parallel()
		gateway, broker, receiver, _ := start(t, "identity_log full")
		if got := seenAs(t, gateway, broker, receiver, identityUser); got != identityUser {
			t.Errorf("user: got %q, want %q", got, identityUser)
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		gateway, broker, receiver, _ := start(t, "identity_log none")
		if got := seenAs(t, gateway, broker, receiver, identityUser); got != "" {
			t.Errorf("user: got %q, want nothing", got)
		}
		hidden(t, gateway, receiver)
	})
	t.Run("hash with a key", func(t *testing.T) {
		t.Parallel()
		gateway, broker, receiver, _ := start(t, "identity_log hash {env.IDENTITY_KEY}")
		first := seenAs(t, gateway, broker, receiver, identityUser)
		if len(first) != 32 || first == seenAs(t, gateway, broker, receiver, identityOther) {
			t.Errorf("user: got %q, want 32 digits that are another user's no more", first)
		}
		gateway.Stop(t)
		gateway.Restart(t)
		if again := seenAs(t, gateway, broker, receiver, identityUser); again != first {
			t.Errorf("after a restart: got %q, want %q", again, first)
		}
		otherGateway, otherBroker, otherReceiver, _ := start(t, "identity_log hash another-key")
		if other := seenAs(t, otherGateway, otherBroker, otherReceiver, identityUser); other == first {
			t.Errorf("two keys give the same hash %q", other)
		}
		hidden(t, gateway, receiver)
	})
	t.Run("hash without a key", func(t *testing.T) {
		t.Parallel()
		gateway, broker, receiver, options := start(t, "identity_log hash")
		first := seenAs(t, gateway, broker, receiver, identityUser)
		options.Block = "max_request_body 2MiB\n" + options.Block
		if err := gateway.Reload(t, options); err != nil {
			t.Fatal(err)
		}
		if again := seenAs(t, gateway, broker, receiver, identityUser); again != first {
			t.Errorf("after a reload: got %q, want %q", again, first)
		}
		gateway.Stop(t)
		gateway.Restart(t)
		if later := seenAs(t, gateway, broker, receiver, identityUser); later == first || len(later) != len(first) {
			t.Errorf("after a restart: got %q, want another hash than %q", later, first)
		}
		hidden(t, gateway, receiver)
	})
}

// TestIdentityOfUnauthenticated: nobody knows who calls, so nothing that the call says of a user is believed.
func TestIdentityOfUnauthenticated(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{Block: block("store memory", broker.Backend("pg", "")), Site: logUser})
	c := provision("one", "db", "sync").
		with("X-Broker-API-Originating-Identity", originatingIdentity("kubernetes", members{"username": identityUser}))
	c.User, c.status = "-", http.StatusUnauthorized
	c.do(t, gateway)
	line := auditLine(t, gateway, c)
	for _, key := range []string{"identity_user", "identity_platform", "platform"} {
		if value, there := line[key]; there {
			t.Errorf("the audit line has %s %v, want none", key, value)
		}
	}
}
