package telemetry_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// odd are characters that look different in every form, appended to secrets.
const odd = `/+&<é "=1`

// The secrets that are known beforehand.
var (
	platformPassword      = secret{"the platform's password", "platform-password" + odd, "platform"}
	wrongPlatformPassword = secret{"a wrong password of the platform", "wrong-platform-password" + odd, "platform"}
	brokerPassword        = secret{"a broker's password of the environment", "environment-password" + odd, "gateway"}
	filePassword          = secret{"a broker's password of a file", "file-password" + odd, "gateway"}
	wrongBrokerPassword   = secret{"a broker's password that is wrong", "wrong-broker-password" + odd, "gateway"}
	apiKey                = secret{name: "a header of a broker", value: "api-key-for-the-broker=1"}
	sessionCookie         = secret{name: "a cookie of a broker", value: "session-cookie-of-the-broker"}
	redisPassword         = secret{"the password of Redis", "redis-password-marked/+1", "default"}
	createParameter       = secret{name: "a parameter of a create", value: "create-parameter" + odd}
	updateParameter       = secret{name: "a parameter of an update", value: "update-parameter" + odd}
	bindParameter         = secret{name: "a parameter of a bind", value: "bind-parameter" + odd}
	malformedParameter    = secret{name: "a parameter in a malformed body", value: "malformed-parameter" + odd}
	catalogText           = secret{name: "a malformed catalog", value: "malformed-catalog-text-marked"}
	dashboard             = secret{name: "the secret of a dashboard", value: dashboardSecret}
	identityEmail         = secret{name: "an end user's address", value: "jane.doe+marked@example.com"}
	beginning             = secret{name: "how a broker's password begins", value: brokerPassword.value[:20]}
	collectorKey          = secret{name: "the collector's key", value: "collector-api-key-marked"}
)

// secretIdentity is an originating identity that says more than the user's id.
var secretIdentity = originatingIdentity("cloudfoundry", members{"user_id": userID, "email": identityEmail.value})

// encodedIdentity is its value as the header has it.
var encodedIdentity = secret{
	name: "the value of an identity", value: strings.TrimPrefix(secretIdentity, "cloudfoundry "),
}

// knownSecrets are all of these.
func knownSecrets() []secret {
	return []secret{
		platformPassword, wrongPlatformPassword, brokerPassword, filePassword, wrongBrokerPassword, apiKey, sessionCookie,
		redisPassword, createParameter, updateParameter, bindParameter, malformedParameter, catalogText, dashboard,
		identityEmail, encodedIdentity, collectorKey, beginning,
	}
}

// secretWorld is a gateway that was given secrets in every way there is, in front of brokers that give them away.
type secretWorld struct {
	*harness.Gateway
	receiver *otlptest.Receiver
	echo     *harness.Broker
	// answers are what came back to the platform and must not hold a secret.
	answers strings.Builder
	// found are secrets that were made on the way.
	found []secret
}

// startSecretWorld starts it with a store block and more of the environment.
func startSecretWorld(t *testing.T, store string, protocol otlptest.Protocol, environment ...string) *secretWorld {
	t.Helper()
	w := &secretWorld{receiver: otlptest.Start(t)}
	w.echo = startBrokerWith(t, "db", brokerPassword.value, echoes())
	fileBroker := startBrokerWith(t, "queue", filePassword.value, nil)
	refusing := startBrokerWith(t, "refusing", brokerPassword.value, nil)
	badCatalog := startBrokerWith(t, "bad", brokerPassword.value, []samplebroker.Fault{{
		Path: "/v2/catalog$", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: 200,
		Body: `{"services": [{"id": "` + catalogText.value + `", "name": ` + catalogText.value,
	}})
	badOffering := startBrokerWith(t, "offering", brokerPassword.value, []samplebroker.Fault{{
		Path: "/v2/catalog$", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: 200,
		Body: fmt.Sprintf(`{"services": [{"id": "o", "name": "o", "description": "d", "bindable": true,
			"dashboard_client": {"id": 7, "secret": %q, "redirect_uri": %[1]q},
			"plans": [{"id": "o-p", "name": "p", "description": "d"}]}]}`, dashboardSecret),
	}})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(filePassword.value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(platformPassword.value), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	w.found = append(w.found, secret{name: "the hash of the platform's password", value: string(hash)})
	backend := func(broker *harness.Broker, name, password string) string {
		return fmt.Sprintf("backend %s %s {\n\tbasic_auth gateway %s\n\theader X-Api-Key {env.API_KEY}\n}\n",
			name, broker.URL, password)
	}
	w.Gateway = harness.Start(t, harness.Options{
		Block: store + "\nplatform cf {\n\tbasic_auth platform {env.PLATFORM_HASH}\n}\ncatalog {\n\trefresh 1s\n}\n" +
			backend(w.echo, "echo", "{env.BROKER_PASSWORD}") + backend(fileBroker, "file", "{file."+file+"}") +
			backend(refusing, "refusing", "{env.WRONG_PASSWORD}") + backend(badCatalog, "bad", "{env.BROKER_PASSWORD}") +
			backend(badOffering, "offering", "{env.BROKER_PASSWORD}"),
		Site: "log\nmetrics /metrics\n", Global: "debug\n" + shippedLog(t), PersistConfig: true,
		Environment: append(append(w.receiver.Env(protocol), environment...),
			"PLATFORM_HASH="+string(hash), "BROKER_PASSWORD="+brokerPassword.value, "API_KEY="+apiKey.value,
			"WRONG_PASSWORD="+wrongBrokerPassword.value, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key="+collectorKey.value),
	})
	return w
}

// startBrokerWith starts a sample broker that wants a password.
func startBrokerWith(t *testing.T, name, password string, faults []samplebroker.Fault) *harness.Broker {
	t.Helper()
	return harness.StartBroker(t, samplebroker.Options{
		Catalog: catalog(name), User: "gateway", Password: password, Faults: faults,
	})
}

// shippedLog is the log option of the Caddyfile that the project ships, at the level DEBUG.
func shippedLog(t *testing.T) string {
	t.Helper()
	shipped, err := os.ReadFile(filepath.Join(harness.Root(), "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "\n\tlog {\n", "\n\t}\n"
	_, rest, found := strings.Cut(string(shipped), begin)
	inside, _, ended := strings.Cut(rest, end)
	if !found || !ended || !strings.Contains(inside, "X-Broker-Api-Originating-Identity") {
		t.Fatal("the Caddyfile has no filter for the identity header in its global options")
	}
	return "log {\n\tlevel DEBUG\n" + inside + "\n}\n"
}

// echoes are answers with what the broker was sent, and with what is its own.
func echoes() []samplebroker.Fault {
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte("gateway:"+brokerPassword.value))
	answer := func(path string, status int, contentType, body string) samplebroker.Fault {
		return samplebroker.Fault{
			Path: path + "$", Action: samplebroker.ActionAnswer, BeforeWork: true, Status: status, ContentType: contentType,
			Body: body, Headers: map[string]string{"Set-Cookie": "id=" + sessionCookie.value},
		}
	}
	redirect := answer("/redirect", 302, "text/html", "moved "+authorization)
	redirect.Headers["Location"] = "http://gateway:" + brokerPassword.forms()["user info"] + "@127.0.0.1/"
	denied := answer("/denied", 401, "text/html", "wrong: "+authorization)
	denied.Headers["Www-Authenticate"] = authorization
	truncated := answer("/truncated", 500, "text/html", strings.Repeat(authorization+"\n", 20))
	truncated.Action = samplebroker.ActionTruncate
	return []samplebroker.Fault{
		answer("/echo-header", 500, "text/html", "<html><h1>Error</h1><pre>Authorization: "+authorization+"</pre>"),
		answer("/echo-password", 502, "text/html", "<p>cannot log in with "+brokerPassword.value),
		answer("/echo-form", 500, "text/html", "<p>cannot log in with "+brokerPassword.forms()["query"]),
		answer("/echo-key", 503, "text/plain", "X-Api-Key: "+apiKey.value),
		answer("/echo-cut", 500, "text/html", strings.Repeat(".", 175)+brokerPassword.value),
		answer("/echo-body", 500, "text/html", `<pre>{"password": "`+createParameter.forms()["HTML"]+`"}</pre>`),
		answer("/echo-raw", 500, "text/html", "<pre>"+createParameter.forms()["JSON"]),
		answer("/echo-identity", 500, "text/plain", "X-Broker-API-Originating-Identity: "+secretIdentity),
		answer("/echo-user", 500, "text/plain", "no such user: "+identityEmail.value),
		answer("/echo-code", 400, "application/json", `{"error":"bad `+createParameter.forms()["JSON"]+`"}`),
		answer("/echo-bind", 500, "text/plain", "{"+bindParameter.value),
		redirect, denied, truncated,
	}
}
